/**
 * What is looked at before a caller is: the rules of the security model, in their order, each a function of the request.
 *
 * | rule | keeps out |
 * |---|---|
 * | `ambiguous` | requests that say two things, of which a proxy may have read the other |
 * | `forwarded` | requests that a proxy hands on to a loopback listener, for somebody else |
 * | `host` | web pages whose name was bound to this address (DNS rebinding) |
 * | `browser` | web pages of other origins |
 * | `header` | a server that was talked into fetching a URL (SSRF): it cannot set a header |
 */
import type { BlockList } from "node:net"
import { isIP } from "node:net"
import type { Route } from "./kind.js"
import type { Refusal } from "./refusal.js"
import { badRequest, refuse } from "./refusal.js"

/** Where the request came in. */
export interface Listening {
  readonly kind: "loopback" | "socket" | "network"
  readonly port: number
  readonly tls: boolean
}

/** What the rules know of a request. */
export interface Incoming {
  readonly route: Route
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Whether a header came twice: Node.js takes the first, and a proxy in front of it perhaps the last. */
  readonly isAmbiguous: boolean
  /** Of the other end of the connection. */
  readonly address: string
  /** Of this end of it. */
  readonly local: string
  readonly listening: Listening
}

export interface Settings {
  /** Names with ports, lower case. */
  readonly hosts: ReadonlySet<string>
  readonly trustedProxies: BlockList
  readonly hasTrustedProxies: boolean
}

export type Rule = (incoming: Incoming, settings: Settings) => Refusal | undefined

const ambiguous: Rule = ({ isAmbiguous }) => isAmbiguous ? twice : undefined

const twice = badRequest("A header that may come only once came more than once.")

/** RFC 9112 §3.2 says so of Host. */
const once: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "content-type",
  "content-length",
  "origin",
  "referer"
])

const longestOfOnce = 14

export const isAmbiguous = (rawHeaders: ReadonlyArray<string>): boolean => {
  let seen: Array<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const given = rawHeaders[i]!
    if (given.length > longestOfOnce) continue
    const name = given.toLowerCase()
    if (!once.has(name)) continue
    if (seen === undefined) seen = [name]
    else if (seen.includes(name)) return true
    else seen.push(name)
  }
  return false
}

const forwarding = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] as const

const forwarded: Rule = ({ address, headers, listening }, settings) =>
  listening.kind === "network" || isTrusted(address, settings) ||
    forwarding.every((name) => headers[name] === undefined)
    ? undefined
    : refuse.forwarded

const host: Rule = ({ headers, listening, local }, { hosts }) => {
  const named = headers["host"]?.toLowerCase()
  if (named === undefined) return refuse.host
  if (hosts.has(named)) return undefined
  const parts = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(named)
  if (parts === null) return refuse.host
  // probes and scrapers ask by address; DNS cannot bind a foreign name to an address literal
  const isOwnAddress = listening.kind === "network" && parts[1]!.replace(/^\[|\]$/g, "") === bareAddress(local)
  if (!isOwnAddress && !isLoopbackName(parts[1]!)) return refuse.host
  if (listening.kind === "socket") return undefined
  const port = parts[2] === undefined ? (listening.tls ? 443 : 80) : Number(parts[2])
  return port === listening.port ? undefined : refuse.host
}

const isLoopbackName = (name: string): boolean =>
  name === "localhost" || name === "[::1]" || (isIP(name) === 4 && name.startsWith("127."))

const browser: Rule = ({ headers, listening, route }) => {
  const { origin, referer } = headers
  const site = headers["sec-fetch-site"]
  if (origin === undefined && referer === undefined && site === undefined) return undefined
  const own = `${listening.tls ? "https" : "http"}://${headers["host"]?.toLowerCase() ?? ""}`
  // the status page asks for what it shows, and nothing else of this server is for pages
  const isForPages = route.kind === "asset" || route.kind === "status"
  if (origin !== undefined && !(isForPages && origin.toLowerCase() === own)) return refuse.browser
  // a link somewhere that leads to the page: it opens in a window of its own, and shows nothing without a key
  const isFollowed = route.kind === "asset" && headers["sec-fetch-mode"] === "navigate" &&
    headers["sec-fetch-dest"] === "document"
  if (site !== undefined && site !== "none" && !(isForPages && site === "same-origin") && !isFollowed) {
    return refuse.browser
  }
  if (referer !== undefined && !isFollowed && !referer.toLowerCase().startsWith(`${own}/`)) return refuse.browser
  return undefined
}

const needHeader: ReadonlySet<Route["kind"]> = new Set(["inject", "token", "tokens"])

const header: Rule = ({ headers, route }) =>
  !needHeader.has(route.kind) || headers["x-effect-bearer"]?.trim().toLowerCase() === "true" ? undefined : refuse.header

export const rules: ReadonlyArray<Rule> = [ambiguous, forwarded, host, browser, header]

/** The first rule that refuses. */
export const check: Rule = (incoming, settings) => {
  for (const rule of rules) {
    const refusal = rule(incoming, settings)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

const isTrusted = (address: string, { hasTrustedProxies, trustedProxies }: Settings): boolean => {
  if (!hasTrustedProxies) return false
  const family = isIP(address)
  return family === 4
    ? trustedProxies.check(address, "ipv4")
    : family === 6
    ? trustedProxies.check(address, "ipv6")
    : false
}

/** The address that a rate belongs to: that of the client where a trusted proxy names it. */
export const clientAddress = (incoming: Incoming, settings: Settings): string => {
  const through = incoming.headers["x-forwarded-for"]
  if (through === undefined || !isTrusted(incoming.address, settings)) return incoming.address
  // the last one that no trusted proxy wrote of another
  for (const address of through.split(",").map((part) => part.trim()).reverse()) {
    if (isIP(address) === 0) break
    if (!isTrusted(address, settings)) return address
  }
  return incoming.address
}

/** IPv4 without what an IPv6 socket puts before it. */
const bareAddress = (address: string): string => address.startsWith("::ffff:") ? address.slice(7) : address

/** One network of a client in IPv6 has more addresses than can be counted: its first 64 bits stand for all of them. */
export const rateName = (address: string): string => {
  const bare = bareAddress(address)
  if (isIP(bare) !== 6) return bare
  const [before = "", after] = bare.toLowerCase().split("::")
  const groups = (part: string) => part === "" ? [] : part.split(":")
  const [first, last] = [groups(before), groups(after ?? "")]
  const zeros = after === undefined
    ? []
    : Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => "0")
  return [...first, ...zeros, ...last].slice(0, 4).join(":")
}
