/**
 * Shares the tokens of a source with other processes through a {@link TokenStore}, so that a whole fleet asks the
 * server once per lifecycle.
 *
 * ```
 * cache of this process ──▶ store ──▶ lease ──▶ server
 *                             ▲         └ another process has it: wait for its token
 *                             └ a good token is there: take it
 * ```
 *
 * The holder of the lease asks the server, stores the token under its fencing number, and announces it. A holder that
 * dies delays the others by no more than the lease. A store that is slow, down, full or damaged is an event, and each
 * process works alone until it answers again.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { TokenStore } from "../store/contract.js"
import type { AccessToken } from "../values/AccessToken.js"
import { isSame } from "../values/AccessToken.js"
import * as clocks from "../values/Clocks.js"
import * as Digest from "../values/Digest.js"
import * as SharedWork from "../values/SharedWork.js"
import type * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as checks from "../wire/endpointChecks.js"
import * as boundToken from "./boundToken.js"
import { Bells } from "./sharing/bells.js"
import * as fallibleStore from "./sharing/fallibleStore.js"
import * as pollPace from "./sharing/pollPace.js"
import type { Want } from "./sharing/sharing.js"
import * as sharing from "./sharing/sharing.js"
import * as storeCall from "./sharing/storeCall.js"
import * as source from "./source.js"

/**
 * How {@link shared} behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Whose tokens these are. Sources with the same namespace and the same token request serve each other's tokens, so
   * it has to name everything that makes a difference: authorization server, client, and the user or subject if there
   * is one. It is part of the keys in the store and must not be secret.
   *
   * Default: token endpoint and client id, for client credentials. Any other source has to be given one.
   */
  readonly namespace?: string | undefined
  /**
   * How long one process may take to fetch a token before another takes over. Longer than the total deadline of a
   * token request, or two requests can be under way. Default: two seconds more than that deadline (12 seconds, if it is
   * not set), at least 10 seconds; 1 minute where there is none.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** A stored token is not taken in this last stretch of its life, at most a tenth of it. Default 30 seconds. */
  readonly clockSkew?: Duration.DurationInput | undefined
  /** Limit of one operation of the store; beyond it this process works alone for a while. Default 1 second. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * Whether every process that shares these tokens has the same private key: the same DPoP key, or the same client
   * certificate. Tokens that are bound to it are shared then. Default `false`: they are not.
   */
  readonly keyIsShared?: boolean | undefined
  /**
   * A process that waits for another's token looks for it this often, and then less and less often, in case the
   * announcement gets lost. Default 250 milliseconds.
   */
  readonly poll?: Duration.DurationInput | undefined
}

