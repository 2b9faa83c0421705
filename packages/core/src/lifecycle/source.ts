// The interface of a source, and how one is put together; published by TokenSource.
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../values/AccessToken.js"
import { remaining } from "../values/AccessToken.js"
import type { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as telemetry from "./telemetry.js"

/**
 * What one call asks of its token.
 *
 * @since 0.1.0
 * @category models
 */
export interface GetOptions {
  /**
   * How long the token has to live, for work that takes long: an upload, a stream. A token with less left is renewed
   * first, and this call waits for that; other calls are served meanwhile. No more can be asked for than half of the
   * token's lifetime, so that a demand that no token meets does not cause a token request at every call. While a renewal
   * is not possible (it fails, the server is being left alone after a failure, or the last token has just arrived) the
   * held token is given. A source without a cache gives what it gets. Default: no demand.
   */
  readonly minTtl?: Duration.DurationInput | undefined
}

/**
 * A source of tokens that fails with `E`.
 *
 * @since 0.1.0
 * @category models
 */
export interface With<out E> extends Pipeable {
  /**
   * A token for `request`, or for what the source was configured with. It waits only when no usable token exists, or
   * when the held one has less life left than `minTtl` of the options.
   */
  readonly get: (request?: TokenRequest.TokenRequest, options?: GetOptions) => Effect.Effect<AccessToken, E>
  /**
   * A token other than `rejected`. It asks the server only if `rejected` is still the current one, so any number of
   * callers who saw the same 401 share one request. If the server answers with `rejected` again, a source with a cache
   * fails with `EndpointUnavailable`; a source without a cache gives what the server gives.
   */
  readonly renew: (rejected: AccessToken, request?: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E>
  /**
   * Stops serving `rejected`, if it is still the current token. Another token, newer or not, stays.
   */
  readonly invalidate: (rejected: AccessToken, request?: TokenRequest.TokenRequest) => Effect.Effect<void>
  /**
   * What happens to the tokens of this source, from subscription on. A subscriber that falls behind loses the oldest
   * events; it never slows the source down.
   */
  readonly events: Stream.Stream<TokenEvent>
}

/**
 * What the modules of the lifecycle floor know about a source beyond its public face. A source built by hand has
 * none of it and still works.
 */
export interface Hooks {
  readonly publish: (event: TokenEvent) => Effect.Effect<void>
  /** What `get()` without an argument asks for. */
  readonly defaults: TokenRequest.TokenRequest
  /**
   * A value that changes when the credentials do, so that a remembered refusal can be dropped. It is compared with
   * `Equal.equals` and never shown.
   */
  readonly credentials: Effect.Effect<unknown, unknown> | undefined
  /** Subscribes to the events: none is missed between this effect and the running of the stream. */
  readonly subscribe: Effect.Effect<Stream.Stream<TokenEvent>, never, Scope.Scope>
  /** The tokens that a cache holds and would serve now. */
  readonly held: Effect.Effect<ReadonlyArray<Held>>
  /**
   * The token that `get` would give, if that is known without running an effect; otherwise `undefined`, and the caller
   * runs `get`. It keeps the path of most requests short.
   */
  readonly peek: (clock: Clock.Clock, request?: TokenRequest.TokenRequest) => AccessToken | undefined
  /** What a cache knows of one request. */
  readonly status: (request?: TokenRequest.TokenRequest) => Effect.Effect<Status>
  /**
   * Milliseconds until the end of a token, by the clock that says it is nearer; `None` for a token that no cache knows,
   * or whose end is unknown.
   */
  readonly left: (token: AccessToken, request?: TokenRequest.TokenRequest) => Effect.Effect<Option.Option<number>>
  /**
   * Names whose tokens these are. Another process that asks for the same tokens computes the same name. Holds no
   * secret.
   */
  readonly namespace: string | undefined
  /** How long one request to the server may take in all, in milliseconds; infinite without a limit. */
  readonly deadline: number | undefined
  /** Whether the client shows a certificate to the server, which may bind its tokens to it. */
  readonly certificate: boolean
  /** How a source with a rate limit admits its requests one by one; absent for a source without one. */
  readonly admission: Admission | undefined
}

/** A source with a rate limit, split into the limit and the source inside. Both fail only as the whole source does. */
export interface Admission {
  /**
   * Waits until the limit has room for one request, and takes the room. Yields an effect that gives the room back, for
   * a caller that then sends no request.
   */
  readonly admit: (request: TokenRequest.TokenRequest) => Effect.Effect<Effect.Effect<void>, unknown>
  readonly inner: With<unknown>
}

/**
 * What a source knows of the token for one request, without asking a server or a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** The token that a caller would be given now without waiting. */
  readonly token: Option.Option<AccessToken>
  /**
   * How long that token still lives, even if the wall clock was put back since it arrived: use this value to tell other
   * programs. `None` without a token, and for a token whose lifetime is unknown.
   */
  readonly remaining: Option.Option<Duration.Duration>
  /** Whether the time to renew that token has come. */
  readonly stale: boolean
  /** Whether a new token is on its way, fetched by this process or, with a shared store, by another. */
  readonly refreshing: boolean
}

/** A token, and the request it was fetched for. */
export interface Held {
  readonly token: AccessToken
  readonly request: TokenRequest.TokenRequest
}

const nothing: Pick<Hooks, "admission" | "held" | "left" | "peek" | "status"> = {
  admission: undefined,
  held: Effect.succeed([]),
  left: () => Effect.succeedNone,
  peek: () => undefined,
  status: () => Effect.succeed({ token: Option.none(), remaining: Option.none(), stale: false, refreshing: false })
}

/** How a source gets a token that is better than `current`, which may still be good. */
type Replace<E> = (current: AccessToken, request?: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E>

/**
 * The methods for {@link derive}. `replace` differs from `get` only if a cache or a store lies between the source and
 * the server; `renewal` differs from `renew` only if there is a cache.
 */
interface Methods<E> extends Pick<With<E>, "get" | "renew" | "invalidate"> {
  readonly replace?: Replace<E> | undefined
  readonly renewal?: With<E>["renew"] | undefined
}

const HooksId: unique symbol = Symbol.for("effect-bearer/TokenSource/Hooks")

const ReplaceId: unique symbol = Symbol.for("effect-bearer/TokenSource/Replace")

const RenewalId: unique symbol = Symbol.for("effect-bearer/TokenSource/Renewal")

class Source<E> implements With<E> {
  readonly [HooksId]: Hooks
  readonly [ReplaceId]: Replace<E>
  readonly [RenewalId]: With<E>["renew"]
  constructor(
    readonly get: With<E>["get"],
    readonly renew: With<E>["renew"],
    readonly invalidate: With<E>["invalidate"],
    readonly events: With<E>["events"],
    hooks: Hooks,
    replace: Replace<E>,
    renewal = renew
  ) {
    this[HooksId] = hooks
    this[ReplaceId] = replace
    this[RenewalId] = renewal
  }
  pipe() {
    // eslint-disable-next-line prefer-rest-params -- Effect's own way to implement Pipeable
    return pipeArguments(this, arguments)
  }
}

/** By the symbol, so that a source made by another copy of this package is known as well. */
const isSource = <E>(self: With<E>): self is Source<E> => Predicate.hasProperty(self, HooksId)

/** The hooks of a source, or harmless ones for a source built by hand. */
export const hooks = (self: With<unknown>): Hooks => isSource(self) ? self[HooksId] : noHooks

const noHooks: Hooks = {
  // there are no subscribers: events go to the log and the metrics only
  publish: (event) => telemetry.report(event),
  defaults: TokenRequest.empty,
  credentials: undefined,
  subscribe: Effect.succeed(Stream.empty),
  namespace: undefined,
  deadline: undefined,
  certificate: false,
  ...nothing
}

/** Which key an event is about, and when it happened. */
export interface Common {
  readonly key: string
  readonly at: number
}

/** Publishes an event about a request, as of now. */
export type Tell = (request: TokenRequest.TokenRequest, event: (common: Common) => TokenEvent) => Effect.Effect<void>

/** Gives a function that publishes events to the subscribers of a source. */
export const telling = (self: With<unknown>): Tell => {
  const { publish } = hooks(self)
  return (request, event) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => publish(event({ key: TokenRequest.hash(request), at })))
}

/** A token better than `current`: from a shared store, if another process was faster, or from the server. */
export const replace = <E>(
  self: With<E>,
  current: AccessToken,
  request?: TokenRequest.TokenRequest
): Effect.Effect<AccessToken, E> => isSource(self) ? self[ReplaceId](current, request) : self.get(request)

/**
 * What `renew` gets from the server, even if it is `rejected` itself, because the server has no other token: for who has
 * something better to do then than to fail.
 */
export const renewal = <E>(
  self: With<E>,
  rejected: AccessToken,
  request?: TokenRequest.TokenRequest
): Effect.Effect<AccessToken, E> =>
  // a source made by an older copy of this package has none
  isSource(self) && self[RenewalId] !== undefined ? self[RenewalId](rejected, request) : self.renew(rejected, request)

/**
 * Slow subscribers lose the oldest of this many events.
 */
const eventBuffer = 1024

/** The channel of a source's events. */
const makeHooks = (
  options: Pick<Hooks, "defaults" | "credentials" | "namespace" | "deadline" | "certificate">
): Effect.Effect<{ readonly hooks: Hooks; readonly events: Stream.Stream<TokenEvent> }> =>
  Effect.zipWith(PubSub.sliding<TokenEvent>(eventBuffer), telemetry.reporter, (pubsub, report) => ({
    hooks: {
      defaults: options.defaults,
      credentials: options.credentials,
      namespace: options.namespace,
      deadline: options.deadline,
      certificate: options.certificate,
      publish: (event) => Effect.zipRight(report(event), PubSub.publish(pubsub, event)),
      subscribe: Stream.fromPubSub(pubsub, { scoped: true }),
      ...nothing
    },
    events: Stream.fromPubSub(pubsub)
  }))

/** Builds a source that asks `fetch` at every call. */
export const make = <E>(options: {
  readonly fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E>
  readonly defaults?: TokenRequest.TokenRequest | undefined
  readonly credentials?: Hooks["credentials"]
  readonly namespace?: string | undefined
  readonly deadline?: number | undefined
  readonly certificate?: boolean | undefined
}): Effect.Effect<With<E>> => {
  const defaults = options.defaults ?? TokenRequest.empty
  const fetch = (request = defaults) =>
    Effect.suspend(() => options.fetch(TokenRequest.withDefaults(request, defaults)))
  return Effect.map(
    makeHooks({
      defaults,
      credentials: options.credentials,
      namespace: options.namespace,
      deadline: options.deadline,
      certificate: options.certificate ?? false
    }),
    ({ events, hooks }) => {
      const another = (_token: AccessToken, request?: TokenRequest.TokenRequest) => fetch(request)
      return new Source<E>(fetch, another, () => Effect.void, events, hooks, another)
    }
  )
}

/** A source that always has the same token. */
export const constant = (token: AccessToken): With<never> => {
  const get = () => Effect.succeed(token)
  const status: Hooks["status"] = () =>
    Effect.map(Clock.currentTimeMillis, (now) => ({
      token: Option.some(token),
      remaining: remaining(token, now),
      stale: false,
      refreshing: false
    }))
  return new Source<never>(
    get,
    get,
    () => Effect.void,
    Stream.empty,
    { ...noHooks, peek: () => token, status },
    get
  )
}

/** The source itself, or, for one built by hand, a copy with a channel for the events of the layers around it. */
export const withHooks = <E>(self: With<E>): Effect.Effect<With<E>> =>
  isSource(self) ? Effect.succeed(self) : Effect.map(
    makeHooks(noHooks),
    ({ events, hooks }) =>
      new Source<E>(
        (request, options) => self.get(request, options),
        (rejected, request) => self.renew(rejected, request),
        (rejected, request) => self.invalidate(rejected, request),
        Stream.merge(self.events, events),
        { ...hooks, subscribe: Effect.map(hooks.subscribe, (own) => Stream.merge(self.events, own)) },
        (_current, request) => self.get(request)
      )
  )

/** The events of a source from now on; for one built by hand, from when the stream is run. */
export const subscribe = (
  self: With<unknown>
): Effect.Effect<Stream.Stream<TokenEvent>, never, Scope.Scope> =>
  isSource(self) ? self[HooksId].subscribe : Effect.succeed(self.events)

/** Another source with the same events and, but for `changed`, the same hooks. */
export const derive = <E>(
  self: With<unknown>,
  methods: Methods<E>,
  changed: Partial<Pick<Hooks, "admission" | "held" | "left" | "peek" | "publish" | "status">> = {}
): With<E> =>
  new Source<E>(
    methods.get,
    methods.renew,
    methods.invalidate,
    self.events,
    // the `peek` and `admission` of `self` would bypass the new source
    { ...hooks(self), peek: nothing.peek, admission: undefined, ...changed },
    methods.replace ?? ((_current, request) => methods.get(request)),
    methods.renewal
  )

/** Another source that applies `f` to every effect that may ask the server. */
export const mapRequests = <E, E2>(
  self: With<E>,
  f: (effect: Effect.Effect<AccessToken, E>, request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E2>,
  changed: Partial<Pick<Hooks, "admission">> = {}
): With<E2> => {
  const { defaults } = hooks(self)
  return derive(self, {
    get: (request, options) => f(self.get(request, options), request ?? defaults),
    renew: (rejected, request) => f(self.renew(rejected, request), request ?? defaults),
    renewal: (rejected, request) => f(renewal(self, rejected, request), request ?? defaults),
    replace: (current, request) => f(replace(self, current, request), request ?? defaults),
    invalidate: self.invalidate
  }, changed)
}
