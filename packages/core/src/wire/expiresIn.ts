// Reads the lifetime of a token from the members of a token response.
import * as Option from "effect/Option"
import * as Jwt from "./Jwt.js"

/** What the members of a reply say about lifetime, in whole seconds from the moment the request was sent. */
export interface Lifetime {
  readonly seconds: Option.Option<number>
  /** Members that were present but could not be used. */
  readonly unusable: ReadonlyArray<string>
}

/** Ten years: longer lifetimes mean "never", and sums with them must stay dates. */
const longest = 10 * 365 * 86_400

/** A number of seconds from here on is a point in time (2001 and later), not a duration (31 years and more). */
const epochSeconds = 1e9
/** The same limit in milliseconds. */
const epochMillis = 1e12
const beyond = 1e14

const grammar = /^\d+(?:\.\d+)?$/

/** A strict decimal: `"3600abc"`, `""`, `-1`, `null` and `NaN` are no numbers. */
const decimal = (value: unknown): Option.Option<number> =>
  typeof value === "number" && Number.isFinite(value) && value >= 0
    ? Option.some(Math.floor(value))
    : typeof value === "string" && grammar.test(value)
    ? Option.some(Math.floor(Number(value)))
    : Option.none()

const clamp = (seconds: number): number => Math.min(Math.max(0, seconds), longest)

/** A duration, unless the number is so large that it must be a point in time. */
const relative = (value: unknown, sentAt: number): Option.Option<number> =>
  Option.map(decimal(value), (number) =>
    clamp(
      number > epochMillis && number < beyond
        ? Math.floor((number - sentAt) / 1000)
        : number > epochSeconds && number < epochMillis / 10
        ? number - Math.floor(sentAt / 1000)
        : number
    ))

const absolute = (value: unknown, sentAt: number): Option.Option<number> =>
  Option.map(decimal(value), (number) => clamp(number - Math.floor(sentAt / 1000)))

/**
 * `expires_in` (RFC 6749 §5.1), and only where that is missing or unusable `expires` (Facebook) and `expires_on`
 * (Azure, an epoch).
 */
export const lifetime = (members: ReadonlyMap<string, unknown>, sentAt: number): Lifetime => {
  const unusable: Array<string> = []
  const read = (name: string, parse: (value: unknown, sentAt: number) => Option.Option<number>) => () => {
    if (!members.has(name)) return Option.none()
    const value = parse(members.get(name), sentAt)
    if (Option.isNone(value)) unusable.push(name)
    return value
  }
  const seconds = read("expires_in", relative)().pipe(
    Option.orElse(read("expires", relative)),
    Option.orElse(read("expires_on", absolute))
  )
  return { seconds, unusable: Option.isSome(seconds) ? [] : unusable }
}

/** A member that is a number of whole seconds, and nothing else. */
export const seconds = (value: unknown): Option.Option<number> => Option.map(decimal(value), clamp)

/** `refresh_in` (Entra): it is only advice, so an unusable value causes no warning. */
export const refreshIn = (members: ReadonlyMap<string, unknown>): Option.Option<number> =>
  Option.map(decimal(members.get("refresh_in")), clamp)

/** The end that a token that is a JWT states itself (epoch milliseconds), unverified. */
export interface Claimed {
  readonly expiresAt: Option.Option<number>
  /** The stated end is in the past and cannot be used, because the clocks differ. */
  readonly isPast: boolean
}

export const noClaim: Claimed = { expiresAt: Option.none(), isPast: false }

export const claimed = (token: string, sentAt: number): Claimed => {
  const exp = Option.flatMap(Jwt.decode(token), (claims) => claims.expiresAt)
  if (Option.isNone(exp)) return noClaim
  return exp.value <= sentAt
    ? { expiresAt: Option.none(), isPast: true }
    : { expiresAt: Option.some(Math.min(exp.value, sentAt + longest * 1000)), isPast: false }
}

export const earlier = (a: Option.Option<number>, b: Option.Option<number>): Option.Option<number> =>
  Option.isSome(a) && Option.isSome(b) ? Option.some(Math.min(a.value, b.value)) : Option.orElse(a, () => b)
