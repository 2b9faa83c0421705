/** What the headers of answers tell: the clock of the server, compression that nobody asked for, what is left of a limit. */
import type * as Headers from "@effect/platform/Headers"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as RetryAfter from "effect-bearer/RetryAfter"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Answer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, skipped } from "../report.js"
import * as wording from "../wording.js"

/** The difference is known to a second and to half of the time that the request took. */
export const clock = (answers: ReadonlyArray<Answer>, profile: BrokerConfig.Profile): Seen => {
  const check = "clock"
  // what comes from a cache has an old date
  const answer = answers.find(({ headers }) => headers["date"] !== undefined && headers["age"] === undefined)
  const date = answer === undefined ? Number.NaN : Date.parse(answer.headers["date"] ?? "")
  if (answer === undefined || Number.isNaN(date)) return skipped(check, "no answer of the server has a Date")
  const middle = (answer.sentAt + answer.receivedAt) / 2
  // a Date is cut to whole seconds
  const difference = date + 500 - middle
  const doubt = (answer.receivedAt - answer.sentAt) / 2 + 1000
  const skew = Duration.toMillis(profile.clockSkew)
  const isOff = Math.abs(difference) > skew + doubt
  const said = Math.abs(difference) <= doubt
    ? "no difference that can be told"
    : `the server's clock is ${wording.seconds(Math.abs(difference))} ${difference > 0 ? "ahead" : "behind"}`
  return found(
    check,
    isOff ?
      [
        finding(
          "clock-differs",
          `By the Date of its answer the server's clock is ${wording.seconds(Math.abs(difference))} ${
            difference > 0 ? "ahead of" : "behind"
          } this machine's; ${wording.seconds(skew)} are allowed for (\`clockSkew\`).`,
          "Set the clock of this machine by NTP (on Linux: `timedatectl`). If it is right, it is the server's that is wrong: tell whoever runs " +
            "it. Tokens seem too old or not valid yet, and signed assertions are refused."
        )
      ] :
      [],
    said
  )
}

export const compression = (answers: ReadonlyArray<Answer>): Seen => {
  const coding = answers.map(({ headers }) => headers["content-encoding"]?.trim().toLowerCase())
    .find((name) => name !== undefined && name !== "" && name !== "identity")
  return found(
    "compression",
    coding === undefined ? [] : [
      finding(
        "compressed-answer",
        `The token endpoint answers with content-encoding ${
          /^[a-z0-9, -]{1,40}$/.test(coding) ? coding : "of an unknown kind"
        }, although ` +
          "\"accept-encoding: identity\" was sent.",
        "Switch compression off for the token endpoint, at the server or at the proxy that does it: not every runtime can undo it, and it " +
          "gains nothing for an answer this small."
      )
    ]
  )
}

/** How much of a limit is left. */
interface Room {
  readonly limit: number
  readonly remaining: number
  /** The headers that say so. */
  readonly by: string
}

const number = (text: string | undefined): number | undefined => {
  const [, digits] = /^\s*(\d{1,12})\b/.exec(text ?? "") ?? []
  return digits === undefined ? undefined : Number(digits)
}

const parameter = (text: string | undefined, name: string): number | undefined =>
  number(new RegExp(`(?:^|[;,\\s])${name}\\s*=\\s*(\\d{1,12})`).exec((text ?? "").slice(0, 1000))?.[1])

/** `RateLimit-Limit` and its like, in two headers; `RateLimit` and `RateLimit-Policy`, as drafts of the IETF have them. */
export const roomOf = (headers: Answer["headers"]): Room | undefined => {
  for (const prefix of ["ratelimit", "x-ratelimit", "x-rate-limit"]) {
    const limit = number(headers[`${prefix}-limit`])
    const remaining = number(headers[`${prefix}-remaining`])
    if (limit !== undefined && remaining !== undefined) return { limit, remaining, by: `${prefix}-remaining` }
  }
  const allowed = number(headers["inin-ratelimit-allowed"])
  const used = number(headers["inin-ratelimit-count"])
  if (allowed !== undefined && used !== undefined) {
    return { limit: allowed, remaining: Math.max(0, allowed - used), by: "inin-ratelimit-count" }
  }
  const { ratelimit } = headers
  const remaining = parameter(ratelimit, "r") ?? parameter(ratelimit, "remaining")
  const limit = parameter(headers["ratelimit-policy"], "q") ?? parameter(ratelimit, "limit")
  return limit === undefined || remaining === undefined ? undefined : { limit, remaining, by: "ratelimit" }
}

/** So small a share is little. */
const little = 0.1

/** What the last answer of a place says. */
export const rateLimit = (answers: ReadonlyArray<Answer>, who: string): Seen => {
  const check = `rate limit of ${who}`
  const answer = answers.at(-1)
  if (answer === undefined) return skipped(check, "there is no answer")
  const room = roomOf(answer.headers)
  const wait = answer.status >= 200 && answer.status <= 299
    ? Option.getOrUndefined(RetryAfter.fromHeaders(answer.headers as Headers.Headers, answer.receivedAt))
    : undefined
  const findings: Array<Finding> = []
  const fix =
    "Find out who uses the limit up: programs that get a token for each request, or many copies without a shared store. Let them " +
    "share one token, and set a `rateLimit` in the profile."
  if (room !== undefined && room.limit > 0 && room.remaining <= room.limit * little) {
    findings.push(
      finding(
        "rate-limit-near",
        `${who} says that ${room.remaining} of ${room.limit} requests are left (${room.by}).`,
        fix
      )
    )
  } else if (wait !== undefined && Duration.toMillis(wait) > 0) {
    findings.push(
      finding(
        "rate-limit-near",
        `${who} answered ${answer.status}, and wants ${
          wording.seconds(Duration.toMillis(wait))
        } of rest (Retry-After).`,
        fix
      )
    )
  }
  return room === undefined && findings.length === 0
    ? found(check, [], "the answer says nothing of one")
    : found(check, findings, room === undefined ? "" : `${room.remaining} of ${room.limit} left`)
}