/**
 * Puts the store of the program behind a source. It belongs before the cache, and inside the retries, so that the
 * lease covers one request: `grant ─ shared ─ retry ─ cached ─ backgroundRefresh`. `TokenSource.layer` does that when a
 * `TokenStore` is provided.
 *
 * **Details**
 *
 * - Tokens that are bound to a key are not shared, because a process with another key cannot use them: those of type
 *   `DPoP` (RFC 9449), those with a `cnf` beside them or among the claims of a JWT (RFC 7800, RFC 8705), and opaque
 *   ones of a client that authenticates by `ClientAuthentication.mtls`. Each process then asks for its own, one after
 *   the other. `keyIsShared` says that all processes have the key.
 * - A failure that other processes would get too (the server is down, or throttles) is shared as well, for one to five
 *   seconds or as long as `Retry-After` says: the other processes get `FailedElsewhere` and do not ask the server. A
 *   refusal is not shared.
 * - A process without a token waits for the token of another process no longer than two leases; then it asks alone.
 *
 * @example
 * ```ts
 * import { ClientAuthentication, RetryPolicy, TokenSource, TokenStore } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * const tokens = TokenSource.clientCredentials({
 *   tokenEndpoint: "https://login.example.com/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Redacted.make("secret"))
 * }).pipe(
 *   Effect.flatMap(TokenSource.shared({ lease: "15 seconds" })),
 *   Effect.map(TokenSource.retry(RetryPolicy.exponentialJitter())),
 *   Effect.flatMap(TokenSource.cached()),
 *   Effect.provide(TokenStore.layerMemory)
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const shared = (options: Options = {}) =>
<E>(alone: source.With<E>): Effect.Effect<
  source.With<E | TokenError.FailedElsewhere>,
  TokenError.InvalidConfiguration,
  TokenStore | Scope.Scope
> =>
  Effect.gen(function*() {
    type Token = Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>

    const self = yield* source.withHooks(alone)
    const { admission, certificate, defaults } = source.hooks(self)
    const { clockSkew, keyIsShared, lease: leaseTime, namespace, poll, timeout } = yield* settle(
      options,
      source.hooks(self)
    )
    // its errors are among those of `self`
    const inner = (admission?.inner ?? self) as source.With<E>
    const tell = source.telling(self)
    const service = yield* TokenStore
    const store = fallibleStore.make(service, { tell, timeout })
    const { hold, isFresh, take } = sharing.make({
      store,
      tell,
      clockSkew,
      lease: leaseTime,
      isPrivate: (token) => !keyIsShared && boundToken.isBound(token, certificate)
    })

    const bells = new Bells()
    yield* storeCall.hear(service, (key) => Effect.sync(() => bells.ring(key)))

    const key = (request: TokenRequest.TokenRequest): string => keyOf(namespace, request)

    const obtain = (want: Want<E>): Token =>
      Effect.flatMap(clocks.now, ({ steady }) => {
        if (store.isResting(steady)) return want.fetch
        const at = key(want.request)
        return bells.at(at, (next) => turn(want, at, next, steady + 2 * leaseTime, 0))
      })

    /**
     * Runs `use` with room for one request, if there is a rate limit. A process that waited for room under the lease
     * would keep the others from asking, and would outlast the lease. Room that was not used is given back.
     */
    const withRoom = <A, E2>(
      { fetch, fetchAtOnce, request }: Want<E>,
      rung: Effect.Effect<void>,
      restore: <B, E3>(effect: Effect.Effect<B, E3>) => Effect.Effect<B, E3>,
      use: (fetch: Effect.Effect<AccessToken, E>) => Effect.Effect<A, E2>
    ): Effect.Effect<A | typeof rang, E | E2> =>
      admission === undefined ? use(fetch) : Effect.flatMap(
        restore(Effect.raceFirst(
          Effect.as(Effect.interruptible(rung), rang),
          Effect.interruptible(admission.admit(request)) as Effect.Effect<Effect.Effect<void>, E>
        )),
        (room): Effect.Effect<A | typeof rang, E2> => {
          if (room === rang) return Effect.succeed(room)
          let used = false
          const once = Effect.suspend(() => {
            used = true
            return fetchAtOnce
          })
          return Effect.ensuring(use(once), Effect.suspend(() => used ? Effect.void : room))
        }
      )

    /** Looks into the store, tries to get the lease, or waits for the next turn. */
    const turn = (
      want: Want<E>,
      key: string,
      next: Effect.Effect<Effect.Effect<void>>,
      deadline: number,
      turns: number
    ): Token =>
      Effect.gen(function*() {
        const { current, fetch, request } = want
        const rung = yield* next
        const seen = yield* store.look(key, request)
        if (Option.isNone(seen)) return yield* fetch
        const there = yield* take(seen.value, want)
        if (Option.isSome(there)) return there.value

        const outcome = yield* Effect.uninterruptibleMask((restore) =>
          withRoom(want, rung, restore, (fetch) =>
            Effect.flatMap(store.acquire(key, leaseTime, request), (answer) =>
              Option.isNone(answer)
                ? Effect.asSome(restore(fetch))
                : Option.isSome(answer.value)
                ? Effect.asSome(hold(answer.value.value, { ...want, fetch }, restore))
                : Effect.succeedNone))
        )
        if (outcome === rang) {
          return yield* turn(want, key, next, deadline, turns)
        }
        if (Option.isSome(outcome)) {
          return outcome.value
        }

        const { steady, wall } = yield* clocks.now
        if (turns === 0) {
          const stillServing = current !== undefined && isFresh(current, wall)
          yield* tell(request, (common) => TokenEvent.RefreshingElsewhere({ ...common, stillServing }))
        }
        if (steady >= deadline) {
          const detail = `others hold the lease for ${2 * leaseTime} ms and bring nothing`
          yield* tell(
            request,
            (common) =>
              TokenEvent.StoreFailed({ ...common, operation: "acquire", reason: "timeout", detail })
          )
          return yield* fetch
        }
        const { pause, spread } = yield* pollPace.pace(poll, turns)
        // a process that held the lease when this wait began, and has died, does not hold the lease beyond this
        const leaseEnds = deadline - leaseTime - steady
        const left = leaseEnds > 0 ? leaseEnds + poll * (1 - spread) : deadline - steady
        // a caller that cannot be interrupted must not have to wait until the bell rings
        yield* SharedWork.expect(pause)
        yield* Effect.raceFirst(
          Effect.interruptible(rung),
          Effect.sleep(Math.max(1, Math.min(pause, left)))
        )
        return yield* turn(want, key, next, deadline, turns + 1)
      })

    // --- the public face --------------------------------------------------------------------------------------------

    const complete = (request: TokenRequest.TokenRequest | undefined) =>
      request === undefined ? defaults : TokenRequest.withDefaults(request, defaults)

    const forget = (token: AccessToken, request: TokenRequest.TokenRequest): Effect.Effect<void> =>
      Effect.flatMap(clocks.now, ({ steady }) =>
        store.isResting(steady)
          ? Effect.void
          : Effect.asVoid(store.ask("remove", request, (store) => storeCall.remove(store, key(request), token))))

    return source.derive<E | TokenError.FailedElsewhere>(self, {
      get: (request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return obtain({
            request: wanted,
            current: undefined,
            accepts: () => true,
            fetch: self.get(wanted),
            fetchAtOnce: inner.get(wanted)
          })
        }),
      replace: (current, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return obtain({
            request: wanted,
            current,
            accepts: (token) => sharing.isBetter(token, current),
            fetch: source.replace(self, current, wanted),
            fetchAtOnce: source.replace(inner, current, wanted)
          })
        }),
      renew: (rejected, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return Effect.zipRight(
            forget(rejected, wanted),
            obtain({
              request: wanted,
              current: rejected,
              accepts: (token) => !isSame(token, rejected),
              fetch: self.renew(rejected, wanted),
              fetchAtOnce: inner.renew(rejected, wanted)
            })
          )
        }),
      invalidate: (rejected, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return Effect.zipRight(forget(rejected, wanted), self.invalidate(rejected, wanted))
        })
    })
  })

