// A span of this package's own. Code of the program, such as its schemas, may fail with a secret inside: the span
// describes such an error.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as Tracer from "effect/Tracer"
import * as Disclosure from "effect-bearer/Disclosure"
import * as TokenError from "effect-bearer/TokenError"
import * as GenesysError from "../GenesysError.js"

/** As `Effect.withSpan`, but the span ends with what may be shown. The caller gets the failure as it is. */
export const ownSpan =
  (name: string, options: Tracer.SpanOptions) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.makeSpan(name, options), (span) =>
        Effect.onExit(
          restore(Effect.withParentSpan(self, span)),
          (exit) => Effect.map(now, (now) => span.end(now, Exit.mapErrorCause(exit, described)))
        ))
    )

const zero = Effect.succeed(BigInt(0))

/** Spans have no times where the program has switched them off. */
const now = Effect.flatMap(
  FiberRef.get(FiberRef.currentTracerTimingEnabled),
  (enabled) => enabled ? Effect.clockWith((clock) => Effect.sync(() => clock.unsafeCurrentTimeNanos())) : zero
)

const described = <E>(cause: Cause.Cause<E>): Cause.Cause<unknown> =>
  Cause.match(cause, {
    onEmpty: Cause.empty as Cause.Cause<unknown>,
    onFail: (error) => Cause.fail(isOwn(error) ? error : new Described("failed", error)),
    onDie: (defect) => Cause.die(isOwn(defect) ? defect : new Described("died", defect)),
    onInterrupt: (fiberId) => Cause.interrupt(fiberId),
    onSequential: (left, right) => Cause.sequential(left, right),
    onParallel: (left, right) => Cause.parallel(left, right)
  })

/** The last error of several attempts may be one of the program's. */
const isOwn = (error: unknown): boolean =>
  GenesysError.isGenesysError(error) &&
  !(TokenError.isTokenError(error) && error._tag === "RetriesExhausted" && !isOwn(error.last))

/** Stands for an error of the program's code: it tells the kind of the error, and nothing of its content. */
class Described extends Error {
  constructor(how: "failed" | "died", error: unknown) {
    super(`code of the program ${how}: ${Disclosure.errorName(error)}`)
    this.name = Disclosure.errorName(error, "Error")
  }
}
