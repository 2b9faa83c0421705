// The phases of a circuit breaker, and how attempts change them. Nothing here waits; times are milliseconds.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as clocks from "../../values/Clocks.js"
import { Underway } from "../../values/signsOfLife.js"
import { mandated, step } from "../backOff.js"

/** `until` is a time of the steady clock; `openings` is how often the breaker opened since it was closed. */
export type Phase =
  | { readonly _tag: "Closed"; failures: number }
  | { readonly _tag: "Open"; readonly failures: number; readonly openings: number; readonly until: number }
  | { readonly _tag: "HalfOpen"; readonly failures: number; readonly openings: number; readonly probe: Underway }

export interface Settings {
  readonly threshold: number
  readonly resetAfter: number
  readonly longest: number
}

/** The breaker has opened; `retryAt` is by the wall clock. */
export interface Opened {
  readonly failures: number
  readonly retryAt: number
}

export interface Phases {
  readonly current: () => Phase
  /** The phase in which an attempt may begin now; on the left when the next one may, if that is known. */
  readonly admit: (now: clocks.Now) => Either.Either<Phase, Option.Option<number>>
  /** An attempt that began in `entered` has failed; the result says that this opened the breaker. */
  readonly failed: (entered: Phase, error: unknown, now: clocks.Now) => Opened | undefined
  /** An attempt that began in `entered` brought an answer; the result says whether this closed the breaker. */
  readonly answered: (entered: Phase) => boolean
  /** An attempt that began in `entered` was interrupted, which proves nothing. */
  readonly abandoned: (entered: Phase) => void
}

/** A probe is given up if it shows no sign of life for so long, or for `resetAfter` if that is longer. */
const longestProbe = 60_000

/** A server may ask for more time than `longest`, but an absurd `Retry-After` must not switch it off for good. */
const longestRetryAfter = 60 * 60 * 1000

export const make = ({ longest, resetAfter, threshold }: Settings): Phases => {
  let phase: Phase = { _tag: "Closed", failures: 0 }

  const halfOpen = (
    { failures, openings }: { readonly failures: number; readonly openings: number },
    steady: number
  ): Phase => ({
    _tag: "HalfOpen",
    failures,
    openings,
    probe: new Underway(steady, Math.max(longestProbe, resetAfter))
  })

  const open = (failures: number, openings: number, error: unknown, { steady, wall }: clocks.Now): Opened => {
    const own = step(openings + 1, resetAfter, longest)
    const asked = mandated(error, wall, longestRetryAfter)
    const delay = asked > own ? asked : own
    phase = { _tag: "Open", failures, openings: openings + 1, until: steady + delay }
    return { failures, retryAt: Math.ceil(wall + delay) }
  }

  return {
    current: () => phase,
    admit: ({ steady, wall }) => {
      switch (phase._tag) {
        case "Closed":
          return Either.right(phase)
        case "HalfOpen":
          // a probe without signs of life is given up, and this attempt becomes the probe
          return phase.probe.isOverdue(steady)
            ? Either.right(phase = halfOpen(phase, steady))
            : Either.left(Option.none())
        case "Open":
          return steady < phase.until
            ? Either.left(Option.some(Math.ceil(wall + phase.until - steady)))
            : Either.right(phase = halfOpen(phase, steady))
      }
    },
    failed: (entered, error, now) => {
      if (phase !== entered || phase._tag === "Open") return undefined
      if (phase._tag === "HalfOpen") return open(phase.failures + 1, phase.openings, error, now)
      phase.failures += 1
      return phase.failures < threshold ? undefined : open(phase.failures, 0, error, now)
    },
    answered: (entered) => {
      if (phase !== entered) return false
      if (phase._tag === "Closed") {
        phase.failures = 0
        return false
      }
      phase = { _tag: "Closed", failures: 0 }
      return true
    },
    abandoned: (entered) => {
      // the breaker is open, but its time is already up, so the next attempt is the probe
      if (phase === entered && phase._tag === "HalfOpen") {
        phase = { _tag: "Open", failures: phase.failures, openings: phase.openings, until: -Infinity }
      }
    }
  }
}
