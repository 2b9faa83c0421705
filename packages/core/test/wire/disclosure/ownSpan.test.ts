import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import type { Tracer } from "effect"
import { Cause, Data, Duration, Effect, Exit, Option, TestClock } from "effect"
import * as Disclosure from "effect-bearer/Disclosure"
import * as TokenError from "effect-bearer/TokenError"

const secret = "s3cr3t"

class VaultError extends Data.TaggedError("VaultError")<{ readonly path: string }> {
  override get message() {
    return `no such path: ${this.path}`
  }
}

class OthersError extends Data.TaggedError("OthersError")<{ readonly header: string }> {}

const isVaultError = (error: unknown): boolean => error instanceof VaultError

/** The exit of the caller, and that of the span. */
const run = <A, E>(effect: Effect.Effect<A, E>, isOwn?: (error: unknown) => boolean) =>
  Effect.gen(function*() {
    const spans: Array<Tracer.Span> = []
    const tracer = yield* Effect.tracer
    const exit = yield* effect.pipe(
      Disclosure.withSpan("Vault.read", { kind: "client", attributes: { path: "/a" } }, isOwn),
      Effect.exit,
      Effect.withTracer({
        ...tracer,
        span: (...args) => {
          const span = tracer.span(...args)
          spans.push(span)
          return span
        }
      })
    )
    assert.strictEqual(spans.length, 1)
    const [span] = spans
    if (span?.status._tag !== "Ended") return assert.fail("the span has not ended")
    return { exit, shown: span.status.exit, span }
  })

/** Within a span Effect wraps an error: the error itself is compared. */
const failureOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit)
    ? Option.getOrUndefined(Option.map(Cause.failureOption(exit.cause), Cause.originalError))
    : undefined

/** All that an exporter could show of a failure. */
const textOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit)
    ? [
      Cause.pretty(exit.cause, { renderErrorCause: true }),
      ...Array.from(Cause.failures(exit.cause)).map((error) => inspect(Cause.originalError(error))),
      ...Array.from(Cause.defects(exit.cause)).map((defect) => inspect(Cause.originalError(defect)))
    ].join()
    : ""

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const exhausted = <E>(last: E) =>
  new TokenError.RetriesExhausted({ last, attempts: 3, elapsed: Duration.seconds(1), retryAt: Option.none() })

describe("Disclosure.withSpan", () => {
  it.effect("gives the span its name and options, and ends it with the success", () =>
    Effect.gen(function*() {
      const { exit, shown, span } = yield* run(Effect.as(TestClock.currentTimeMillis, 17))
      assert.strictEqual(span.name, "Vault.read")
      assert.strictEqual(span.kind, "client")
      assert.deepStrictEqual(Object.fromEntries(span.attributes), { path: "/a" })
      assert.deepStrictEqual([exit, shown], [Exit.succeed(17), Exit.succeed(17)])
    }))

  it.effect("is the span that the effect sees as its parent", () =>
    Effect.gen(function*() {
      const { exit, span } = yield* run(Effect.map(Effect.currentSpan, (span) => span.spanId))
      assert.deepStrictEqual(exit, Exit.succeed(span.spanId))
    }))

  it.effect("shows errors of TokenError, and of others the name only", () =>
    Effect.gen(function*() {
      const refused = new TokenError.AuthenticationRequired({ reason: "there is no refresh token yet" })
      assert.strictEqual(failureOf((yield* run(Effect.fail(refused))).shown), refused)

      const others = new OthersError({ header: secret })
      const { exit, shown } = yield* run(Effect.fail(others))
      assert.strictEqual(failureOf(exit), others)
      assert.strictEqual(messageOf(failureOf(shown)), "code of the program failed: OthersError")
      assert.notInclude(textOf(shown), secret)
    }))

  it.effect("isOwn: shows the errors of the package that says so, with their message", () =>
    Effect.gen(function*() {
      const own = new VaultError({ path: "/kept-secret" })
      // without `isOwn` it is an error like any other
      assert.notInclude(textOf((yield* run(Effect.fail(own))).shown), "/kept-secret")
      const { exit, shown } = yield* run(Effect.fail(own), isVaultError)
      assert.strictEqual(failureOf(exit), own)
      assert.strictEqual(failureOf(shown), own)
    }))

  it.effect("isOwn: an error that it does not accept is not shown, and defects neither", () =>
    Effect.gen(function*() {
      const others = new OthersError({ header: secret })
      for (const effect of [Effect.fail(others), Effect.die(others), Effect.die(secret)]) {
        const { exit, shown } = yield* run(effect, isVaultError)
        assert.include(textOf(exit), secret)
        assert.isTrue(Exit.isFailure(shown))
        assert.notInclude(textOf(shown), secret)
      }
    }))

  it.effect("isOwn: an error of TokenError that it does not accept keeps its message, for the library wrote it", () =>
    Effect.gen(function*() {
      const refused = new TokenError.AuthenticationRequired({ reason: "there is no refresh token yet" })
      const shown = failureOf((yield* run(Effect.fail(refused), isVaultError)).shown)
      assert.notStrictEqual(shown, refused)
      assert.strictEqual(messageOf(shown), refused.message)
    }))

  it.effect("the last error of a RetriesExhausted has to be the package's own, too", () =>
    Effect.gen(function*() {
      const down = new TokenError.EndpointTimeout({
        endpoint: "https://a.test",
        phase: "total",
        limit: Duration.seconds(1)
      })
      const known = exhausted(down)
      assert.strictEqual(failureOf((yield* run(Effect.fail(known))).shown), known)
      const foreign = exhausted(new OthersError({ header: secret }))
      const { shown } = yield* run(Effect.fail(foreign))
      assert.notStrictEqual(failureOf(shown), foreign)
      assert.notInclude(textOf(shown), secret)
    }))

  it.effect("each part of a cause is judged by itself, and an interruption stays one", () =>
    Effect.gen(function*() {
      const own = new VaultError({ path: "/kept-secret" })
      const others = new OthersError({ header: secret })
      const both = Effect.failCause(Cause.parallel(Cause.fail(own), Cause.sequential(Cause.die(others), Cause.empty)))
      const { shown } = yield* run(both, isVaultError)
      assert.strictEqual(failureOf(shown), own)
      assert.notInclude(textOf(shown), secret)
      const { shown: interrupted } = yield* run(Effect.interrupt, isVaultError)
      assert.isTrue(Exit.isFailure(interrupted) && Cause.isInterruptedOnly(interrupted.cause))
    }))

  it.effect("the caller gets a failure as it is", () =>
    Effect.gen(function*() {
      const others = new OthersError({ header: secret })
      const error = yield* Effect.flip(Disclosure.withSpan("x", {}, isVaultError)(Effect.fail(others)))
      assert.isTrue(Cause.originalError(error) === others)
    }))
})
