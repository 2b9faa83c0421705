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
import type * as Scope from "effect/Scope"
import { TokenStore } from "../store/contract.js"
import type { AccessToken } from "../values/AccessToken.js"
import { isSame } from "../values/AccessToken.js"
import * as clocks from "../values/Clocks.js"
import * as Digest from "../values/Digest.js"
import * as random from "../values/random.js"
import type * as TokenError from "../values/TokenError.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as checks from "../wire/endpointChecks.js"
import * as boundToken from "./boundToken.js"
import * as pipeline from "./pipeline.js"
import { Bells } from "./sharing/bells.js"
import * as fallibleStore from "./sharing/fallibleStore.js"
import * as hold from "./sharing/hold.js"
import * as storeCall from "./sharing/storeCall.js"
import * as storedTokens from "./sharing/storedTokens.js"
import * as turn from "./sharing/turn.js"
import type { Want } from "./sharing/want.js"
import { isBetter } from "./sharing/want.js"
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
   * is one. It is part of the keys in the store and must not be secret. White space or control characters at its ends are
   * an `InvalidConfiguration`, so that "alice" and "alice " cannot be taken for the same.
   *
   * Default: token endpoint and client id, for client credentials; with `ClientAuthentication.make` its `identity` too.
   * Any other source has to be given one, and so has a source whose `HttpClient` adds something to the requests that
   * decides whose tokens they bring (a header with a tenant).
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
 *   refusal is not shared. A process that fails twice in a row asks again a second later than the others may, so that
 *   one of them has its turn: it may be this process alone that cannot reach the server.
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
 *   TokenSource.shared({ lease: "15 seconds" }),
 *   TokenSource.retry(RetryPolicy.exponentialJitter()),
 *   TokenSource.cached(),
 *   Effect.provide(TokenStore.layerMemory)
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const shared = (options: Options = {}) =>
<S extends pipeline.Input>(alone: S): pipeline.FlatMapped<
  S,
  source.With<pipeline.ErrorOf<S> | TokenError.FailedElsewhere>,
  TokenError.InvalidConfiguration,
  TokenStore | Scope.Scope
> => pipeline.flatMap(alone, (source) => sharing(source, options))

const sharing = <E>(
  alone: source.With<E>,
  options: Options
): Effect.Effect<
  source.With<E | TokenError.FailedElsewhere>,
  TokenError.InvalidConfiguration,
  TokenStore | Scope.Scope
> =>
  Effect.gen(function*() {
    type Token = Effect.Effect<AccessToken, E | TokenError.FailedElsewhere>

    const self = yield* source.withHooks(alone)
    const { admission, certificate, defaults } = source.hooks(self)
    const { clockSkew, keyIsShared, lease, namespace, poll, timeout } = yield* settle(
      options,
      source.hooks(self)
    )
    // its errors are among those of `self`
    const inner = (admission?.inner ?? self) as source.With<E>
    const tell = source.telling(self)
    const service = yield* TokenStore
    const store = fallibleStore.make(service, { tell, timeout })
    const isPrivate = (token: AccessToken) => !keyIsShared && boundToken.isBound(token, certificate)
    const me = random.randomId()
    const stored = storedTokens.make({ clockSkew, isPrivate, me, tell })
    const process: turn.Process = {
      admission,
      hold: hold.make({ isPrivate, lease, me, store, stored, tell }),
      lease,
      poll,
      store,
      stored,
      tell
    }

    /** Tokens that an API refused: the cache goes on asking for a token in place of one. */
    const refused = new WeakSet<AccessToken>()

    const bells = new Bells()
    yield* storeCall.hear(service, (key) => Effect.sync(() => bells.ring(key)))

    const obtain = (want: Want<E>): Token =>
      Effect.flatMap(clocks.now, ({ steady }) => {
        if (store.isResting(steady)) return want.fetch
        const key = keyOf(namespace, want.request)
        return bells.at(key, (next) => turn.take(process, { want, key, next, deadline: steady + 2 * lease }))
      })

    // --- the public face --------------------------------------------------------------------------------------------

    const complete = (request: TokenRequest.TokenRequest | undefined) =>
      request === undefined ? defaults : TokenRequest.withDefaults(request, defaults)

    const forget = (token: AccessToken, request: TokenRequest.TokenRequest): Effect.Effect<void> =>
      Effect.flatMap(clocks.now, ({ steady }) =>
        store.isResting(steady)
          ? Effect.void
          : Effect.asVoid(
            store.ask("remove", request, (store) => storeCall.remove(store, keyOf(namespace, request), token))
          ))

    return source.derive<E | TokenError.FailedElsewhere>(self, {
      get: (request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return obtain({
            request: wanted,
            current: undefined,
            isRefused: false,
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
            isRefused: refused.has(current),
            accepts: (token) => isBetter(token, current),
            fetch: source.replace(self, current, wanted),
            fetchAtOnce: source.replace(inner, current, wanted)
          })
        }),
      renew: (rejected, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          refused.add(rejected)
          return Effect.zipRight(
            forget(rejected, wanted),
            obtain({
              request: wanted,
              current: rejected,
              isRefused: true,
              accepts: (token) => !isSame(token, rejected),
              fetch: self.renew(rejected, wanted),
              fetchAtOnce: inner.renew(rejected, wanted)
            })
          )
        }),
      invalidate: (rejected, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          refused.add(rejected)
          return Effect.zipRight(forget(rejected, wanted), self.invalidate(rejected, wanted))
        })
    })
  })

/** Two seconds more than the deadline, to store a token that came at the last moment. */
const leaseFor = (deadline = 0): number => Number.isFinite(deadline) ? Math.max(10_000, deadline + 2000) : 60_000

const settle = (options: Options, { deadline, namespace: own }: Pick<source.Hooks, "deadline" | "namespace">) =>
  Effect.suspend(() => {
    const problems: Array<checks.Problem> = []
    const millis = (name: "lease" | "clockSkew" | "timeout" | "poll", fallback: number, least?: 0) =>
      checks.millis(options[name] === undefined ? fallback : options[name], `shared.${name}`, problems, least)
    const namespace = options.namespace ?? own ?? ""
    if (namespace.trim() === "") {
      problems.push({
        field: "shared.namespace",
        detail: "this source cannot tell whose tokens it yields: name the authorization server, the client and, if " +
          "there is one, the user, so that nobody is served a token of somebody else"
      })
    } else problems.push(...checks.storeName(namespace, "shared.namespace"))
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
