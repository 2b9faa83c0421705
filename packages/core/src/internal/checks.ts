import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Timeouts } from "../OwnRequest.js"
import type * as TokenEndpoint from "../TokenEndpoint.js"
import * as TokenError from "../TokenError.js"

export interface Problem {
  readonly field: string
  readonly detail: string
}

/** One error for all of them, or none. */
export const report = (problems: ReadonlyArray<Problem>): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  problems.length === 0 ? Effect.void : Effect.fail(
    new TokenError.InvalidConfiguration({
      fields: Array.from(new Set(problems.map((problem) => problem.field))),
      detail: Array.from(new Set(problems.map((problem) => problem.detail))).join("; ")
    })
  )

/** A URL that something secret, or something to be relied on, goes to or comes from. */
export const url = (
  value: string | URL,
  options: {
    readonly field: string
    /** With its article: "a token endpoint". */
    readonly what: string
    readonly example: string
    readonly allowInsecure: boolean | undefined
    /** What plain http would do. */
    readonly harm: string
  },
  problems: Array<Problem>
): URL => {
  const problem = (detail: string) => void problems.push({ field: options.field, detail })
  const text = String(value).trim()
  if (!URL.canParse(text)) {
    // not shown: it may be a secret that got into the wrong variable
    problem(text === "" ? "the URL is blank" : `this is no absolute URL such as ${options.example}`)
    return new URL("https://invalid.invalid")
  }
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    problem(`the scheme must be https, not ${url.protocol.slice(0, -1).slice(0, 20)}`)
  } else if (url.protocol === "http:" && options.allowInsecure !== true && !isLoopback(url.hostname)) {
    problem(`http would ${options.harm}: use https, or set allowInsecure`)
  }
  if (url.username !== "" || url.password !== "") {
    problem("a user name or password in the URL is not used: give clientId and authentication")
  }
  if (url.hash !== "") problem(`${options.what} has no fragment`)
  return url
}

/** The URL parser has already written addresses in one form: `127.1` is `127.0.0.1` here. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" ||
  /^127\.\d+\.\d+\.\d+$/.test(hostname)

/** A duration in milliseconds; `least` is 1 unless zero will do. A stand-in where there is a problem. */
export const millis = (
  value: Duration.DurationInput,
  field: string,
  problems: Array<Problem>,
  least: 0 | 1 = 1
): number =>
  Duration.decodeUnknown(value).pipe(
    Option.map(Duration.toMillis),
    Option.filter((millis) => Number.isFinite(millis) && millis >= least),
    Option.getOrElse(() => {
      const name = field.slice(field.lastIndexOf(".") + 1)
      problems.push({ field, detail: `${name} must be a duration${least > 0 ? " above zero" : ""}` })
      return 1
    })
  )

type Given = TokenEndpoint.Options["timeout"]

const isTimeouts = (timeout: Exclude<Given, undefined>): timeout is TokenEndpoint.Timeouts =>
  typeof timeout === "object" && !Array.isArray(timeout) && !Duration.isDuration(timeout)

export const timeouts = (timeout: Given, problems: Array<Problem>): Timeouts => {
  const given: TokenEndpoint.Timeouts = timeout === undefined ? {} : isTimeouts(timeout) ? timeout : { total: timeout }
  const decode = (name: keyof TokenEndpoint.Timeouts, fallback: Duration.DurationInput): Duration.Duration => {
    const duration = Option.filter(
      Duration.decodeUnknown(given[name] ?? fallback),
      (duration) => Duration.greaterThan(duration, Duration.zero)
    )
    if (Option.isNone(duration)) {
      problems.push({
        field: name === "total" && !(timeout !== undefined && isTimeouts(timeout)) ? "timeout" : `timeout.${name}`,
        detail: "a timeout must be a duration above zero"
      })
    }
    return Option.getOrElse(duration, () => Duration.infinity)
  }
  const finite = (duration: Duration.Duration) => Option.liftPredicate(duration, Duration.isFinite)
  return {
    total: finite(decode("total", "10 seconds")),
    connect: finite(decode("connect", Duration.infinity)),
    read: decode("read", "10 seconds")
  }
}

/** Half a surrogate pair is written as something else on the way to a store: two names could become one. */
export const wellFormed = (name: string, field: string): ReadonlyArray<Problem> =>
  /\p{Cs}/u.test(name) ? [{ field, detail: "it is no Unicode text: half of a surrogate pair is in it" }] : []
