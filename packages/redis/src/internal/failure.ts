import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/** Why Redis did not do its part, in words that show nothing of what was sent, stored or configured. */
export class Failure extends Data.TaggedError("Failure")<{
  /** The server's or the system's word for it: `READONLY`, `ECONNREFUSED`… */
  readonly code: string
  readonly detail: string
  /** Whether another connection might do better. */
  readonly isLink: boolean
}> {}

/** What an answer means, and what to do about it. */
const advice: Record<string, string> = {
  BUSY: "a script of somebody else keeps the server busy",
  CLUSTERDOWN: "the cluster has lost nodes; it may come back by itself, after a failover",
  CROSSSLOT: "the server wants keys in one hash slot, which they are: check that no proxy changes key names",
  ERR: "the server knows no such command, or not in this form: Redis 6 or newer is needed, with scripts",
  LOADING: "the server has just started and is loading its data",
  MASTERDOWN: "this server is a replica, and its master is down",
  MISCONF: "the server cannot save to disk and takes no writes: check its disk",
  MOVED: "this server is a node of a cluster: give the store a cluster, not the address of one node",
  NOAUTH: "the server wants a password: put it into the URL, or give username and password",
  NOPERM: "the user lacks a permission: the README of @effect-bearer/redis lists those that are needed",
  NOREPLICAS: "the server takes no writes because too few of its replicas are up",
  OOM: "the server is full: raise its maxmemory",
  READONLY: "this server is a replica: give the store the address of the master, or the sentinels",
  TRYAGAIN: "the cluster is moving this key to another node",
  WRONGPASS: "the user or the password is wrong",
  WRONGTYPE: "something else is stored under that key: give the store a prefix of its own",
  database: "the server has no database of that number",
  master: "the sentinels know of no master that is up",
  maxclients: "the server takes no more clients: raise its maxclients",
  queue: "too many operations wait for an answer",
  sentinels: "there is no connection: none of the sentinels answers"
}

/** Answers whose first word says too little. */
const phrases: ReadonlyArray<readonly [phrase: string, code: string]> = [
  ["executing the script can't", "NOPERM"],
  ["max number of clients", "maxclients"],
  ["DB index", "database"],
  ["None of the sentinels", "sentinels"],
  ["no valid master", "master"],
  ["queue is full", "queue"]
]

/** After these another connection may do better. */
const ofLink = new Set(["MASTERDOWN", "READONLY", "sentinels", "master"])

const system = /^[A-Z][A-Z0-9_]{2,60}$/

const answer = /^([A-Z]{2,20}) /

/** What the client library throws, apart from what the server or the system said. */
const ofLibrary: Record<string, readonly [code: string, detail: string]> = {
  ConnectionTimeoutError: ["ETIMEDOUT", "the server could not be reached in time"],
  MaxCommandRedirectionsError: ["MOVED", "the nodes of the cluster send each command to one another"],
  RootNodesUnavailableError: ["ECONNREFUSED", "none of the nodes of the cluster answers"],
  SocketTimeoutError: ["ETIMEDOUT", "the server answered nothing for a long time"]
}

export const fromError = (error: unknown): Failure => {
  const code = Predicate.hasProperty(error, "code") && typeof error.code === "string" && system.test(error.code)
    ? error.code
    : undefined
  if (code !== undefined) return disconnected(code)
  if (!(error instanceof Error)) return disconnected("unknown")
  const said = phrases.find(([phrase]) => error.message.includes(phrase))?.[1] ?? answer.exec(error.message)?.[1]
  if (said !== undefined) {
    // the rest of the answer may repeat what was sent
    return new Failure({ code: said, detail: detailOf(said), isLink: ofLink.has(said) })
  }
  const known = ofLibrary[error.constructor.name]
  return known === undefined
    ? disconnected(/^\w{1,60}$/.test(error.constructor.name) ? error.constructor.name : "unknown")
    : new Failure({ code: known[0], detail: known[1], isLink: true })
}

/** The words of servers are in capitals, and shown: they are what one searches for. */
const detailOf = (said: string): string => {
  const text = Object.hasOwn(advice, said) ? advice[said]! : undefined
  if (text === undefined) return `the server says ${said}`
  return said === said.toUpperCase() ? `${said}: ${text}` : text
}

const disconnected = (code: string): Failure =>
  new Failure({ code, detail: `there is no connection (${code})`, isLink: true })
