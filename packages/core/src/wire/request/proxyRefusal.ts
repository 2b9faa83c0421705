// The errors for a proxy that refuses to forward a request.
import * as Option from "effect/Option"
import * as TokenError from "../../values/TokenError.js"
import * as urls from "../../values/urls.js"
import type { Trace } from "./failureTrace.js"

/**
 * The error for a proxy that does not forward the request. The library has no credentials for a proxy, so a 407 never
 * comes from the endpoint and is never a fault of the network: another attempt gives the same.
 */
export const ofStatus = (
  endpoint: string,
  status: number,
  /** What is known of the proxy: host and port, or its realm. */
  name: string
): TokenError.RejectedByEndpoint | TokenError.EndpointUnavailable => {
  const proxy = `${TokenError.byProxy}${name === "" ? "" : ` (${name})`}`
  return status >= 500 || status < 300
    ? new TokenError.EndpointUnavailable({
      endpoint,
      status,
      retryAfter: Option.none(),
      description: Option.some(
        `it was a proxy that answered${name === "" ? "" : `, ${name}`}: it cannot reach the server`
      )
    })
    : new TokenError.RejectedByEndpoint({
      endpoint,
      status,
      contentType: "",
      excerpt: "",
      advice: Option.some(
        status === 407
          ? `${proxy} demands credentials of its own: put them where the HTTP client's proxy is set up (user and password ` +
            "in HTTPS_PROXY, or the token of the dispatcher), or let this host bypass it (NO_PROXY)."
          : `${proxy} refuses to connect to this host: have it allowed there, or let this host bypass it (NO_PROXY).`
      )
    })
}

/**
 * How undici, Node.js and Bun, and the `tunnel` packages report a status other than 2xx for `CONNECT`; Deno gives no
 * status: see {@link withoutStatus}.
 */
const statuses: ReadonlyArray<RegExp> = [
  /proxy response \((\d{3})\)/i,
  /proxy authentication required \((\d{3})\)/i,
  /tunnel.*\bHTTP\/\d(?:\.\d)? (\d{3})\b/i,
  /open a tunnel: (\d{3})\b/i,
  /tunneling socket could not be established, (?:statusCode|cause)=(\d{3})\b/i
]
const unauthenticated = /proxy auth(?:entication|orization) required/i

/** The refusal of a proxy, if an error of the HTTP client reports one. */
export const ofTrace = (
  trace: Trace,
  endpoint: string
): TokenError.RejectedByEndpoint | TokenError.EndpointUnavailable | undefined => {
  const status = statusOf(trace)
  if (status === undefined) return undefined
  const here = urls.parse(endpoint)?.host ?? ""
  return ofStatus(endpoint, status, trace.hosts.find((host) => host !== here) ?? "")
}

/** Whether a proxy answered `CONNECT` with a refusal: nothing of the request itself was sent then. */
export const isTunnel = (trace: Trace): boolean => statusOf(trace) !== undefined

const statusOf = (trace: Trace): number | undefined =>
  trace.codes.includes("ERR_PROXY_TUNNEL") && trace.statuses.length > 0 ? trace.statuses[0] : stated(trace)

/**
 * What to say if the tunnel was not opened for an unknown status. Deno does not tell a 403, which is final, from a 502,
 * which is not: the error stays one that is retried.
 */
export const withoutStatus = ({ messages }: Trace): string | undefined =>
  messages.some((message) => /unsuccessful tunnel|tunnel error: unsuccessful/i.test(message))
    ? "a proxy opened no tunnel, and this runtime does not say why: it refuses to connect to this host (have it allowed " +
      "there, or let this host bypass it with NO_PROXY), or it cannot reach the server"
    : undefined

const stated = ({ codes, messages }: Trace): number | undefined => {
  for (const message of messages) {
    for (const pattern of statuses) {
      const match = pattern.exec(message)
      if (match !== null) return Number(match[1])
    }
    if (unauthenticated.test(message)) return 407
  }
  // `fetch` of Node.js does not return a 407: it fails without a cause, which it does for no other reason (Fetch §4.6)
  return messages.length === 1 && messages[0] === "fetch failed" && codes.length === 0 ? 407 : undefined
}

/** `Proxy-Authenticate: Basic realm="Corporate proxy"` is all that a 407 says about its sender. */
export const nameOf = (header: string | undefined): string => {
  const match = /^\s*([A-Za-z][A-Za-z0-9-]{0,30})(?:.{0,200}?\brealm="([^"]{1,100})")?/.exec(header ?? "")
  return match === null ? "" : match[2] === undefined ? match[1]! : `${match[1]}, realm "${match[2]}"`
}
