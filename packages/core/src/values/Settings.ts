/**
 * The ranges of options that are numbers or durations, and their checks.
 *
 * **The rule.** A setting is a finite number or duration within the range that its documentation gives; `undefined` is
 * its default, and "without limit" is possible only where the documentation says so. Anything else (`NaN`, a negative
 * number, `Infinity`, a text that is no duration, a value out of range) is an `InvalidConfiguration` that names the
 * setting, what it was and its range, as soon as the constructor runs: {@link problems}. A constructor that cannot fail
 * goes on with the default if the setting is no number or duration at all, and with the nearest end of the range if it
 * lies outside, and logs the same as a warning: {@link value} and {@link warn}. No setting ever means more than its
 * range.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as permission from "./permission.js"
import * as TokenError from "./TokenError.js"

/**
 * The range of one setting; durations in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Setting {
  readonly kind: "duration" | "number"
  readonly fallback: number
  readonly least: number
  readonly most: number
  /** Whether `Infinity` is a value, and means "without limit". */
  readonly unlimited: boolean
}

/**
 * A wrong setting, as `InvalidConfiguration` names it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly field: string
  readonly detail: string
}

/** Longer than any token lives. A timer that is set again and again can count so long. */
const longest = Duration.toMillis("3650 days")

/**
 * A duration. By default from 0 to 3650 days, and never without limit.
 *
 * @since 0.1.0
 * @category constructors
 */
export const duration = (
  fallback: Duration.DurationInput,
  { least = 0, most = longest, unlimited = false }: {
    readonly least?: Duration.DurationInput | undefined
    readonly most?: Duration.DurationInput | undefined
    readonly unlimited?: boolean | undefined
  } = {}
): Setting => ({
  kind: "duration",
  fallback: Duration.toMillis(fallback),
  least: Duration.toMillis(least),
  most: Duration.toMillis(most),
  unlimited
})

/**
 * A number. By default from 0 to 2³¹, and never without limit.
 *
 * @since 0.1.0
 * @category constructors
 */
export const number = (
  fallback: number,
  { least = 0, most = 2 ** 31, unlimited = false }: {
    readonly least?: number | undefined
    readonly most?: number | undefined
    readonly unlimited?: boolean | undefined
  } = {}
): Setting => ({ kind: "number", fallback, least, most, unlimited })

/**
 * The number, or the milliseconds of the duration, before the range is checked; `NaN` if it is neither. (`Duration`
 * turns `NaN` and -5 into 0.)
 */
const plain = (kind: Setting["kind"], given: unknown): number => {
  if (typeof given === "number") return given
  if (kind === "number") return Number.NaN
  if (typeof given === "bigint") return Number(given) / 1e6
  if (typeof given === "string" && given.startsWith("-")) return Number.NEGATIVE_INFINITY
  if (Array.isArray(given)) {
    const [seconds, nanos] = given as ReadonlyArray<unknown>
    return given.length === 2 && typeof seconds === "number" && typeof nanos === "number"
      ? seconds * 1000 + nanos / 1e6
      : Number.NaN
  }
  return Option.getOrElse(
    Option.map(Duration.decodeUnknown(given), Duration.toMillis),
    () => Number.NaN
  )
}

const fits = ({ least, most, unlimited }: Setting, given: number): boolean =>
  (given >= least && given <= most) || (unlimited && given === Number.POSITIVE_INFINITY)

/**
 * The value that a constructor that cannot fail uses, whatever was given.
 *
 * @since 0.1.0
 * @category getters
 */
export const value = (setting: Setting, given: unknown): number => {
  if (given === undefined) return setting.fallback
  const found = plain(setting.kind, given)
  if (Number.isNaN(found)) return setting.fallback
  return fits(setting, found) ? found : found < setting.least ? setting.least : setting.most
}

const show = (setting: Setting, end: number): string =>
  setting.kind === "number" ? String(end) : end === 0 ? "0" : Duration.format(Duration.millis(end))

/** Describes a given value by its kind only: its text may be a secret in the wrong place. */
const kindOf = (given: unknown): string =>
  typeof given === "number" || typeof given === "bigint"
    ? String(given)
    : given === null
    ? "null"
    : Duration.isDuration(given)
    ? `a duration of ${Duration.toMillis(given)} ms`
    : typeof given === "string" && Duration.decodeUnknown(given)._tag === "Some"
    ? `"${given}"`
    : Array.isArray(given)
    ? "a list"
    : `${typeof given === "object" ? "an" : "a"} ${typeof given}`

/**
 * The problems of these options, each with `prefix` and the name of its field.
 *
 * @example
 * ```ts
 * import { Settings } from "effect-bearer"
 *
 * const settings = { ahead: Settings.duration("5 minutes"), capacity: Settings.number(100, { least: 1 }) }
 *
 * Settings.problems(settings, { ahead: Number.NaN, capacity: 0 }, "cache")
 * // two problems, of the fields "cache.ahead" and "cache.capacity"
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const problems = (
  settings: Readonly<Record<string, Setting>>,
  options: unknown,
  prefix = ""
): ReadonlyArray<Problem> => {
  if (options === undefined) return []
  if (typeof options !== "object" || options === null) {
    const field = prefix === "" ? "options" : prefix
    return [{ field, detail: `${field} must be an object with settings, not ${kindOf(options)}` }]
  }
  return Object.entries(settings).flatMap(([name, setting]) => {
    const given = (options as Readonly<Record<string, unknown>>)[name]
    if (given === undefined || fits(setting, plain(setting.kind, given))) return []
    const field = prefix === "" ? name : `${prefix}.${name}`
    return [{
      field,
      detail:
        `${field} must be a ${setting.kind} from ${show(setting, setting.least)} to ${show(setting, setting.most)}` +
        `${setting.unlimited ? ", or Infinity" : ""}, not ${kindOf(given)}`
    }]
  })
}

/**
 * Fails with one error for all problems, if there are any.
 *
 * @since 0.1.0
 * @category combinators
 */
export const report = (problems: ReadonlyArray<Problem>): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  problems.length === 0 ? Effect.void : Effect.fail(toError(problems))

/**
 * Reads settings from a `ConfigProvider`. One that throws, as the environment of Deno does without `--allow-env`, gives
 * `InvalidConfiguration` for `name`, which says what permission is missing; it would be a defect otherwise.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readable = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  name: string
): Effect.Effect<A, E | TokenError.InvalidConfiguration, R> =>
  Effect.catchAllDefect(self, (defect) =>
    Effect.fail(
      new TokenError.InvalidConfiguration({ fields: [name], detail: `${name} ${permission.unreadable(defect)}` })
    ))

/**
 * @since 0.1.0
 * @category conversions
 */
export const toError = (problems: ReadonlyArray<Problem>): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: Array.from(new Set(problems.map((problem) => problem.field))),
    detail: Array.from(new Set(problems.map((problem) => problem.detail))).join("; ")
  })

/**
 * Logs a warning for each problem, for a constructor that cannot fail.
 *
 * @since 0.1.0
 * @category combinators
 */
export const warn = (problems: ReadonlyArray<Problem>): Effect.Effect<void> =>
  Effect.forEach(
    problems,
    ({ detail }) => Effect.logWarning(`${detail}. The nearest value in range, or the default, is used.`),
    { discard: true }
  )
