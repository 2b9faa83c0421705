/**
 * Token sources for tests of programs that need a token: fixed, expiring, failing, hanging, or first one and then
 * another. None of them asks a server; time is that of the `Clock`, so `TestClock` moves it.
 *
 * They take the place of the whole source, with its cache and its retries. To test a source itself (its settings, its
 * retry policy), put the real one in front of an `AuthorizationServer`.
 *
 * @example
 * ```ts
 * import { TestSource, TokenErrors } from "@effect-bearer/testing"
 * import { Effect } from "effect"
 * import { TokenSource } from "effect-bearer"
 *
 * // the code under test
 * const greeting = Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get()).pipe(
 *   Effect.as("welcome"),
 *   Effect.catchTag("OAuthError", () => Effect.succeed("not for you"))
 * )
 *
 * const allowed = greeting.pipe(Effect.provide(TestSource.layerTest()))
 * const refused = greeting.pipe(Effect.provide(TestSource.layerTest(TestSource.failing(TokenErrors.invalidClient()))))
 * ```
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { pipeArguments } from "effect/Pipeable"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as AccessToken from "effect-bearer/AccessToken"
import type * as Scopes from "effect-bearer/Scopes"
import * as Settings from "effect-bearer/Settings"
import type { TokenError } from "effect-bearer/TokenError"
import type { TokenRequest } from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"

/** A source of these methods, without events. */
const fromMethods = <E>(methods: Pick<TokenSource.With<E>, "get" | "renew" | "invalidate">): TokenSource.With<E> => ({
  ...methods,
  events: Stream.empty,
  pipe() {
    // eslint-disable-next-line prefer-rest-params -- Effect's own way to implement Pipeable
    return pipeArguments(this, arguments)
  }
})

const always = <E>(effect: Effect.Effect<AccessToken.AccessToken, E>): TokenSource.With<E> =>
  fromMethods({ get: () => effect, renew: () => effect, invalidate: () => Effect.void })

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * Always the same token, also to whom reports it as refused. Its lifetime is unknown, unless a whole token is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fixed = (token: string | AccessToken.AccessToken = "test-token"): TokenSource.With<never> =>
  always(
    typeof token === "string"
      // the time of the caller's Clock: made when it is asked for
      ? Effect.sync(() => AccessToken.make({ value: token }))
      : Effect.succeed(token)
  )

/**
 * How {@link expiring} makes its tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expiring {
  /** How long each token lives. Default 1 hour. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** Tokens are this and a number. Default `"token-"`. */
  readonly prefix?: string | undefined
  /** Scopes of each token. Default: those of the request. */
  readonly scopes?: Scopes.Input | undefined
}

const ranges = { lifetime: Settings.duration("1 hour") }

/**
 * Numbered tokens, `token-1`, `token-2`, …: the next one comes when the last one has ended, was invalidated, or is to
 * be renewed. All requests share one token.
 *
 * @example
 * ```ts
 * import { TestSource } from "@effect-bearer/testing"
 * import { Effect, TestClock } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const tokens = yield* TestSource.expiring({ lifetime: "1 minute" })
 *   const first = yield* tokens.get() // token-1
 *   yield* TestClock.adjust("1 minute")
 *   const second = yield* tokens.get() // token-2
 *   const third = yield* tokens.renew(second) // token-3
 *   return { first, second, third }
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const expiring = (options: Expiring = {}): Effect.Effect<TokenSource.With<never>> =>
  Effect.map(Settings.warn(Settings.problems(ranges, options, "TestSource.expiring")), () => {
    const lifetime = Settings.value(ranges.lifetime, options.lifetime)
    let count = 0
    let held: AccessToken.AccessToken | undefined

    const next = (now: number, request: TokenRequest | undefined): AccessToken.AccessToken =>
      held = AccessToken.make({
        value: `${options.prefix ?? "token-"}${++count}`,
        issuedAt: now,
        expiresAt: now + lifetime,
        scopes: options.scopes ?? request?.scopes
      })
    const isHeld = (token: AccessToken.AccessToken) => held !== undefined && AccessToken.isSame(held, token)
    const get = (request?: TokenRequest) =>
      Effect.map(
        Clock.currentTimeMillis,
        (now) => held !== undefined && Option.exists(held.expiresAt, (end) => now < end) ? held : next(now, request)
      )

    const invalidate = (rejected: AccessToken.AccessToken) =>
      Effect.sync(() => {
        if (isHeld(rejected)) held = undefined
      })
    return fromMethods({
      get,
      renew: (rejected, request) => Effect.zipRight(invalidate(rejected), get(request)),
      invalidate
    })
  })

/**
 * Fails with this error, always.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failing = <E>(error: E): TokenSource.With<E> => always(Effect.fail(error))

/**
 * Never answers. Whoever asks can be interrupted, or give up by a timeout of their own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hanging: TokenSource.With<never> = always(Effect.never)

/**
 * Answers after this time, as `source` does.
 *
 * @since 0.1.0
 * @category combinators
 */
