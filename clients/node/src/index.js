/** Client of the cccc message bus: requests, and following a group without silent gaps. See README.md. */

export { Client, Follow, open } from "./client.js";
export { BusError, Closed, Gap, NotRunning, Timeout } from "./protocol.js";
