// Why Redis did not do its part.
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/** Why Redis did not do its part, in words that show nothing of what was sent, stored or configured. */
export class Failure extends Data.TaggedError("Failure")<{
  /** The server's or the system's word for it: `READONLY`, `ECONNREFUSED`… */
  readonly code: string
  readonly detail: string
  /** Whether another connection might do better. */
  readonly isLink: boolean
  /** Whether it stays so until a person has changed something: a password, a permission, an address. Default no. */
  readonly isRefusal?: boolean | undefined
  /** Whether it is certain that nothing was sent. Default no. */
  readonly isUnsent?: boolean | undefined
}> {}

// ---------------------------------------------------------------------------------------------------------------
// what servers answer
// ---------------------------------------------------------------------------------------------------------------

/** What an answer means, and what to do about it. */
const advice: Record<string, string> = {
  BUSY: "a script of another client keeps the server busy",
  CLUSTERDOWN: "the cluster has lost nodes; it may come back by itself, after a failover",
  CROSSSLOT:
    "the server wants all keys of a command in one hash slot, and they are: check that no proxy changes their names",
  ERR:
    "the server does not know this command, or not in this form: the store needs Redis 6 or newer with scripts, and a sentinel has no scripts",
  LOADING: "the server has just started and is loading its data",
  MASTERDOWN: "this server is a replica, and its master is down",
  MISCONF: "the server cannot save to disk and takes no writes: check its disk",
  MOVED: "this server is a node of a cluster: give the store a cluster, not the address of one node",
  NOAUTH:
    "the server wants a password, put it into the URL (REDIS_URL), or give username and password; behind sentinels they go into nodeClientOptions and sentinelClientOptions, for a cluster into defaults",
  NOPERM: "the user lacks a permission: the README of @effect-bearer/redis lists those that are needed",
  NOREPLICAS: "the server takes no writes because too few of its replicas are up",
  OOM: "the server is full: raise its maxmemory",
  READONLY: "this server is a replica: give the store the address of the master, or the sentinels",
  TRYAGAIN: "the cluster is moving this key to another node",
  WRONGPASS:
    "the user or the password is wrong, or the user is off: check both where they are given, in the URL (REDIS_URL), as username and password, or on the server (ACL LIST)",
  WRONGTYPE: "something else is stored under that key: give the store a prefix of its own",
  database: "the server has no database of that number",
  databases: "a cluster has no numbered databases: leave the number out, and give the store a cluster",
  master: "the sentinels know of no master that is up",
  maxclients: "the server takes no more clients: raise its maxclients",
  name: "the sentinels know no master of that name",
  noCluster: "the server belongs to no cluster: give the store its URL",
  noSentinel: "the server is no sentinel: give the store the addresses of sentinels, or the URL of this server",
  queue: "too many operations wait for an answer",
  sentinels: "none of the sentinels can be used"
}

