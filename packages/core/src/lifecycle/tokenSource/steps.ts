// What can be put around a source, and asked of it, beside the steps that are modules of their own.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AccessToken } from "../../values/AccessToken.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import * as foreignError from "../foreignError.js"
import * as pipeline from "../pipeline.js"
import * as RetryPolicy from "../RetryPolicy.js"
import type { Status, With } from "../source.js"
import * as source from "../source.js"
import { WaitUntil } from "../waitUntil.js"

/**
 * Subscribes to the events of a source, until the scope closes. `source.events` begins when the stream is run, which
 * in a forked fiber is some time later; here nothing that happens after this effect is missed.
 *
 * @example
 * ```ts
 * import type { TokenError } from "effect-bearer"
 * import { TokenSource } from "effect-bearer"
 * import { Effect, Stream } from "effect"
 *
 * declare const tokens: TokenSource.With<TokenError.TokenError>
 *
 * const program = Effect.gen(function*() {
 *   const events = yield* TokenSource.subscribe(tokens)
 *   yield* Effect.forkScoped(Stream.runForEach(events, (event) => Effect.log(event._tag)))
 *   yield* tokens.get() // its events are seen
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const subscribe = (
  self: With<unknown>
): Effect.Effect<Stream.Stream<TokenEvent>, never, Scope.Scope> => source.subscribe(self)

/**
 * Puts something of your own around every effect of a source that gives a token: a timeout, a measurement, a mapped
 * error. Unlike a source written by hand, the result keeps the events of `self`. For an effect that makes a source:
 * `Effect.map(TokenSource.transform(…))`.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * const impatient = TokenSource.transform((token) => Effect.timeout(token, "2 seconds"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const transform = <E, E2>(
  f: (token: Effect.Effect<AccessToken, E>, request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E2>
) =>
(self: With<E>): With<E2> => source.mapRequests(self, f)

/**
 * What a source knows of the token for a request, without asking a server or a store and without counting as a use: the
 * token that would be served now, and whether its successor is on its way. A source without a cache knows nothing.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect, Option } from "effect"
 *
 * const headers = Effect.gen(function*() {
 *   const tokens = yield* TokenSource.TokenSource
 *   const { refreshing, token } = yield* TokenSource.status(tokens)
 *   return refreshing && Option.isSome(token) ? { "x-token-refreshing": "true" } : {}
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const status = (self: With<unknown>, request?: TokenRequest.TokenRequest): Effect.Effect<Status> =>
  source.hooks(self).status(request)

/**
 * `get` with the option `minTtl`, for a pipe: see {@link GetOptions}. Default of `request`: what the source was
 * configured with.
 *
 * @example
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import { Effect } from "effect"
 *
 * // an upload that takes ten minutes
 * const token = Effect.flatMap(TokenSource.TokenSource, TokenSource.getWithRemaining("10 minutes"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const getWithRemaining =
  (remaining: Duration.DurationInput, request?: TokenRequest.TokenRequest) =>
  <E>(self: With<E>): Effect.Effect<AccessToken, E> => self.get(request, { minTtl: remaining })

/**
 * Retries the transient errors of a source, which thereby leave its type: see `RetryPolicy.retry`, whose compile
 * errors it shares. Each retry is an event. `RetryPolicy.exponentialJitter()` is a policy for every transient error,
 * those of your own too.
 *
 * @example
 * ```ts
 * import { RetryPolicy, TokenSource } from "effect-bearer"
 * import type { TokenError } from "effect-bearer"
 *
 * declare const tokens: TokenSource.With<TokenError.RequestError>
 *
 * //      ┌─── TokenSource.With<TokenError.Fatal | TokenError.RetriesExhausted<TokenError.Transient>>
 * //      ▼
 * const retried = TokenSource.retry(RetryPolicy.exponentialJitter({ base: "500 millis", maxRetries: 3 }))(tokens)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry = <In>(policy: Schedule.Schedule<unknown, In>) =>
<S extends pipeline.Input>(
  self: S & RetryPolicy.Check<pipeline.ErrorOf<S>, In>
): pipeline.Mapped<S, With<RetryPolicy.Retried<pipeline.ErrorOf<S>>>> =>
  pipeline.map(self as S, (source) => retrying(source, policy))

/** The same without the check of the errors, for code that is generic in them. */
export const retrying = <E, In>(
  self: With<E>,
  policy: Schedule.Schedule<unknown, In>
): With<RetryPolicy.Retried<E>> => {
  const tell = source.telling(self)
  return source.mapRequests(
    self,
    (effect, request) =>
      RetryPolicy.retryReporting(
        effect,
        policy,
        ({ attempt, delay, error }) =>
          tell(request, (common) =>
            TokenEvent.RetryScheduled({
              ...common,
              error: foreignError.nameOf(error),
              message: foreignError.messageOf(error),
              status: Predicate.hasProperty(error, "status") && Predicate.isNumber(error.status)
                ? Option.some(error.status)
                : Option.none(),
              attempt,
              delay: Duration.toMillis(delay)
            }))
      )
  )
}

/**
 * For runtimes in which work ends with the request that began it (Cloudflare Workers and its like): lets `effect`,
 * which serves a request, renew tokens ahead of their end in the background, even after the answer was sent. Without it
 * nothing is renewed ahead there, and the request that finds the token at its end waits for the next one. Elsewhere it
 * changes nothing.
 *
 * **Example** (A Worker)
 *
 * ```ts
 * import { TokenSource } from "effect-bearer"
 * import type { Effect, ManagedRuntime } from "effect"
 *
 * declare const runtime: ManagedRuntime.ManagedRuntime<TokenSource.TokenSource, never>
 * declare const handle: (request: Request) => Effect.Effect<Response, never, TokenSource.TokenSource>
 *
 * export default {
 *   fetch: (request: Request, _env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }) =>
 *     runtime.runPromise(TokenSource.withWaitUntil(handle(request), (promise) => ctx.waitUntil(promise)))
 * }
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withWaitUntil: {
  (waitUntil: (promise: Promise<unknown>) => void): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, waitUntil: (promise: Promise<unknown>) => void): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    waitUntil: (promise: Promise<unknown>) => void
  ): Effect.Effect<A, E, R> => Effect.provideService(effect, WaitUntil, waitUntil)
)
