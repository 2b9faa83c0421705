/** What a request that is refused is answered, in the form of the surface it came to. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type { Route } from "./kind.js"

/** Why, as counters and the audit name it. */
export type Reason =
  | "forwarded"
  | "host"
  | "browser"
  | "header"
  | "addressRate"
  | "credentials"
  | "callerRate"
  | "streams"
  | "path"
  | "method"
  | "type"
  | "size"
  | "slow"
  | "request"
  | "profile"
  | "surface"
  | "permission"
  | "scope"
  | "target"
  | "grantType"
  | "audit"
  | "upstream"
  | "defect"

export interface Refusal {
  readonly reason: Reason
  readonly status: number
  /** The code of RFC 6749 §5.2, for clients that know those. */
  readonly code: string
  /** The name of SPEC A11, for everybody else. */
  readonly name: string
  readonly message: string
  /** Whole seconds. */
  readonly retryAfter?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** On every answer: nothing is kept, nothing is guessed, nothing is framed. */
export const headers = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer"
} as const

const challenge = { "www-authenticate": "Basic realm=\"effect-bearer\", charset=\"UTF-8\"" } as const

export const refuse = {
  forwarded: {
    reason: "forwarded",
    status: 400,
    code: "invalid_request",
    name: "BadRequest",
    message:
      "The request came through a proxy that is not configured. Name its address in `trustedProxies`, or let it drop " +
      "Forwarded, X-Forwarded-For and Via."
  },
  host: {
    reason: "host",
    status: 421,
    code: "invalid_request",
    name: "Misdirected",
    message:
      "The Host header names another server. Use localhost or a loopback address with the port, or add the name and " +
      "port to `hosts`."
  },
  browser: {
    reason: "browser",
    status: 403,
    code: "invalid_request",
    name: "Forbidden",
    message: "Requests of web pages are not answered."
  },
  header: {
    reason: "header",
    status: 403,
    code: "invalid_request",
    name: "Forbidden",
    message: "The header X-Effect-Bearer: true is missing."
  },
  credentials: {
    reason: "credentials",
    status: 401,
    code: "invalid_client",
    name: "Unauthorized",
    message:
      "No caller has this key, or the request has none. Send the caller's id and key by HTTP Basic, the key as a Bearer token, or, " +
      "to a token endpoint, client_id and client_secret in the form.",
    headers: challenge
  },
  path: { reason: "path", status: 404, code: "invalid_request", name: "NotFound", message: "There is nothing here." },
  size: {
    reason: "size",
    status: 413,
    code: "invalid_request",
    name: "PayloadTooLarge",
    // the connection stays: what comes still is dropped, for as long as a request may take, and the answer is read
    message: "The body is larger than `limits.body` allows."
  },
  slow: {
    reason: "slow",
    status: 408,
    code: "invalid_request",
    name: "RequestTimeout",
    message: "The body did not come within `limits.sending`.",
    headers: { connection: "close" }
  },
  profile: {
    reason: "profile",
    status: 403,
    code: "unauthorized_client",
    name: "Forbidden",
    message: "The caller may not use this profile, or there is none of that name."
  },
  surface: {
    reason: "surface",
    status: 403,
    code: "unauthorized_client",
    name: "Forbidden",
    message: "The caller may not use this profile in this way."
  },
  permission: {
    reason: "permission",
    status: 403,
    code: "unauthorized_client",
    name: "Forbidden",
    message: "The caller does not have the permission for this."
  },
  audit: {
    reason: "audit",
    status: 503,
    code: "temporarily_unavailable",
    name: "RetryExhausted",
    message: "The audit line could not be written, so no token is handed out.",
    retryAfter: 1
  },
  defect: {
    reason: "defect",
    status: 500,
    code: "server_error",
    name: "InternalError",
    message: "The broker has a bug; its log says more."
  }
} as const satisfies Record<string, Refusal>

export const method = (allowed: string): Refusal => ({
  reason: "method",
  status: 405,
  code: "invalid_request",
  name: "BadRequest",
  message: `This path takes ${allowed}.`,
  headers: { allow: allowed }
})

export const tooMany = (reason: "addressRate" | "callerRate", wait: number): Refusal => ({
  reason,
  status: 429,
  code: "temporarily_unavailable",
  name: "RateLimited",
  message: reason === "addressRate"
    ? "Too many requests from this address."
    : "Too many requests of this caller.",
  retryAfter: Math.max(1, Math.ceil(wait / 1000))
})

/** The body is of another type than the path takes. */
export const otherType = (type: string): Refusal => ({
  reason: "type",
  status: 415,
  code: "invalid_request",
  name: "BadRequest",
  message: `This path takes a body of the type ${type}, and the header Content-Type has to say so.`
})

export const badRequest = (message: string): Refusal => ({
  reason: "request",
  status: 400,
  code: "invalid_request",
  name: "BadRequest",
  message
})

/** RFC 6749 §5.2: its clients know 400, and 401 with a challenge. */
const statusOfOAuth = (refusal: Refusal): number =>
  refusal.code === "unauthorized_client" || refusal.code === "invalid_scope" || refusal.code === "invalid_target"
    ? 400
    : refusal.status

export const toResponse = (refusal: Refusal, route: Pick<Route, "kind">): HttpServerResponse.HttpServerResponse => {
  const all = {
    ...headers,
    ...(refusal.retryAfter === undefined ? {} : { "retry-after": String(refusal.retryAfter) }),
    ...refusal.headers
  }
  switch (route.kind) {
    case "oauth2":
      return HttpServerResponse.unsafeJson(
        { error: refusal.code, error_description: refusal.message },
        { status: statusOfOAuth(refusal), headers: all }
      )
    // what asks for it looks at the status alone
    case "inject":
      return HttpServerResponse.empty({ status: refusal.status, headers: all })
    default:
      return HttpServerResponse.unsafeJson(
        { error: refusal.name, message: refusal.message },
        { status: refusal.status, headers: all }
      )
  }
}