export const slow = <E>(source: TokenSource.With<E>, by: Duration.DurationInput): TokenSource.With<E> =>
  fromMethods({
    get: (request) => Effect.delay(source.get(request), by),
    renew: (rejected, request) => Effect.delay(source.renew(rejected, request), by),
    invalidate: source.invalidate
  })

// ---------------------------------------------------------------------------------------------------------------
// one after the other
// ---------------------------------------------------------------------------------------------------------------

/**
 * A source that can be exchanged while the program runs, and tells what it was asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scripted<E> extends TokenSource.With<E> {
  /** From now on it answers as this source does. Who waits already goes on waiting. */
  readonly become: (source: TokenSource.With<E>) => Effect.Effect<void>
  /** How many times a token was asked for: `get` and `renew`. */
  readonly asked: Effect.Effect<number>
  /** The tokens that were reported as refused, by `renew` and `invalidate`, oldest first: their secret values. */
  readonly refused: Effect.Effect<ReadonlyArray<string>>
}

/**
 * Begins as `source`, and becomes another when the test says so.
 *
 * @example
 * ```ts
 * import { TestSource, TokenErrors } from "@effect-bearer/testing"
 * import { Effect } from "effect"
 * import type { TokenError } from "effect-bearer"
 *
 * const program = Effect.gen(function*() {
 *   const tokens = yield* TestSource.scripted<TokenError.TokenError>(TestSource.fixed())
 *   yield* tokens.get()
 *   yield* tokens.become(TestSource.failing(TokenErrors.endpointUnavailable()))
 *   const error = yield* Effect.flip(tokens.get())
 *   return { error, asked: yield* tokens.asked } // 2
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const scripted = <E = never>(source: TokenSource.With<E> = fixed()): Effect.Effect<Scripted<E>> =>
  Effect.sync(() => {
    let current = source
    let asked = 0
    const refused: Array<string> = []
    const note = (rejected: AccessToken.AccessToken) => void refused.push(Redacted.value(rejected.value))
    const methods = fromMethods<E>({
      get: (request) =>
        Effect.suspend(() => {
          asked++
          return current.get(request)
        }),
      renew: (rejected, request) =>
        Effect.suspend(() => {
          asked++
          note(rejected)
          return current.renew(rejected, request)
        }),
      invalidate: (rejected, request) =>
        Effect.suspend(() => {
          note(rejected)
          return current.invalidate(rejected, request)
        })
    })
    return Object.assign(methods, {
      become: (source: TokenSource.With<E>) => Effect.sync(() => void (current = source)),
      asked: Effect.sync(() => asked),
      refused: Effect.sync(() => refused.slice())
    })
  })

// ---------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------

/**
 * The default source of the program, `TokenSource.TokenSource`: {@link fixed} unless another one is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTest = (
  source: TokenSource.With<TokenError> | Effect.Effect<TokenSource.With<TokenError>> = fixed()
): Layer.Layer<TokenSource.TokenSource> => layerTestOf(TokenSource.TokenSource, source)

/**
 * The same for a tag of your own.
 *
 * @example
 * ```ts
 * import { TestSource } from "@effect-bearer/testing"
 * import { TokenSource } from "effect-bearer"
 *
 * class Billing extends TokenSource.Tag("Billing")<Billing>() {}
 *
 * const BillingTest = TestSource.layerTestOf(Billing, TestSource.expiring({ prefix: "billing-" }))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTestOf = <I, E>(
  tag: Context.Tag<I, TokenSource.With<E>>,
  source: TokenSource.With<NoInfer<E>> | Effect.Effect<TokenSource.With<NoInfer<E>>> = fixed()
): Layer.Layer<I> => Effect.isEffect(source) ? Layer.effect(tag, source) : Layer.succeed(tag, source)
