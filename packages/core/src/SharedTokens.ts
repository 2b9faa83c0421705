/**
 * Shares the tokens of a source with other processes through a {@link TokenStore}, so that a whole fleet asks the
 * server once per lifecycle.
 *
 * ```
 * cache of this process ──▶ store ──▶ lease ──▶ server
 *                             ▲         └ somebody else has it: wait for what they bring
 *                             └ a good token is there: take it
 * ```
 *
 * The holder of the lease asks the server, stores the token fenced, and announces it. A holder that dies delays the
 * others by no more than the lease. A store that is slow, down, full or damaged is an event, and each process works
 * alone until it answers again.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AccessToken } from "./AccessToken.js"
import { isSame } from "./AccessToken.js"
import { Bells } from "./internal/bells.js"
import * as clocks from "./internal/clocks.js"
import * as digest from "./internal/digest.js"
import * as failureNote from "./internal/failureNote.js"
import type { Look } from "./internal/fallibleStore.js"
import * as fallibleStore from "./internal/fallibleStore.js"
import { moments } from "./internal/lifetime.js"
import * as source from "./internal/source.js"
import type { Lease } from "./internal/tokenStore.js"
import { TokenStore } from "./internal/tokenStore.js"
import * as TokenError from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import * as TokenRequest from "./TokenRequest.js"

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
   * token request, or two requests can be under way. Default 10 seconds.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** A stored token is not taken in this last stretch of its life, at most a tenth of it. Default 30 seconds. */
  readonly clockSkew?: Duration.DurationInput | undefined
  /** Limit of one operation of the store; beyond it this process works alone for a while. Default 1 second. */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * A process that waits for another's token looks for it this often, and then less and less often, in case the
   * announcement gets lost. Default 250 milliseconds.
   */
  readonly poll?: Duration.DurationInput | undefined
}

/** A waiting process looks at least this often. */
const longestPoll = 2000

interface Want<E> {
  readonly request: TokenRequest.TokenRequest
  /** What is to be replaced; it may still be good. */
  readonly current: AccessToken | undefined
  /** Whether a stored token that is not over yet will do. */
  readonly accepts: (token: AccessToken) => boolean
  readonly fetch: Effect.Effect<AccessToken, E>
}