/** Two seconds more than the deadline, to store a token that came at the last moment. */
const leaseFor = (deadline = 0): number => Number.isFinite(deadline) ? Math.max(10_000, deadline + 2000) : 60_000

/** The result for a process that waits for room when another process has stored a token: it has to look again. */
const rang = Symbol()

const settle = (options: Options, { deadline, namespace: own }: Pick<source.Hooks, "deadline" | "namespace">) =>
  Effect.suspend(() => {
    const problems: Array<checks.Problem> = []
    const millis = (name: "lease" | "clockSkew" | "timeout" | "poll", fallback: number, least?: 0) =>
      checks.millis(options[name] === undefined ? fallback : options[name], `shared.${name}`, problems, least)
    const namespace = (options.namespace ?? own ?? "").trim()
    if (namespace === "") {
      problems.push({
        field: "shared.namespace",
        detail: "this source cannot tell whose tokens it yields: name the authorization server, the client and, if " +
          "there is one, the user, so that nobody is served a token of somebody else"
      })
    }
    problems.push(...checks.wellFormed(namespace, "shared.namespace"))
    const settled = {
      namespace,
      keyIsShared: options.keyIsShared === true,
      lease: millis("lease", leaseFor(deadline)),
      clockSkew: millis("clockSkew", 30_000, 0),
      timeout: millis("timeout", 1000),
      poll: millis("poll", 250)
    }
    return Effect.as(checks.report(problems), settled)
  })

/**
 * The key in the store. Scopes and parameters go into a digest, because parameters may be secret and many people can
 * read keys. All digests have the same length, so it is clear where the namespace ends.
 */
const keyOf = (namespace: string, request: TokenRequest.TokenRequest): string =>
  `${namespace}:${Digest.shortNameOf(request.key)}`
