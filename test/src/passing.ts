/**
 * The time of a `TestClock`, for tests over real sockets. A request takes none of it: time passes when the test says so,
 * so that a stall of the machine is no reason for anything to expire, to be late or to come in another order.
 */
import { Effect, Fiber, Option, TestClock } from "effect"
import { vi } from "vitest"

const real = (millis: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })

const moment = real(5)

/** Some real time in which what should not happen could happen. */
export const meanwhile = real(50)

/** Waits for something that happens elsewhere, in real time. */
export const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (a: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (a) => holds(a) ? Effect.succeed(a) : Effect.zipRight(moment, eventually(effect, holds)))

/** Lets time pass, so many milliseconds after the other, until this has ended. */
export const ended = <A, E>(fiber: Fiber.Fiber<A, E>, step = 100): Effect.Effect<A, E> =>
  Effect.flatMap(
    Fiber.poll(fiber),
    Option.match({
      onNone: () => Effect.zipRight(Effect.zipRight(TestClock.adjust(step), moment), ended(fiber, step)),
      onSome: (exit) => exit
    })
  )

/** {@link ended} of what begins now. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, step?: number): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.fork(effect), (fiber) => ended(fiber, step))

/**
 * Runs at the present time, with a `Date` that goes with the `TestClock`: servers of this process that know nothing of
 * the clock live by it. Give the effect how to let time pass.
 */
export const together = <A, E, R>(
  use: (pass: (millis: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let now = Math.floor(Date.now() / 1000) * 1000
    const pass = (millis: number) =>
      Effect.suspend(() => {
        vi.setSystemTime(now += millis)
        return TestClock.setTime(now)
      })
    return Effect.acquireUseRelease(
      Effect.sync(() => void vi.useFakeTimers({ toFake: ["Date"], now })),
      () => Effect.zipRight(TestClock.setTime(now), use(pass)),
      () => Effect.sync(() => void vi.useRealTimers())
    )
  })
