// A sleep that does not keep a process running.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

/** How the runtime's own clock sleeps: by a timer of the runtime. */
const byTimer = Clock.make().sleep

/**
 * `Effect.sleep` for work in the background that must not keep a program running: where the runtime has such timers
 * (Node, Bun, Deno), the timer does not hold the process. Any clock other than the runtime's own, such as a test's,
 * sleeps in its usual way.
 */
export const quietSleep = (duration: Duration.DurationInput): Effect.Effect<void> =>
  Effect.clockWith((clock) => clock.sleep === byTimer ? unheld(Duration.toMillis(duration)) : Effect.sleep(duration))

/** A timer counts milliseconds in 31 bits; a longer one would end at once. */
const longestTimer = 2 ** 31 - 1

const unheld = (millis: number): Effect.Effect<void> =>
  millis > longestTimer
    ? Effect.zipRight(timer(longestTimer), Effect.suspend(() => unheld(millis - longestTimer)))
    : timer(millis)

const timer = (millis: number): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    // eslint-disable-next-line no-restricted-globals -- Effect's Clock gives no handle on the timer
    const timer: unknown = setTimeout(() => resume(Effect.void), millis)
    if (Predicate.hasProperty(timer, "unref") && Predicate.isFunction(timer.unref)) timer.unref()
    return Effect.sync(() => clearTimeout(timer as number))
  })
