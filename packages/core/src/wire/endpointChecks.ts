// Checks of the URLs and durations that the options of an endpoint hold.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Loopback from "../values/Loopback.js"
import * as Settings from "../values/Settings.js"
import * as urls from "../values/urls.js"
import * as unparsedUrl from "./disclosure/unparsedUrl.js"
import type * as OwnRequest from "./OwnRequest.js"
import type { Timeouts } from "./timeouts.js"

export type Problem = Settings.Problem

export const report = Settings.report

/** Checks a URL that a secret is sent to, or that trusted data comes from. */
export const url = (
  value: string | URL,
  options: {
    readonly field: string
    /** The name of the endpoint with its article: "a token endpoint". */
    readonly what: string
    readonly example: string
    readonly allowInsecure: boolean | undefined
    /** The harm that plain http would do. */
    readonly harm: string
  },
  problems: Array<Problem>
): URL => {
  const problem = (detail: string) => void problems.push({ field: options.field, detail })
  const text = String(value).trim()
  const url = urls.parse(text)
  if (url === undefined) {
    problem(
      text === "" ? "the URL is blank" : `${unparsedUrl.shown(text)} is no absolute URL such as ${options.example}`
    )
    return new URL("https://invalid.invalid")
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    problem(`the scheme must be https, not ${unparsedUrl.scheme(text) ?? "another one"}`)
  } else if (url.protocol === "http:" && options.allowInsecure !== true && !Loopback.isLoopback(url.hostname)) {
    problem(`http would ${options.harm}: use https, or set allowInsecure`)
  }
  if (url.username !== "" || url.password !== "") {
    problem("a user name or password in the URL is not used: give clientId and authentication")
  }
  if (url.hash !== "") problem(`${options.what} has no fragment`)
  return url
}

/**
 * A duration in milliseconds; `least` is 1 unless zero is allowed. If there is a problem, it is reported and a
 * substitute is returned.
 */
export const millis = (
  value: Duration.DurationInput,
  field: string,
  problems: Array<Problem>,
  least: 0 | 1 = 1
): number => {
  const name = field.slice(field.lastIndexOf(".") + 1)
  const setting = Settings.duration(1, { least })
  const found = Settings.problems({ [name]: setting }, { [name]: value })
  problems.push(...found.map(({ detail }) => ({ field, detail })))
  return found.length > 0 ? 1 : Settings.value(setting, value)
}

/** The option `timeout` of an endpoint. */
export type Given = Duration.DurationInput | Timeouts | undefined

const isTimeouts = (timeout: unknown): timeout is Timeouts =>
  typeof timeout === "object" && timeout !== null && !Array.isArray(timeout) && !Duration.isDuration(timeout)

/** The option `timeout` with another default for its total. */
export const withTotal = (timeout: Given, total: Duration.DurationInput): NonNullable<Given> =>
  isTimeouts(timeout) ? { ...timeout, total: timeout.total ?? total } : timeout ?? total

const ranges = {
  total: Settings.duration("10 seconds", { least: 1, unlimited: true }),
  connect: Settings.duration(Duration.infinity, { least: 1, unlimited: true }),
  read: Settings.duration("10 seconds", { least: 1, unlimited: true })
}

export const timeouts = (timeout: Given, problems: Array<Problem>): OwnRequest.Timeouts => {
  const given: Timeouts = timeout === undefined ? {} : isTimeouts(timeout) ? timeout : { total: timeout }
  const isWhole = given !== timeout
  problems.push(
    ...Settings.problems(ranges, given, "timeout").map(({ detail, field }) =>
      isWhole ? { field: "timeout", detail: detail.replace("timeout.total", "timeout") } : { field, detail }
    )
  )
  const settle = (name: keyof Timeouts) => Duration.millis(Settings.value(ranges[name], given[name]))
  const finite = (duration: Duration.Duration) => Option.liftPredicate(duration, Duration.isFinite)
  return { total: finite(settle("total")), connect: finite(settle("connect")), read: settle("read") }
}

/**
 * A name under which a store keeps what belongs to somebody. Half a surrogate pair would be replaced on the way to a
 * store, and white space at an end would be cut off somewhere: two names could become the same.
 */
export const storeName = (name: string, field: string): ReadonlyArray<Problem> => [
  ...(/\p{Cs}/u.test(name) ? [{ field, detail: "it is no Unicode text: half of a surrogate pair is in it" }] : []),
  ...(/^[\s\p{Cc}]|[\s\p{Cc}]$/u.test(name)
    ? [{
      field,
      detail: "it begins or ends with white space or a control character, which hardly belongs to the name: take it " +
        "away (trim) where the name is read. With the same name without it, what is stored is found again"
    }]
    : [])
]
