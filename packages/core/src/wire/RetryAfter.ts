/**
 * How long a server asks its clients to wait (RFC 9110 §10.2.3). The grammar is strict and `Date.parse` is never given
 * the raw text: it reads `"120"` as the year 120 and `"-3"` as a day in 2001.
 *
 * @since 0.1.0
 */

import type * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

const decimal = /^(\d+)(?:\.(\d+))?$/
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const month = `(${months.join("|")})`
const clock = "(\\d{2}):(\\d{2}):(\\d{2})"
const imfFixdate = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${month} (\\d{4}) ${clock} GMT$`)
const rfc850 = new RegExp(
  `^(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), (\\d{2})-${month}-(\\d{2}) ${clock} GMT$`
)
const asctime = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} ([ \\d]\\d) ${clock} (\\d{4})$`)

/** `value` in units of `unit` milliseconds, rounded up to whole ones; digits are counted, not multiplied as floats. */
const amount = (value: string, unit: 1 | 1000): Option.Option<Duration.Duration> =>
  Option.map(Option.fromNullable(decimal.exec(value)), ([, whole, fraction = ""]) => {
    const shift = unit === 1000 ? 3 : 0
    const millis = Number(whole) * unit + Number(fraction.padEnd(shift, "0").slice(0, shift) || "0") +
      (/[1-9]/.test(fraction.slice(shift)) ? 1 : 0)
    return Duration.millis(Math.min(millis, Number.MAX_SAFE_INTEGER))
  })

const epoch = (
  year: number,
  monthName: string,
  day: number,
  hours: number,
  minutes: number,
  seconds: number
): Option.Option<number> => {
  if (hours > 23 || minutes > 59 || seconds > 60) return Option.none()
  const date = new Date(0)
  date.setUTCFullYear(year, months.indexOf(monthName), day)
  // `Date` would silently turn 31 February into a day in March
  if (date.getUTCDate() !== day) return Option.none()
  date.setUTCHours(hours, minutes, seconds)
  return Option.some(date.getTime())
}

/** An HTTP-date in any of the three forms of RFC 9110 §5.6.7, as epoch milliseconds. */
const httpDate = (value: string, now: number): Option.Option<number> => {
  let match = imfFixdate.exec(value)
  if (match !== null) {
    const [, day, name, year, h, m, s] = match
    return epoch(Number(year), name!, Number(day), Number(h), Number(m), Number(s))
  }
  match = rfc850.exec(value)
  if (match !== null) {
    const [, day, name, short, h, m, s] = match
    const thisYear = new Date(now).getUTCFullYear()
    const year = Math.floor(thisYear / 100) * 100 + Number(short)
    // "more than 50 years in the future" means the past century
    return epoch(year > thisYear + 50 ? year - 100 : year, name!, Number(day), Number(h), Number(m), Number(s))
  }
  match = asctime.exec(value)
  if (match !== null) {
    const [, name, day, h, m, s, year] = match
    return epoch(Number(year), name!, Number(day), Number(h), Number(m), Number(s))
  }
  return Option.none()
}

const isBlank = (character: string | undefined): boolean => character === " " || character === "\t"

/**
 * Written by hand, because a regular expression for blanks at the end takes quadratic time for long runs of blanks in
 * between.
 */
const trim = (value: string): string => {
  let from = 0
  let to = value.length
  while (from < to && isBlank(value[from])) from++
  while (to > from && isBlank(value[to - 1])) to--
  return value.slice(from, to)
}

/**
 * Reads one `Retry-After` value at `now` (epoch milliseconds): seconds, with a fraction tolerated, or an HTTP-date.
 * A date in the past is zero; anything else is `None`.
 *
 * @example
 * ```ts
 * import { RetryAfter } from "effect-bearer"
 *
 * RetryAfter.parse("1.5", 0) // Option.some(Duration.millis(1500))
 * RetryAfter.parse("Thu, 01 Jan 1970 00:02:00 GMT", 0) // Option.some(Duration.minutes(2))
 * RetryAfter.parse("-3", 0) // Option.none()
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (value: string, now: number): Option.Option<Duration.Duration> => {
  const text = trim(value)
  return Option.orElse(
    amount(text, 1000),
    () => Option.map(httpDate(text, now), (at) => Duration.millis(Math.max(0, at - now)))
  )
}

/**
 * Reads the wait out of response headers. The first that can be read wins:
 *
 * 1. `retry-after-ms`, then `x-ms-retry-after-ms`: milliseconds
 * 2. `Retry-After`: seconds, or an HTTP-date, which is compared with the response's own `Date` header when there is
 *    one, so that a wrong clock of this machine does no harm
 *
 * No other header is read: headers such as `x-ratelimit-reset` mean seconds at one server and an epoch at another.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromHeaders = (headers: Headers.Headers, now: number): Option.Option<Duration.Duration> => {
  const read = (name: string): Option.Option<string> =>
    Option.filter(Option.fromNullable(headers[name]), (value) => typeof value === "string")
  const millis = (name: string) => Option.flatMap(read(name), (value) => amount(trim(value), 1))
  return millis("retry-after-ms").pipe(
    Option.orElse(() => millis("x-ms-retry-after-ms")),
    Option.orElse(() =>
      Option.flatMap(read("retry-after"), (value) => {
        const date = Option.flatMap(read("date"), (text) => httpDate(trim(text), now))
        return parse(value, Option.getOrElse(date, () => now))
      })
    )
  )
}
