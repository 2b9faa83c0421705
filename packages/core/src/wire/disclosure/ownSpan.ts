// A span of a package's own. An error that is not the package's is described in it, because it may hold a secret.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as Tracer from "effect/Tracer"
import * as TokenError from "../../values/TokenError.js"
import { errorName } from "./errorName.js"

/** See `Disclosure.withSpan`. */
export const withSpan =
  (name: string, options: Tracer.SpanOptions = {}, isOwn: (error: unknown) => boolean = TokenError.isTokenError) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.makeSpan(name, options), (span) =>
        Effect.onExit(
          restore(Effect.withParentSpan(self, span)),
          (exit) =>
            Effect.map(now, (now) => span.end(now, Exit.mapErrorCause(exit, (cause) => describedCause(cause, isOwn))))
        ))
    )

const zero = Effect.succeed(BigInt(0))

/** Spans have no times where the program has switched them off. */
const now = Effect.flatMap(
  FiberRef.get(FiberRef.currentTracerTimingEnabled),
  // a test clock that stands at a fraction of a millisecond fails `Clock.currentTimeNanos`
  (enabled) => enabled ? Effect.clockWith((clock) => Effect.sync(() => clock.unsafeCurrentTimeNanos())) : zero
)

const describedCause = <E>(cause: Cause.Cause<E>, isOwn: (error: unknown) => boolean): Cause.Cause<unknown> => {
  const shown = (error: unknown, how: "failed" | "died") => mayBeShown(error, isOwn) ? error : new Described(how, error)
  return Cause.match(cause, {
    onEmpty: Cause.empty as Cause.Cause<unknown>,
    onFail: (error) => Cause.fail(shown(error, "failed")),
    onDie: (defect) => Cause.die(shown(defect, "died")),
    onInterrupt: (fiberId) => Cause.interrupt(fiberId),
    onSequential: (left, right) => Cause.sequential(left, right),
    onParallel: (left, right) => Cause.parallel(left, right)
  })
}

/** The last error of several attempts may be one of the program's. */
const mayBeShown = (error: unknown, isOwn: (error: unknown) => boolean): boolean =>
  isOwn(error) &&
  !(TokenError.isTokenError(error) && error._tag === "RetriesExhausted" && !mayBeShown(error.last, isOwn))

/** Stands for an error of the program's code: it tells the kind of the error, and nothing of its content. */
class Described extends Error {
  constructor(how: "failed" | "died", error: unknown) {
    super(TokenError.isTokenError(error) ? error.message : `code of the program ${how}: ${errorName(error)}`)
    this.name = TokenError.isTokenError(error) ? error._tag : errorName(error, "Error")
  }
}
