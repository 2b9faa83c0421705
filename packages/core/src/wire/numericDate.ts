// Reads a moment in seconds since 1970 (RFC 7519 §2).
import * as Option from "effect/Option"

/** The last second that is still a date. */
const last = 8.64e12

/** A NumericDate (RFC 7519 §2) as epoch milliseconds. Some servers write it as a string. */
export const parse = (value: unknown): Option.Option<number> => {
  const seconds = typeof value === "number"
    ? value
    : typeof value === "string" && /^\d{1,16}$/.test(value)
    ? Number(value)
    : Number.NaN
  return seconds >= 0 && seconds <= last ? Option.some(Math.floor(seconds * 1000)) : Option.none()
}
