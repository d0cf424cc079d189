// clients/node against a real daemon: requests, safe repetition, and a follower that misses nothing, sees nothing twice and says what is gone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const { BusError, Closed, Gap, NotRunning, Timeout, open } = await import(join(process.env.CCCC_NODE_CLIENT, "src/index.js"));
const daemon = join(process.env.CCCC_BIN, "ccccd");

/** A scratch home and the daemon started for it. */
class Home {
  path = mkdtempSync(join(tmpdir(), "cccc-test-"));

  async start() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CCCC_")));
    this.process = spawn(daemon, { env: { ...env, CCCC_HOME: this.path }, stdio: ["ignore", "pipe", "inherit"] });
    this.ended = once(this.process, "exit");
    await once(this.process.stdout, "data"); // it says that it serves
  }

  async kill(signal = "SIGKILL") {
    this.process.kill(signal);
    await this.ended;
  }

  async end() {
    if (this.process) await this.kill("SIGTERM");
    rmSync(this.path, { recursive: true });
  }
}

/** A test with a home, a client of its daemon, and a group in it. */
function served(name, body) {
  test(name, { timeout: 60000 }, async () => {
    const home = new Home();
    let bus;
    try {
      await home.start();
      bus = open({ home: home.path });
      const group = (await bus.request("group_create", { title: "js" })).group_id;
      await bus.request("actor_add", { group_id: group, actor_id: "lead", runtime: "custom", runner: "headless", command: ["cat"] });
      await body({ home, bus, group });
    } finally {
      bus?.close();
      await home.end();
    }
  });
}

async function take(follow, count) {
  const items = [];
  while (items.length < count) items.push((await follow.next()).value);
  return items;
}

served("a copy of a home does not lead to the original", async ({ home }) => {
  const copy = new Home();
  const place = "daemon/ccccd.addr.json";
  mkdirSync(join(copy.path, "daemon"));
  copyFileSync(join(home.path, place), join(copy.path, place));
  assert.throws(() => open({ home: copy.path }), (error) => error instanceof NotRunning && error.message.includes("copy"));
  await copy.end();
});

served("a request gives a result or an error", async ({ bus }) => {
  assert.equal((await bus.ping()).protocol, 1);
  await assert.rejects(bus.request("group_show", { group_id: "g_ffffffffffff" }), (error) => {
    return error instanceof BusError && error.code === "group_not_found" && error.message.includes("g_ffffffffffff");
  });
});

test("no daemon is said", () => {
  const home = new Home();
  assert.throws(() => open({ home: home.path }), NotRunning);
  home.end();
});

served("an answer that does not come is a Timeout, and names what to repeat", async ({ home, bus, group }) => {
  home.process.kill("SIGSTOP");
  await assert.rejects(bus.request("send", { group_id: group, text: "x" }, { timeoutMs: 300 }), (error) => error instanceof Timeout && error.clientId.length === 32);
  home.process.kill("SIGCONT");
  await bus.ping();
});

served("what is closed says so, also to a request that is under way", async ({ home, bus, group }) => {
  home.process.kill("SIGSTOP");
  const underWay = bus.request("groups");
  bus.close();
  await assert.rejects(underWay, Closed);
  home.process.kill("SIGCONT");
  await assert.rejects(bus.ping(), (error) => error instanceof BusError && error.code === "closed");
  assert.throws(() => bus.follow(group), Closed);
});

