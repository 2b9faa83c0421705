import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { StoreError } from "./tokenStore.js"

/**
 * One operation of a store that somebody else wrote: it may take any time, and break in any way. It runs on a fiber of
 * its own, so that a lease can be given back even while the program is being stopped.
 */
export const run = <A>(
  operation: StoreError["operation"],
  call: () => Effect.Effect<A, StoreError>,
  /** Milliseconds. */
  timeout: number
): Effect.Effect<A, StoreError> =>
  Effect.suspend(call).pipe(
    Effect.timeoutFail({
      duration: timeout,
      onTimeout: () => new StoreError({ operation, reason: "timeout", detail: `no answer in ${timeout} ms` })
    }),
    Effect.catchAllDefect(() =>
      Effect.fail(new StoreError({ operation, reason: "unavailable", detail: "it failed unexpectedly" }))
    ),
    Effect.interruptible,
    Effect.forkDaemon,
    Effect.flatMap(Fiber.join)
  )
