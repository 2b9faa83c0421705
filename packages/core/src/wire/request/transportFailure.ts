// Turns the failure of an HTTP client into a `TransportError`, a `TlsError` or a timeout.
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as permission from "../../values/permission.js"
import * as TokenError from "../../values/TokenError.js"
import type * as Disclosure from "../Disclosure.js"
import * as neverSent from "../neverSent.js"
import * as traces from "./failureTrace.js"
import * as noConnection from "./noConnection.js"
import * as proxyRefusal from "./proxyRefusal.js"
import * as tlsTrouble from "./tlsTrouble.js"

const connectTimeout: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT", "UND_ERR_HEADERS_TIMEOUT"])

/** A header or a URL that the client would not send: `fetch` has no code for it. */
const unsendable: ReadonlySet<string> = new Set([
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_UNESCAPED_CHARACTERS",
  "UND_ERR_INVALID_ARG"
])
const unsendableWords = /\bheader\b.*\binvalid\b|\binvalid\b.*\bheader\b/i

/** The same words are used of what came back. */
const ofTheAnswer = /\bresponse\b|\bparse[dr]?\b/i

const isUnsendable = ({ codes, messages, reasons }: traces.Trace): boolean =>
  reasons[0] === "InvalidUrl" || reasons[0] === "Encode" || codes.some((code) => unsendable.has(code)) ||
  (codes.length === 0 && messages.some((message) => unsendableWords.test(message) && !ofTheAnswer.test(message)))

/**
 * `fetch` connects to no port on the list of "bad ports" of the Fetch standard, which are those of other services. Node.js
 * has no code for it, and Chromium and Firefox say it in their consoles only.
 */
const isBlockedPort = ({ codes, messages }: traces.Trace): boolean =>
  codes.length === 0 && messages.some((message) => /^bad port$/i.test(message))

/** Deno says this of a host without permission if the client is one of Node.js; a resolver has no other reason to. */
const unresolvable = ({ messages }: traces.Trace): string | undefined =>
  messages.some((message) => /^getaddrinfo EPERM\b/.test(message)) ? "--allow-net" : undefined

/** What zlib and brotli say when `fetch` decompresses what is not compressed, or not to its end. */
const notCompressed = /^(?:Z_[A-Z]+_ERROR|ERR__ERROR_FORMAT_\w+|ERR_BROTLI_\w+|Z(?:lib|STD)\w*Error)$/i

/** The phase of a request in which its client failed. */
export type Phase = "before the head" | "in the body"

/**
 * An error of the library for any failure or defect of an HTTP client. Only a code and a sentence without values are
 * kept of the original, because it holds the request with its credentials. `neverSent` learns whether the request can
 * have been sent, which the error itself does not say.
 */
export const toTokenError = (
  cause: Cause.Cause<unknown>,
  endpoint: string,
  elapsed: Duration.Duration,
  disclosure: Disclosure.Disclosure,
  field: string,
  phase: Phase
): TokenError.RequestError => {
  const trace = traces.make(Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause)))
  const error = ofTrace(trace, endpoint, elapsed, disclosure, field)
  if (phase === "before the head" && (noConnection.isIn(trace) || proxyRefusal.isTunnel(trace))) neverSent.mark(error)
  else neverSent.doubt(error)
  return error
}

const ofTrace = (
  trace: traces.Trace,
  endpoint: string,
  elapsed: Duration.Duration,
  disclosure: Disclosure.Disclosure,
  field: string
): TokenError.RequestError => {
  const { codes, messages, names } = trace
  const refused = proxyRefusal.ofTrace(trace, endpoint)
  if (refused !== undefined) return refused
  const denied = permission.missing(trace, "--allow-net") ?? unresolvable(trace)
  if (denied !== undefined) {
    return new TokenError.InvalidConfiguration({
      fields: [field],
      detail: `the program lacks the permission of its runtime for requests to ${endpoint}. Start it with ${denied}`
    })
  }
  const tls = tlsTrouble.find(trace)
  if (tls !== undefined) {
    return new TokenError.TlsError({ endpoint, code: disclosure.code(tls.code), advice: tls.advice })
  }
  if (isBlockedPort(trace)) {
    return new TokenError.InvalidConfiguration({
      fields: [field],
      detail:
        `fetch sends nothing to the port of ${endpoint}, because it is on the list of ports that belong to other ` +
        "services (such as 6000, or 6665 to 6669): let the server listen on another port, or send by a client that is " +
        "not fetch (NodeHttpClient.layerUndici on Node.js)"
    })
  }
  if (isUnsendable(trace)) {
    return new TokenError.InvalidConfiguration({
      fields: [field],
      detail:
        `the HTTP client refused to send to ${endpoint}: look for line breaks and other control characters in the ` +
        "URL, the secret and the headers"
    })
  }
  if (
    codes.some((code) => connectTimeout.has(code)) || names.includes("TimeoutError") ||
    (codes.length === 0 && messages.some((message) => /connect.*\btimed out\b/i.test(message)))
  ) {
    return new TokenError.EndpointTimeout({ endpoint, phase: "connect", limit: elapsed })
  }
  if (codes.includes("UND_ERR_BODY_TIMEOUT")) {
    return new TokenError.EndpointTimeout({ endpoint, phase: "read", limit: elapsed })
  }
  // the innermost error knows most; an AggregateError has no message of its own
  const detail = proxyRefusal.withoutStatus(trace) ??
    (messages.length === 0 ? "the connection failed" : disclosure.text(messages[messages.length - 1]!))
  return new TokenError.TransportError({
    endpoint,
    code: Option.map(Option.fromNullable(codes[codes.length - 1]), disclosure.code),
    detail
  })
}

/** Whether the body failed because the client decompresses by itself, and could not. */
export const isDecompression = (error: unknown): boolean =>
  traces.make(error).codes.some((code) => notCompressed.test(code))