served("requests are pipelined, and sends stored once across a kill", async ({ home, bus, group }) => {
  const sends = Array.from({ length: 300 }, (_, i) => bus.send({ group_id: group, text: `${i}` }));
  await sends[100];
  await home.kill();
  await home.start();
  const seqs = (await Promise.all(sends)).map((result) => result.event.seq);
  assert.equal(new Set(seqs).size, 300);
  const lines = readFileSync(join(home.path, "groups", group, "ledger.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const texts = lines.filter((event) => event.kind === "chat.message").map((event) => Number(event.data.text));
  assert.deepEqual(texts.sort((a, b) => a - b), Array.from({ length: 300 }, (_, i) => i));
});

served("a follower has every event once and in order, and goes on across a restart", async ({ home, bus, group }) => {
  const history = [];
  for (let i = 0; i < 5; i++) history.push((await bus.send({ group_id: group, text: `${i}` })).event.id);
  const follow = bus.follow(group, { afterSeq: 0, kinds: ["chat.message"] });
  assert.deepEqual((await take(follow, 5)).map((event) => event.id), history);
  const sent = [];
  const messages = Array.from({ length: 1000 }, () => ({ text: "x" }));
  for (let i = 0; i < 10; i++) sent.push(...(await bus.request("send_batch", { group_id: group, messages })).results.map((row) => row.event_id));
  assert.deepEqual((await take(follow, 10000)).map((event) => event.id), sent);
  await home.kill();
  await home.start();
  const { event } = await bus.send({ group_id: group, text: "behind" });
  assert.equal((await take(follow, 1))[0].id, event.id);
  follow.close();
});

served("leaving the loop ends the follower", async ({ bus, group }) => {
  const { event } = await bus.send({ group_id: group, text: "one" });
  const follow = bus.follow(group, { afterSeq: event.seq - 1 });
  for await (const item of follow) {
    assert.equal(item.id, event.id);
    break;
  }
  assert.equal((await follow.next()).done, true);
  const waiting = bus.follow(group);
  const next = waiting.next();
  await bus.ping();
  waiting.close();
  assert.equal((await next).done, true);
});

served("an inbox is followed by recipient", async ({ bus, group }) => {
  const follow = bus.follow(group, { afterSeq: 0, recipient: "lead" });
  await bus.send({ group_id: group, text: "not for lead", to: ["user"], by: "lead" });
  const { event } = await bus.send({ group_id: group, text: "for lead", to: ["lead"] });
  assert.equal((await take(follow, 1))[0].id, event.id);
  follow.close();
});

served("a restored ledger is a gap", async ({ bus, group }) => {
  const { event } = await bus.send({ group_id: group, text: "x" });
  const follow = bus.follow(group, { afterSeq: event.seq, afterId: "0".repeat(32) });
  const [gap] = await take(follow, 1);
  assert.ok(gap instanceof Gap && gap.reason === "lineage_changed");
  follow.close();
});

served("who waits while it is closed is told", async ({ bus, group }) => {
  const follow = bus.follow(group, { afterSeq: 0 });
  await take(follow, 2);
  const waiting = follow.next();
  await bus.ping();
  bus.close();
  await assert.rejects(waiting, Closed);
});

served("now is when following began", async ({ bus, group }) => {
  const follow = bus.follow(group);
  await bus.ping(); // one behind the other: the daemon has taken what follow asked
  const { event } = await bus.send({ group_id: group, text: "x", to: ["lead"] });
  assert.equal((await follow.next()).value.id, event.id);
  follow.close();
});

served("a deleted group ends its followers", async ({ bus, group }) => {
  const follow = bus.follow(group);
  const waiting = follow.next();
  await bus.ping();
  await bus.request("group_delete", { group_id: group });
  await assert.rejects(waiting, { code: "group_not_found" });
  follow.close();
});

served("what cannot be sent is the client's own error", async ({ bus, group }) => {
  for (const text of ["half \ud83d", "\udc00"]) await assert.rejects(bus.send({ group_id: group, text }), { code: "invalid_request" });
  for (const extra of [{ "\ud83d": 1 }, ["\ud83d"], () => 1]) await assert.rejects(bus.request("ping", { extra }), { code: "invalid_request" });
  assert.equal((await bus.send({ group_id: group, text: "whole \u{1f600}" })).event.data.text, "whole \u{1f600}");
});

test("what is exported is what the types say", async () => {
  const client = process.env.CCCC_NODE_CLIENT;
  const types = readFileSync(join(client, "src/index.d.ts"), "utf8");
  const declared = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map((found) => found[1]);
  assert.deepEqual(declared.sort(), Object.keys(await import(join(client, "src/index.js"))).sort());
});
