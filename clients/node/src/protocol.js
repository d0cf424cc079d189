/** What the client is made of: finding the daemon, the form of requests and replies, and the position of a follower. No sockets here. */

import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { decode, encode } from "@msgpack/msgpack";

const PAGE_EVENTS = 1000;
export const REPEAT_MS = 2000;
/** A follower that heard nothing that long reads: the last frame may have been lost, or the group be gone. */
export const QUIET_MS = 10000;
/** Repeating these changes nothing. */
const READS = new Set(["ping", "status", "groups", "group_show", "actor_list", "inbox_list", "ledger_read", "blob_get", "blob_stat", "context_get", "task_list",
  "presence_get", "observability_get", "active_get", "headless_status"]);
/** Repeating these is safe with a client_id, which is made when there is none. */
const WITH_CLIENT_ID = new Set(["send", "reply", "send_cross_group", "group_create"]);

/** The daemon refused: `code` for programs, `message` for people, `details` by code. */
export class BusError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** No daemon serves this home. */
export class NotRunning extends BusError {}

/** The client was closed before. */
export class Closed extends BusError {
  constructor() {
    super("closed", "the client is closed; open another");
  }
}

/** No answer came: the outcome is unknown. `clientId` (if the request had one) finds out: repeat it. */
export class Timeout extends BusError {
  constructor(op, timeoutMs, clientId) {
    super("timeout", `${op} was not answered within ${timeoutMs} ms; the outcome is unknown`, { client_id: clientId });
    this.clientId = clientId;
  }
}

/** Events that the ledger cannot give. `lineage_changed`: it was restored; following goes on from its new head. */
export class Gap {
  constructor(fromSeq, toSeq, reason) {
    this.fromSeq = fromSeq;
    this.toSeq = toSeq;
    this.reason = reason;
  }
}

export function findHome(home) {
  const given = home || process.env.CCCC_HOME || "~/.cccc";
  return given === "~" || given.startsWith("~/") ? join(homedir(), given.slice(1)) : given;
}

/** Which folder that is, as a descriptor says it; numbers of inodes may be over 2^53. */
function folderId(path) {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** daemon/ccccd.addr.json of a home of ours: where it listens. A copy of a home has a copy of it, which leads to the original. */
export function descriptor(home) {
  const path = join(home, "daemon", "ccccd.addr.json");
  let why;
  try {
    const { bus, events, folder } = JSON.parse(readFileSync(path, "utf8"));
    if (statSync(path).uid !== process.getuid()) why = `${path} belongs to somebody else`;
    else if (folder !== undefined && folder !== folderId(home)) why = "it is a copy of another home";
    else if (typeof bus === "string" && typeof events === "string") return { bus, events };
    else why = `${path} names no bus`;
  } catch (error) {
    why = error.message;
  }
  throw new NotRunning("daemon_not_running", `no daemon serves ${home} (${why}); start one: cccc daemon start`);
}

/** Does it hold half a surrogate pair? No UTF-8 can say that. */
function isBroken(value) {
  if (typeof value === "string") return /\p{Surrogate}/u.test(value);
  if (Array.isArray(value)) return value.some(isBroken);
  return value?.constructor === Object && Object.entries(value).some(([key, of]) => isBroken(key) || isBroken(of));
}

function pack(op, request) {
  try {
    if (isBroken(request.args)) throw new TypeError("a text has half a surrogate pair");
    return encode(request);
  } catch (error) {
    throw new BusError("invalid_request", `${op}: the arguments cannot be sent: ${error.message}; nothing was sent`);
  }
}

/** A request under way: its frame, and whether repeating it is safe. */
export class Request {
  constructor(id, op, args) {
    const wanted = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined && value !== null));
    if (WITH_CLIENT_ID.has(op)) wanted.client_id ??= randomUUID().replaceAll("-", "");
    this.id = id;
    this.op = op;
    this.clientId = wanted.client_id;
    this.repeatable = READS.has(op) || this.clientId !== undefined;
    this.frame = pack(op, { v: 1, id, op, args: wanted });
  }
}

export const unpack = (frame) => decode(frame);

export function resultOf(reply) {
  if (reply.ok) return reply.result;
  throw new BusError(reply.error.code, reply.error.message, reply.error.details);
}

/** Where a follower is, and what is to be done next (PROTOCOL.md, Following without silent gaps). */
export class Position {
  #epoch;

  constructor(groupId, { afterSeq, afterId = "", kinds, recipient } = {}) {
    this.groupId = groupId;
    this.seq = afterSeq; // undefined: from now on
    this.id = afterId;
    this.kinds = kinds;
    this.recipient = recipient;
    this.behind = true; // the ledger has, or may have, more
  }

  topics() {
    return [this.recipient ? `i/${this.groupId}/${this.recipient}/` : `e/${this.groupId}/`, `h/${this.groupId}/`];
  }

  read() {
    return { group_id: this.groupId, after_seq: this.seq, after_id: this.id || undefined, limit: PAGE_EVENTS, kinds: this.kinds, recipient: this.recipient };
  }

  /** What a ledger_read gave, in order. */
  page({ events, gaps, checked_seq: checked, more }) {
    const items = events.filter((event) => event.seq > this.seq).map((event) => [event.seq, event]);
    for (const gap of gaps) items.push([gap.from_seq, new Gap(gap.from_seq, gap.to_seq, gap.reason)]);
    if (checked > this.seq) {
      const last = events.at(-1);
      this.seq = checked;
      this.id = last?.seq === checked ? last.id : "";
    }
    this.behind = more;
    return items.sort(([a], [b]) => a - b).map(([, item]) => item);
  }

  /** The ledger is another one: say so, and go on from its head. */
  restored(head) {
    const gap = new Gap(Math.min(head + 1, this.seq), this.seq, "lineage_changed");
    this.seq = head;
    this.id = "";
    this.behind = true;
    return [gap];
  }

  /** What was published: the next event, a reason to read, or nothing. */
  frame(topic, body) {
    const parts = topic.toString().split("/");
    if (parts[0] === "h") {
      const { head_seq: head, epoch, deleted } = unpack(body);
      this.behind ||= head > this.seq || (this.#epoch !== undefined && this.#epoch !== epoch) || deleted === true; // a read is refused with the reason
      this.#epoch = epoch;
      return [];
    }
    const [seq, before] = parts.slice(-2).map(Number);
    if (seq <= this.seq) return [];
    this.behind ||= before > this.seq;
    if (this.behind) return [];
    const event = unpack(body);
    this.seq = seq;
    this.id = event.id;
    return !this.kinds?.length || this.kinds.includes(event.kind) ? [event] : [];
  }
}
