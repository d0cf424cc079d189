/** Client of the cccc message bus: requests, and following a group without silent gaps. See README.md. */

export interface Options {
  /** Default: $CCCC_HOME, else ~/.cccc. */
  home?: string;
  /** How long a request waits for its answer. Default: 30000. */
  timeoutMs?: number;
}

/** Arguments and results are those of proto/PROTOCOL.md. */
export type Args = Record<string, unknown>;
export type Result = Record<string, any>;

export interface Event {
  id: string;
  seq: number;
  ts: string;
  kind: string;
  group_id: string;
  scope_key: string;
  by: string;
  data: Record<string, any>;
}

/** Events that the ledger cannot give. `lineage_changed`: it was restored; following goes on from its new head. */
export class Gap {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly reason: string;
}

export type Item = Event | Gap;

/** The daemon refused: `code` for programs, `message` for people, `details` by code. */
export class BusError extends Error {
  readonly code: string;
  readonly details: Record<string, any>;
}

/** No daemon serves this home. */
export class NotRunning extends BusError {}

/** The client was closed before. */
export class Closed extends BusError {}

/** No answer came: the outcome is unknown. */
export class Timeout extends BusError {
  readonly clientId?: string;
}

export interface FollowOptions {
  /** Begin behind this event; default: from now on. */
  afterSeq?: number;
  /** The id of that event, when it is known: notices a restored ledger. */
  afterId?: string;
  kinds?: string[];
  /** Only what is addressed to this one. */
  recipient?: string;
}

/** A client of the daemon that serves `home`; throws NotRunning when there is none now. */
export function open(options?: Options): Client;

export class Client {
  readonly home: string;
  constructor(options?: Options);
  /** Rejects with BusError, or Timeout when it is not answered. */
  request(op: string, args?: Args, options?: { timeoutMs?: number }): Promise<Result>;
  ping(): Promise<Result>;
  /** Answered once the message is durable. */
  send(args: Args): Promise<Result>;
  reply(args: Args): Promise<Result>;
  follow(groupId: string, options?: FollowOptions): Follow;
  readonly closed: boolean;
  close(): void;
}

/** Each event once and in order, with a Gap where the ledger has none. */
export class Follow implements AsyncIterableIterator<Item> {
  /** `seq` is where it is: give it as afterSeq to go on later. */
  readonly position: { readonly seq: number | undefined; readonly id: string };
  next(): Promise<IteratorResult<Item, undefined>>;
  return(): Promise<IteratorResult<Item, undefined>>;
  [Symbol.asyncIterator](): this;
  close(): void;
}
