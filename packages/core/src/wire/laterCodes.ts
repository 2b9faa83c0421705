// Recognises the codes and headers with which servers say "too many" or "later", whatever the status.
import type * as Headers from "@effect/platform/Headers"
import * as Predicate from "effect/Predicate"
import type { Decoded } from "./decode.js"

/** Codes are compared in this form, because servers write them with any case and any separator. */
const plain = (code: string): string =>
  // Amazon: `com.amazon.coral.service#ThrottlingException:http://internal.amazon.com/`
  code.slice(0, 200).toLowerCase().replace(/^[^#]*#/, "").replace(/:.*$/s, "").replace(/[^a-z0-9]/g, "")
    .replace(/exception$/, "")

/**
 * "Too many": RFC 8628, Slack and Google (with 200 and 403), and what the SDKs of AWS count as throttling (Cognito and
 * others send it with 400).
 */
const tooMany: ReadonlySet<string> = new Set([
  "slowdown",
  "ratelimited",
  "ratelimitexceeded",
  "userratelimitexceeded",
  "resourceexhausted",
  "toomanyrequests",
  "bandwidthlimitexceeded",
  "ec2throttled",
  "provisionedthroughputexceeded",
  "requestlimitexceeded",
  "requestthrottled",
  "throttled",
  "throttling"
])

/** "Later": RFC 6749 and RFC 8628, Slack and Google. */
const later: ReadonlySet<string> = new Set(["temporarilyunavailable", "authorizationpending", "serviceunavailable"])

/**
 * "Something broke", which goes away: RFC 6749, Slack, Google, and Salesforce (`unknown_error`, "retry your request",
 * with 400). With 401 it is about the client: ServiceNow says `server_error` of a wrong secret.
 */
const broken: ReadonlySet<string> = new Set(["servererror", "internalfailure", "internalerror", "unknownerror"])

export type Meaning = "too many" | "later" | undefined

/** The meaning of one code. */
export const meaning = (code: string, status: number): Meaning => {
  const name = plain(code)
  if (tooMany.has(name)) return "too many"
  return later.has(name) || (status !== 401 && broken.has(name)) ? "later" : undefined
}

/** Whether the code is one of the lists, so that it can be shown as it came. */
export const isKnown = (code: string): boolean => {
  const name = plain(code)
  return tooMany.has(name) || later.has(name) || broken.has(name)
}

/**
 * The meaning of a refusal that says it elsewhere than in `error`: in `__type` or a header (AWS), in `code` or
 * `errorCode`, in the reason inside an error (Google).
 */
export const meaningElsewhere = (decoded: Decoded, headers: Headers.Headers, status: number): Meaning => {
  for (const code of codesOf(decoded, headers)) {
    const found = typeof code === "string" ? meaning(code, status) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

const codesOf = (decoded: Decoded, headers: Headers.Headers): ReadonlyArray<unknown> => {
  const members = decoded._tag === "Members" ? decoded.members : new Map<string, unknown>()
  const error = members.get("error") ?? members.get("Error")
  const inner = Predicate.isRecord(error) ? error : {}
  return [
    headers["x-amzn-errortype"],
    ...["__type", "code", "Code", "errorCode"].map((name) => members.get(name)),
    inner.code,
    inner.Code,
    inner.status,
    ...(Array.isArray(inner.errors) ? inner.errors.slice(0, 3) : []).map((one: unknown) =>
      Predicate.isRecord(one) ? one.reason : undefined
    )
  ]
}

/** GitHub limits requests with 403: with `Retry-After`, or with this header. */
export const isSpent = (headers: Headers.Headers): boolean => headers["x-ratelimit-remaining"]?.trim() === "0"
