import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as TokenError from "../TokenError.js"
import type { Scrub } from "./scrub.js"

/** What the runtimes say about a failure, from the outermost error to the innermost. */
interface Trace {
  readonly reasons: ReadonlyArray<string>
  readonly codes: ReadonlyArray<string>
  readonly names: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
}

const string = (u: unknown): ReadonlyArray<string> => typeof u === "string" && u !== "" ? [u] : []

/** Follows `cause` and the members of an AggregateError. An error may be its own cause, so there is an end to it. */
const trace = (error: unknown): Trace => {
  const found: Array<object> = []
  const queue: Array<unknown> = [error]
  while (queue.length > 0 && found.length < 16) {
    const next = queue.shift()
    if (typeof next !== "object" || next === null || found.includes(next)) continue
    found.push(next)
    const { cause, errors } = next as { readonly cause?: unknown; readonly errors?: unknown }
    if (Array.isArray(errors)) queue.push(...errors.slice(0, 8))
    queue.push(cause)
  }
  const member = (name: string, of = found) => of.flatMap((item) => string((item as Record<string, unknown>)[name]))
  return {
    reasons: member("reason"),
    codes: member("code"),
    names: member("name"),
    // an HttpClientError says only the URL, with its query
    messages: member("message", found.filter((item) => !("request" in item)))
  }
}

const tlsCode =
  /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|CRL_|OCSP_|EPROTO$)/
const tlsMessage = /certificate|wrong version number|ssl routines|tls (?:alert|handshake)|handshake failure/i
const connectTimeout: ReadonlySet<string> = new Set(["UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT", "UND_ERR_HEADERS_TIMEOUT"])

/**
 * An error of the library for whatever an HTTP client fails or dies with. Nothing of the original is kept but a code
 * and a sentence: it holds the request with its credentials.
 */
export const toTokenError = (
  cause: Cause.Cause<unknown>,
  endpoint: string,
  elapsed: Duration.Duration,
  scrub: Scrub,
  field: string
): TokenError.RequestError => {
  const error = Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause))
  const { codes, messages, names, reasons } = trace(error)
  const tls = codes.find((code) => tlsCode.test(code)) ??
    (messages.some((message) => tlsMessage.test(message)) ? "handshake failed" : undefined)
  if (tls !== undefined) {
    return new TokenError.TlsError({ endpoint, code: scrub.name(tls, 60), advice: tlsAdvice(tls, messages) })
  }
  if (reasons[0] === "InvalidUrl" || reasons[0] === "Encode") {
    return new TokenError.InvalidConfiguration({
      fields: [field],
      detail: `the HTTP client refused to send to ${endpoint}`
    })
  }
  if (codes.some((code) => connectTimeout.has(code)) || names.includes("TimeoutError")) {
    return new TokenError.EndpointTimeout({ endpoint, phase: "connect", limit: elapsed })
  }
  if (codes.includes("UND_ERR_BODY_TIMEOUT")) {
    return new TokenError.EndpointTimeout({ endpoint, phase: "read", limit: elapsed })
  }
  // the innermost error knows most; an AggregateError has no message of its own
  const detail = messages.length === 0 ? "the connection failed" : scrub.text(messages[messages.length - 1]!)
  return new TokenError.TransportError({
    endpoint,
    code: Option.map(Option.fromNullable(codes[codes.length - 1]), (code) => scrub.name(code, 60)),
    detail
  })
}

const tlsAdvice = (code: string, messages: ReadonlyArray<string>): string => {
  const text = `${code} ${messages.join(" ")}`.toLowerCase()
  if (text.includes("expired")) {
    return "The server's certificate has expired: have it renewed, and check the clock of this machine."
  }
  if (/not.yet.valid/.test(text)) {
    return "The server's certificate is not valid yet: check the clock of this machine first, then the certificate."
  }
  if (text.includes("altname") || text.includes("hostname")) {
    return "The server's certificate is for another host name: check the URL, and any proxy in between."
  }
  if (/self.signed|unable_to|unable to|unknownissuer|issuer/.test(text)) {
    return "The server's certificate comes from an authority this machine does not know: add that authority (on " +
      "Node.js with NODE_EXTRA_CA_CERTS) rather than switching verification off."
  }
  if (/eproto|wrong version|err_ssl|handshake/.test(text)) {
    return "The two sides found no common TLS version, or the other side speaks no TLS: check scheme, port and proxy."
  }
  return "Check the certificate chain, the host name and the TLS versions on both sides."
}