/** Answers whose first word says too little. */
const phrases: ReadonlyArray<readonly [phrase: RegExp, code: string]> = [
  [/executing the script can't/, "NOPERM"],
  [/max number of clients/, "maxclients"],
  [/DB index/, "database"],
  [/SELECT is not allowed in cluster mode/, "databases"],
  [/cluster support disabled/, "noCluster"],
  [/unknown command .?sentinel/i, "noSentinel"],
  [/No such master with that name/, "name"],
  [/None of the sentinels/, "sentinels"],
  [/no valid master/, "master"],
  [/queue is full/, "queue"]
]

/** After these another connection may do better. */
const ofLink = new Set(["MASTERDOWN", "READONLY", "sentinels", "master"])

/** Failures that stay until a person has changed something. */
const refusals = new Set([
  ...["NOAUTH", "NOPERM", "WRONGPASS", "database", "databases", "maxclients", "noCluster", "noSentinel"]
])

const answer = /^([A-Z]{2,20}) /

/** The words of servers are in capitals, and shown: they are what one searches for. */
const detailOf = (said: string): string => {
  const text = Object.hasOwn(advice, said) ? advice[said]! : undefined
  if (text === undefined) return `the server says ${said}`
  return said === said.toUpperCase() ? `${said}: ${text}` : text
}

// ---------------------------------------------------------------------------------------------------------------
// why there is no connection
// ---------------------------------------------------------------------------------------------------------------

const system = /^[A-Z][A-Z0-9_]{2,60}$/

const unknownAuthority =
  "the certificate of the server is from an unknown authority: give the certificate of that authority as ca, among the options of the socket"
const outOfDate = "the certificate of the server is out of date, or the clock of this machine is wrong"
const hungUp = "the server hung up; if it wants TLS, its URL begins with rediss:"
const noTls = "TLS cannot be agreed on; if the server has none, its URL begins with redis:"
const again = "the client is connecting again"
const unreachable = "check host and port, and the network between; a server without TLS does not answer to rediss:"

/** Codes of the system and of TLS, and names of what the client library throws. */
const remedies: Record<string, string> = {
  CERT_HAS_EXPIRED: outOfDate,
  CERT_NOT_YET_VALID: outOfDate,
  ClientClosedError: again,
  ClientOfflineError: again,
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  DisconnectsClientError: "it was closed meanwhile",
  EAI_AGAIN: "names of hosts cannot be looked up at the moment",
  ECONNREFUSED: "nothing listens there: check host and port, and that Redis runs",
  ECONNRESET: hungUp,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ENOENT: "there is no such socket: check its path",
  ENOTFOUND: "there is no such host: check its name",
  EPIPE: hungUp,
  EPROTO: noTls,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    "the server wants a client certificate: give cert and key, among the options of the socket",
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate of the server is for another host: connect to the name that is in it",
  ETIMEDOUT: unreachable,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  SocketClosedUnexpectedlyError: hungUp,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority
}

/** The client had no connection, or could not get one. */
const unsent = new Set([
  ...[
    "ClientClosedError",
    "ClientOfflineError",
    "ECONNREFUSED",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "EAI_AGAIN"
  ]
])

const disconnected = (code: string): Failure => {
  const remedy = Object.hasOwn(remedies, code) ? `: ${remedies[code]!}` : ""
  return new Failure({
    code,
    detail: `there is no connection (${code})${remedy}`,
    isLink: true,
    isRefusal: /CERT|^UNABLE_TO_|^EPROTO$|_SSL_/.test(code),
    isUnsent: unsent.has(code)
  })
}

/** No attempt to connect has ended so far, in one way or the other. */
export const stillConnecting = (milliseconds: number): string => `no connection in ${milliseconds} ms: ${unreachable}`

/** What the client library throws, where its name would say too little. */
const ofLibrary: Record<string, readonly [code: string, detail: string]> = {
  ConnectionTimeoutError: ["ETIMEDOUT", `the server could not be reached in time: ${unreachable}`],
  MaxCommandRedirectionsError: ["MOVED", "the nodes of the cluster send each command to one another"],
  RootNodesUnavailableError: ["nodes", "none of the nodes of the cluster can be used"],
  SocketTimeoutError: ["ETIMEDOUT", "the server answered nothing for a long time"]
}

// ---------------------------------------------------------------------------------------------------------------
// failures
// ---------------------------------------------------------------------------------------------------------------

export const fromError = (error: unknown): Failure => {
  const code = Predicate.hasProperty(error, "code") && typeof error.code === "string" && system.test(error.code)
    ? error.code
    : undefined
  if (code !== undefined) return disconnected(code)
  if (!(error instanceof Error)) return disconnected("unknown")
  const said = phrases.find(([phrase]) => phrase.test(error.message))?.[1] ?? answer.exec(error.message)?.[1]
  if (said !== undefined) {
    // the rest of the answer may repeat what was sent
    return new Failure({
      code: said,
      detail: detailOf(said),
      isLink: ofLink.has(said),
      isRefusal: refusals.has(said)
    })
  }
  const name = error.constructor.name
  if (!Object.hasOwn(ofLibrary, name)) return disconnected(/^\w{1,60}$/.test(name) ? name : "unknown")
  const [known, detail] = ofLibrary[name]!
  return new Failure({ code: known, detail, isLink: true })
}

/** The store's scope has ended. */
export const closed = new Failure({
  code: "closed",
  detail: "the store is closed: its scope has ended before the program stopped to use it",
  isLink: false
})

const unconnected = new Set(["ClientClosedError", "TypeError"])

/** The same for a client that the program connects, or forgot to connect. */
export const ofOthers = (failure: Failure): Failure =>
  unconnected.has(failure.code)
    ? new Failure({
      ...failure,
      detail: "the client given to the store is not connected: connect it, and do not close it"
    })
    : failure

/**
 * A cluster and sentinels are many servers. That none of them is of use says little: what they said one by one is in the
 * errors that come before, and of those an answer says more than silence.
 */
export const collect = (): {
  readonly add: (error: unknown) => void
  readonly explain: (error: unknown) => Failure
} => {
  let told: Failure | undefined
  return {
    add: (error) => {
      if (error instanceof Error && told?.isLink !== false) told = fromError(error)
    },
    explain: (error) => {
      const failure = fromError(error)
      if (told === undefined || (failure.code !== "nodes" && failure.code !== "sentinels")) return failure
      return new Failure({ ...failure, detail: `${failure.detail}: ${told.detail}`, isRefusal: told.isRefusal })
    }
  }
}
