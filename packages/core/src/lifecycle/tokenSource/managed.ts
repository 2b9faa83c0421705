// All steps in the recommended order, around a source that makes one request per `get`.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { TokenStore } from "../../store/contract.js"
import * as ranges from "../../values/settingRanges.js"
import * as Settings from "../../values/Settings.js"
import * as TokenError from "../../values/TokenError.js"
import * as BackgroundRefresh from "../BackgroundRefresh.js"
import * as CircuitBreaker from "../CircuitBreaker.js"
import * as pipeline from "../pipeline.js"
import * as RateLimit from "../RateLimit.js"
import * as RetryPolicy from "../RetryPolicy.js"
import * as ScopePolicy from "../ScopePolicy.js"
import * as SharedTokens from "../SharedTokens.js"
import type { With } from "../source.js"
import * as TokenCache from "../TokenCache.js"
import type { ManagedOptions } from "./options.js"
import { retrying } from "./steps.js"

/**
 * The recommended order of all of them, around a source that makes one request per `get`: rate limit, shared store,
 * retry, circuit breaker, scope policy, cache, renewal in the background. {@link layer} is this around a grant.
 *
 * Tokens are shared if a `TokenStore` is in the context: provide its layer to this one, not beside it. A source other
 * than `clientCredentials` then has to be told whose tokens it yields: `shared: { namespace }`. Options for `shared`
 * without a store are an `InvalidConfiguration`.
 *
 * The source may have errors of its own. Each says in `retryable` whether it is transient, `true` or `false`; what is
 * left of them stands in the type of the result beside `TokenError`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Layer, Redacted } from "effect"
 *
 * const Tokens = Layer.scoped(
 *   TokenSource.TokenSource,
 *   TokenSource.refreshToken({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reports",
 *     authentication: ClientAuthentication.basic(Redacted.make("secret")),
 *     refreshToken: Redacted.make("from the last login")
 *   }).pipe(TokenSource.managed({ refresh: { ahead: "2 minutes" } }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const managed = <Transient extends RetryPolicy.Retryable = RetryPolicy.Retryable>(
  options: ManagedOptions<Transient> = {}
) =>
<S extends pipeline.Input>(
  self: S & Manageable<pipeline.ErrorOf<S>, Transient>
): pipeline.FlatMapped<
  S,
  With<Managed<pipeline.ErrorOf<S>>>,
  TokenError.InvalidConfiguration,
  Scope.Scope
> => pipeline.flatMap(self as S, (source) => build(source, options))

/**
 * What a managed source fails with: any `TokenError`, and what is left of errors of your own.
 *
 * @since 0.1.0
 * @category models
 */
export type Managed<E> = TokenError.TokenError | Own<Exclude<E, TokenError.TokenError>>

type Own<E> = [Extract<E, RetryPolicy.Retryable>] extends [never] ? E : RetryPolicy.Retried<E>

/** `unknown` for errors that say whether they are transient, and transient ones that the policy retries. */
type Manageable<E, Transient> = [Extract<E, RetryPolicy.Retryable>] extends [never]
  ? RetryPolicy.Check<E | Transient, Transient>
  : RetryPolicy.Check<E, Transient>

const build = <E, Transient extends RetryPolicy.Retryable>(
  self: With<E>,
  options: ManagedOptions<Transient>
): Effect.Effect<With<Managed<E>>, TokenError.InvalidConfiguration, Scope.Scope> =>
  Effect.gen(function*() {
    yield* Settings.report(settingProblems(options))
    const limited = options.rateLimit === undefined ? self : yield* RateLimit.limit(options.rateLimit)(self)
    const store = yield* Effect.serviceOption(TokenStore)
    if (Option.isNone(store) && Predicate.isObject(options.shared)) {
      return yield* new TokenError.InvalidConfiguration({
        fields: ["shared"],
        detail: "there are options for sharing tokens, and no TokenStore to share them through: provide the layer of " +
          "a store to this one (Layer.provide), or drop the options"
      })
    }
    const shared: With<E | TokenError.FailedElsewhere> = Option.isNone(store) || options.shared === false
      ? limited
      : yield* SharedTokens.shared({
        clockSkew: options.cache?.clockSkew,
        ...options.shared
      })(limited).pipe(Effect.provideService(TokenStore, store.value))
    const retried = options.retry === undefined
      ? retrying(shared, RetryPolicy.exponentialJitter())
      : retrying(shared, options.retry)
    const guarded = options.circuitBreaker === undefined
      ? retried
      : yield* CircuitBreaker.protect(options.circuitBreaker)(retried)
    // the errors of the retries, the breaker and the policy are those of `Managed`, written another way
    const checked = ScopePolicy.enforce(options.scopePolicy)(guarded) as With<Managed<E>>
    return options.refresh === false
      ? yield* TokenCache.cachedFailing({ ...options.cache, ahead: 0 })(checked)
      : yield* BackgroundRefresh.refreshing(
        yield* TokenCache.cachedFailing(options.cache)(checked),
        options.refresh
      )
  })

/** The problems of all settings at once, before the first request. */
const settingProblems = (
  { cache, circuitBreaker, rateLimit, refresh }: Omit<ManagedOptions, "retry">
): ReadonlyArray<Settings.Problem> => [
  ...Settings.problems(ranges.cache, cache, "cache"),
  ...Settings.problems(
    ranges.onMissingExpiry,
    cache?.onMissingExpiry === "never" ? undefined : cache?.onMissingExpiry,
    "cache.onMissingExpiry"
  ),
  ...Settings.problems(ranges.refresh, refresh === false ? undefined : refresh, "refresh"),
  ...Settings.problems(ranges.rateLimit, rateLimit, "rateLimit"),
  ...Settings.problems(ranges.circuitBreaker, circuitBreaker, "circuitBreaker")
]