/**
 * Puts the store of the program behind a source. It belongs before the cache, and inside the retries, so that the
 * lease covers one request: `grant ─ shared ─ retry ─ cached ─ backgroundRefresh`. `TokenSource.layer` does that when a
 * `TokenStore` is provided.
 *
 * **Details**
 *
 * - Tokens of type `DPoP` are bound to a key of this process and are not shared.
 * - A failure that others would run into too (the server is down, or throttles) is shared as well, for one to five
 *   seconds or as long as `Retry-After` says: they get `FailedElsewhere` and do not ask. A refusal is not.
 * - Without a token of its own a process waits for another's no longer than two leases; then it asks alone.
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
    const { defaults, namespace: own, publish } = source.hooks(self)
    const { clockSkew, lease: leaseTime, namespace, poll, timeout } = yield* settle(options, own)
    const service = yield* TokenStore
    const store = fallibleStore.make(service, { publish, timeout })
    const me = digest.randomId()

    const bells = new Bells()
    yield* Stream.runForEach(service.changes, (key) => Effect.sync(() => bells.ring(key))).pipe(
      Effect.interruptible,
      Effect.forkScoped
    )

    // this is where it shows whether the runtime can do it at all
    const defaultKey = yield* keyOf(namespace, defaults)
    const key = (request: TokenRequest.TokenRequest): Effect.Effect<string> =>
      request.key === defaults.key ? Effect.succeed(defaultKey) : Effect.orDie(keyOf(namespace, request))

    const tell = (request: TokenRequest.TokenRequest, event: (common: Common) => TokenEvent): Effect.Effect<void> =>
      Effect.flatMap(clocks.now, ({ wall }) => publish(event({ key: TokenRequest.hash(request), at: wall })))

    const mustAt = (token: AccessToken): number =>
      moments(token, { ahead: 0, jitter: 0, clockSkew, assumedLifetime: Number.POSITIVE_INFINITY }, 0).mustAt

    /** The stored token, if it will do; a failure, if another process has just had one. */
    const decide = (
      { failure, token }: Look,
      { accepts, request }: Want<E>
    ): Effect.Effect<Option.Option<AccessToken>, TokenError.FailedElsewhere> =>
      Effect.flatMap(clocks.now, ({ wall }): ReturnType<typeof decide> => {
        const good = Option.filter(token, (token) => wall < mustAt(token) && accepts(token))
        if (Option.isSome(good)) {
          return Effect.as(
            tell(request, (common) =>
              TokenEvent.TokenShared({
                ...common,
                age: Math.max(0, wall - good.value.issuedAt),
                expiresAt: good.value.expiresAt
              })),
            good
          )
        }
        if (Option.isNone(failure)) {
          return Effect.succeedNone
        }
        const { note, until } = failure.value
        // whoever wrote it has a back-off of its own
        if (note.author === me || until <= wall) {
          return Effect.succeedNone
        }
        return Effect.fail(
          new TokenError.FailedElsewhere({
            error: note.error,
            detail: note.detail,
            retryAfter: Option.some(Duration.millis(until - wall))
          })
        )
      })

    // --- with the lease -------------------------------------------------------------------------------------------

    /** Puts down what the others need to know, and gives the lease back. Nothing of it may be interrupted. */
    const leave = (
      exit: Exit.Exit<AccessToken, E | TokenError.FailedElsewhere>,
      lease: Lease,
      want: Want<E>,
      before: Option.Option<failureNote.Note>
    ): Effect.Effect<Exit.Exit<AccessToken, E | TokenError.FailedElsewhere>> =>
      Effect.gen(function*() {
        const { current, request } = want
        const { wall } = yield* clocks.now
        const note = Exit.isSuccess(exit)
          ? current !== undefined && !isBetter(exit.value, current)
            ? Option.some(failureNote.noProgress(me, before, wall))
            : Option.none()
          : Option.flatMap(Cause.failureOption(exit.cause), (error) => failureNote.about(error, me, before, wall))
        if (Option.isSome(note)) {
          yield* write(note.value, failureNote.keyOf(lease.key), request)
        }
        // a token that was just refused must not come back to the others
        const isOld = Exit.isSuccess(exit) && current !== undefined && isSame(exit.value, current)
        if (Exit.isFailure(exit) || isOld || exit.value.tokenType === "DPoP") {
          yield* store.ask("release", request, (store) => store.release(lease))
          return exit
        }
        const stored = yield* store.ask("put", request, (store) => store.put(exit.value, lease))
        if (Option.contains(stored, false)) {
          yield* tell(request, TokenEvent.LeaseLost)
          const theirs = Option.getOrUndefined(yield* store.look(lease.key, request))
          const better = theirs === undefined ? Option.none() : Option.filter(
            theirs.token,
            (token) => wall < mustAt(token) && want.accepts(token)
          )
          return Option.match(better, {
            onNone: () => exit,
            onSome: Exit.succeed
          })
        }
        const release = store.ask("release", request, (store) => store.release(lease))
        // nobody waits for a store that has just failed
        yield* Option.isNone(stored) ? Effect.forkDaemon(release) : release
        return exit
      })

    const write = (token: AccessToken, key: string, request: TokenRequest.TokenRequest): Effect.Effect<void> =>
      Effect.gen(function*() {
        const lease = Option.flatten(yield* store.ask("acquire", request, (store) => store.acquire(key, leaseTime)))
        if (Option.isNone(lease)) {
          return
        }
        yield* store.ask("put", request, (store) => store.put(token, lease.value))
        yield* store.ask("release", request, (store) => store.release(lease.value))
      })

    /** Another look, for somebody may have been faster than the lease; then the server. */
    const hold = (
      lease: Lease,
      want: Want<E>,
      restore: <A, E2>(effect: Effect.Effect<A, E2>) => Effect.Effect<A, E2>
    ) =>
      Effect.gen(function*() {
        const { request } = want
        const seen = yield* store.look(lease.key, request)
        const there = yield* Effect.exit(
          Option.match(seen, {
            onNone: () => Effect.succeedNone,
            onSome: (seen) => decide(seen, want)
          })
        )
        if (Exit.isFailure(there) || Option.isSome(there.value)) {
          yield* store.ask("release", request, (store) => store.release(lease))
          return yield* Exit.map(there, Option.getOrThrow)
        }
        const before = Option.map(
          Option.flatMap(seen, ({ failure }) => failure),
          ({ note }) => note
        )
        const exit = yield* Effect.exit(restore(want.fetch))
        return yield* yield* leave(exit, lease, want, before)
      })

    // --- without ----------------------------------------------------------------------------------------------------

    const obtain = (want: Want<E>): Token =>
      Effect.flatMap(
        Effect.all([clocks.now, key(want.request)]),
        ([{ steady }, key]) =>
          store.isResting(steady)
            ? want.fetch
            : bells.at(key, (next) => turn(want, key, next, steady + 2 * leaseTime, 0))
      )

    /** Looks, tries for the lease, or waits for the next turn. */
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
        const there = yield* decide(seen.value, want)
        if (Option.isSome(there)) return there.value

        const outcome = yield* Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(store.ask("acquire", request, (store) => store.acquire(key, leaseTime)), (answer) =>
            Option.isNone(answer)
              ? Effect.asSome(restore(fetch))
              : Option.isSome(answer.value)
              ? Effect.asSome(hold(answer.value.value, want, restore))
              : Effect.succeedNone)
        )
        if (Option.isSome(outcome)) return outcome.value

        const { steady, wall } = yield* clocks.now
        if (turns === 0) {
          const stillServing = current !== undefined && wall < mustAt(current)
          yield* tell(request, (common) =>
            TokenEvent.RefreshingElsewhere({ ...common, stillServing }))
        }
        if (steady >= deadline) {
          const detail = `others hold the lease for ${2 * leaseTime} ms and bring nothing`
          yield* tell(
            request,
            (common) => TokenEvent.StoreFailed({ ...common, operation: "acquire", reason: "timeout", detail })
          )
          return yield* fetch
        }
        // spread, so that a fleet does not look in step
        const spread = 0.5 + (yield* Random.next) / 2
        const pause = Math.min(longestPoll, poll * 1.5 ** Math.min(turns, 32)) * spread
        // whoever held the lease when the waiting began, and died, does not hold it beyond this
        const leaseEnds = deadline - leaseTime - steady
        const left = leaseEnds > 0 ? leaseEnds + poll * (1 - spread) : deadline - steady
        // a caller who cannot be interrupted must not have to wait for the bell
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
      Effect.flatMap(Effect.all([clocks.now, key(request)]), ([{ steady }, key]) =>
        store.isResting(steady)
          ? Effect.void
          : Effect.asVoid(store.ask("remove", request, (store) => store.remove(key, token))))

    return source.derive<E | TokenError.FailedElsewhere>(self, {
      get: (request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return obtain({ request: wanted, current: undefined, accepts: () => true, fetch: self.get(wanted) })
        }),
      replace: (current, request) =>
        Effect.suspend(() => {
          const wanted = complete(request)
          return obtain({
            request: wanted,
            current,
            accepts: (token) => isBetter(token, current),
            fetch: source.replace(self, current, wanted)
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
              fetch: self.renew(rejected, wanted)
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

interface Common {
  readonly key: string
  readonly at: number
}

/** Another token, and one that lives longer as far as that is known. */
const isBetter = (token: AccessToken, current: AccessToken): boolean =>
  !isSame(token, current) &&
  Option.getOrElse(
    Option.zipWith(token.expiresAt, current.expiresAt, (its, that) => its > that),
    () => true
  )

interface Settled {
  readonly namespace: string
  readonly lease: number
  readonly clockSkew: number
  readonly timeout: number
  readonly poll: number
}

const settle = (
  options: Options,
  own: string | undefined
): Effect.Effect<Settled, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    const problems: Array<readonly [field: string, detail: string]> = []
    const millis = (field: "lease" | "clockSkew" | "timeout" | "poll", fallback: number, least: number): number => {
      const duration = Option.map(Duration.decodeUnknown(options[field] ?? fallback), Duration.toMillis)
      if (Option.exists(duration, (millis) => Number.isFinite(millis) && millis >= least)) {
        return Option.getOrElse(duration, () => fallback)
      }
      problems.push([field, `${field} must be a duration${least > 0 ? " above zero" : ""}`])
      return fallback
    }
    const namespace = (options.namespace ?? own ?? "").trim()
    if (namespace === "") {
      problems.push([
        "namespace",
        "this source cannot tell whose tokens it yields: name the authorization server, the client and, if there is " +
        "one, the user, so that nobody is served a token of somebody else"
      ])
    }
    const settled = {
      namespace,
      lease: millis("lease", 10_000, 1),
      clockSkew: millis("clockSkew", 30_000, 0),
      timeout: millis("timeout", 1000, 1),
      poll: millis("poll", 250, 1)
    }
    return problems.length === 0 ? Effect.succeed(settled) : Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: problems.map(([field]) => `shared.${field}`),
        detail: problems.map(([, detail]) => detail).join("; ")
      })
    )
  })

/** Scopes and parameters go into a digest: parameters may be secret, and keys are read by many. */
const keyOf = (
  namespace: string,
  request: TokenRequest.TokenRequest
): Effect.Effect<string, TokenError.InvalidConfiguration> =>
  Effect.mapBoth(digest.nameOf(request.key), {
    onFailure: (detail) => new TokenError.InvalidConfiguration({ fields: ["shared"], detail }),
    onSuccess: (name) => `${namespace}:${name.slice(0, 32)}`
  })
