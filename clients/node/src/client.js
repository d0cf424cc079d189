/** The client: requests, pipelined over one connection, and followers. */

import { Dealer, Subscriber } from "zeromq";

import * as protocol from "./protocol.js";

const OPTIONS = { linger: 0, reconnectMaxInterval: 2000 };

/** A client of the daemon that serves `home` (default $CCCC_HOME, else ~/.cccc). */
export function open(options) {
  return new Client(options);
}

/** A promise of what `promise` gives, or of undefined after `ms`. */
function within(promise, ms) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class Client {
  #timeoutMs;
  #endpoint;
  #socket;
  #closed = false;
  #last = 0;
  #open = new Map(); // id -> what settles it
  #followers = new Set();
  #sent = Promise.resolve(); // a socket takes one frame at a time

  constructor({ home, timeoutMs = 30000 } = {}) {
    this.home = protocol.findHome(home);
    this.#timeoutMs = timeoutMs;
    this.#connect();
  }

  /** Connect, anew when the daemon listens elsewhere by now. */
  #connect() {
    const endpoint = protocol.descriptor(this.home).bus;
    if (endpoint === this.#endpoint) return;
    this.#socket?.close();
    this.#socket = new Dealer(OPTIONS);
    this.#socket.connect(endpoint);
    this.#endpoint = endpoint;
    this.#take(this.#socket);
  }

  async #take(socket) {
    for await (const frames of socket) {
      const reply = protocol.unpack(frames.at(-1));
      this.#open.get(reply.id)?.resolve(reply);
    }
  }

  #send(request) {
    const socket = this.#socket;
    this.#sent = this.#sent.then(() => socket.send(request.frame)).catch(() => {}); // it was closed: repeated on the next one
  }

  #again(request) {
    try {
      this.#connect();
    } catch (error) {
      if (error instanceof protocol.NotRunning) return; // no daemon at the moment
      throw error;
    }
    this.#send(request);
  }

  /** The result of an operation; rejects with BusError, or Timeout when it is not answered. */
  async request(op, args = {}, { timeoutMs = this.#timeoutMs } = {}) {
    this.#checkOpen();
    const request = new protocol.Request(++this.#last, op, args);
    const deadline = Date.now() + timeoutMs;
    const answered = new Promise((resolve, reject) => this.#open.set(request.id, { resolve, reject }));
    try {
      this.#send(request);
      for (let left = timeoutMs; left > 0; left = deadline - Date.now()) {
        const reply = await within(answered, Math.min(left, protocol.REPEAT_MS));
        if (reply) return protocol.resultOf(reply);
        if (request.repeatable) this.#again(request);
      }
      throw new protocol.Timeout(op, timeoutMs, request.clientId);
    } finally {
      this.#open.delete(request.id);
    }
  }

  ping() {
    return this.request("ping");
  }

  /** Send a message: group_id, text, to, by, ...; answered once it is durable. */
  send(args) {
    return this.request("send", args);
  }

  reply(args) {
    return this.request("reply", args);
  }

  /** An async iterator over a group's events behind `afterSeq` (default: from now on), each once and in order, with a Gap where the ledger has none. */
  follow(groupId, options) {
    this.#checkOpen();
    const follower = new Follow(this, new protocol.Position(groupId, options), () => this.#followers.delete(follower));
    this.#followers.add(follower);
    return follower;
  }

  #checkOpen() {
    if (this.#closed) throw new protocol.Closed();
  }

  get closed() {
    return this.#closed;
  }

  /** Requests under way reject with Closed: what became of them is not known. So do followers that wait. */
  close() {
    this.#closed = true;
    for (const follower of this.#followers) follower.close();
    this.#socket?.close();
    for (const { reject } of this.#open.values()) reject(new protocol.Closed());
  }
}

/** Events as they become durable. `position.seq` is where it is: give it as afterSeq to go on later. */
export class Follow {
  #client;
  #socket;
  #ready = [];
  #turn = Promise.resolve(); // of calls of next, one after the other
  #head; // where "now" is
  #closed; // tells the client

  constructor(client, position, closed) {
    this.#client = client;
    this.#closed = closed;
    this.position = position;
    this.#socket = new Subscriber({ ...OPTIONS, receiveTimeout: protocol.QUIET_MS });
    this.#socket.connect(protocol.descriptor(client.home).events);
    this.#socket.subscribe(...position.topics());
    if (position.seq === undefined) {
      this.#head = client.request("ledger_read", { group_id: position.groupId, before_seq: 0, limit: 1 });
      this.#head.catch(() => {}); // nobody need ask
    }
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    const item = this.#turn.then(() => this.#item());
    this.#turn = item.catch(() => {});
    return item;
  }

  async #item() {
    while (this.#ready.length === 0 && this.#socket) this.#ready = await this.#more();
    if (this.#ready.length === 0 && this.#client.closed) throw new protocol.Closed();
    return this.#ready.length > 0 ? { value: this.#ready.shift(), done: false } : { value: undefined, done: true };
  }

  async #more() {
    if (this.position.seq === undefined) await this.#fromNow();
    return this.position.behind ? this.#read() : this.#hear();
  }

  async #fromNow() {
    this.position.seq = (await this.#head).head_seq;
  }

  async #read() {
    try {
      return this.position.page(await this.#client.request("ledger_read", this.position.read()));
    } catch (error) {
      if (error.code !== "lineage_changed") throw error;
      return this.position.restored(error.details.head_seq);
    }
  }

  async #hear() {
    try {
      const [topic, body] = await this.#socket.receive();
      return this.position.frame(topic, body);
    } catch (error) {
      if (!this.#socket) return []; // closed meanwhile
      if (error.code !== "EAGAIN") throw error;
      this.position.behind = true; // nothing came for QUIET_MS
      return [];
    }
  }

  /** What leaving a `for await` loop calls. */
  async return() {
    this.close();
    return { value: undefined, done: true };
  }

  close() {
    this.#socket?.close();
    this.#socket = undefined;
    this.#ready = [];
    this.#closed();
  }
}
