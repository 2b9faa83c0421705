import * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../AccessToken.js"
import type { TokenEvent } from "../TokenEvent.js"
import * as TokenRequest from "../TokenRequest.js"
import * as telemetry from "./telemetry.js"

/**
 * A source of tokens that fails with `E`.
 *
 * @since 0.1.0
 * @category models
 */
export interface With<out E> extends Pipeable {
  /**
   * A token for `request`, or for what the source was configured with. It waits only when no usable token exists.
   */
  readonly get: (request?: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E>
  /**
   * A token other than `rejected`. It asks the server only if `rejected` is still the current one, so any number of
   * callers who saw the same 401 share one request.
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
  /** The events from now on: nothing is missed between this effect and the running of the stream. */
  readonly subscribe: Effect.Effect<Stream.Stream<TokenEvent>, never, Scope.Scope>
  /** The tokens that a cache holds and would serve now. */
  readonly held: Effect.Effect<ReadonlyArray<Held>>
}

/** A token, and what it was asked for. */
export interface Held {
  readonly token: AccessToken
  readonly request: TokenRequest.TokenRequest
}

const nothing: Hooks["held"] = Effect.succeed([])

const HooksId: unique symbol = Symbol.for("effect-bearer/TokenSource/Hooks")

class Source<E> implements With<E> {
  readonly [HooksId]: Hooks
  constructor(
    readonly get: With<E>["get"],
    readonly renew: With<E>["renew"],
    readonly invalidate: With<E>["invalidate"],
    readonly events: With<E>["events"],
    hooks: Hooks
  ) {
    this[HooksId] = hooks
  }
  pipe() {
    // eslint-disable-next-line prefer-rest-params -- Effect's own way to implement Pipeable
    return pipeArguments(this, arguments)
  }
}

const isSource = (self: With<unknown>): self is Source<unknown> => self instanceof Source

/** The hooks of a source, or harmless ones for a source built by hand. */
export const hooks = (self: With<unknown>): Hooks => isSource(self) ? self[HooksId] : noHooks

const noHooks: Hooks = {
  publish: () => Effect.void,
  defaults: TokenRequest.empty,
  credentials: undefined,
  subscribe: Effect.succeed(Stream.empty),
  held: nothing
}

/**
 * Slow subscribers lose the oldest of this many events.
 */
const eventBuffer = 1024

/** The channel of a source's events. */
const makeHooks = (
  options: Pick<Hooks, "defaults" | "credentials">
): Effect.Effect<{ readonly hooks: Hooks; readonly events: Stream.Stream<TokenEvent> }> =>
  Effect.map(PubSub.sliding<TokenEvent>(eventBuffer), (pubsub) => ({
    hooks: {
      defaults: options.defaults,
      credentials: options.credentials,
      publish: (event) => Effect.zipRight(telemetry.report(event), PubSub.publish(pubsub, event)),
      subscribe: Stream.fromPubSub(pubsub, { scoped: true }),
      held: nothing
    },
    events: Stream.fromPubSub(pubsub)
  }))

/** Builds a source that asks `fetch` at every call. */
export const make = <E>(options: {
  readonly fetch: (request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E>
  readonly defaults?: TokenRequest.TokenRequest | undefined
  readonly credentials?: Effect.Effect<unknown, unknown> | undefined
}): Effect.Effect<With<E>> => {
  const defaults = options.defaults ?? TokenRequest.empty
  const fetch = (request = defaults) =>
    Effect.suspend(() => options.fetch(TokenRequest.withDefaults(request, defaults)))
  return Effect.map(
    makeHooks({ defaults, credentials: options.credentials }),
    ({ events, hooks }) =>
      new Source<E>(fetch, (_rejected, request) => fetch(request), () => Effect.void, events, hooks)
  )
}

/** The source itself, or, for one built by hand, a copy that has a channel for the events of what is put around it. */
export const withHooks = <E>(self: With<E>): Effect.Effect<With<E>> =>
  isSource(self) ? Effect.succeed(self) : Effect.map(
    makeHooks(noHooks),
    ({ events, hooks }) =>
      new Source<E>(
        (request) => self.get(request),
        (rejected, request) => self.renew(rejected, request),
        (rejected, request) => self.invalidate(rejected, request),
        Stream.merge(self.events, events),
        { ...hooks, subscribe: Effect.map(hooks.subscribe, (own) => Stream.merge(self.events, own)) }
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
  methods: Pick<With<E>, "get" | "renew" | "invalidate">,
  changed: Partial<Pick<Hooks, "held">> = {}
): With<E> => new Source(methods.get, methods.renew, methods.invalidate, self.events, { ...hooks(self), ...changed })

/** Another source that applies `f` to every effect that may ask the server. */
export const mapRequests = <E, E2>(
  self: With<E>,
  f: (effect: Effect.Effect<AccessToken, E>, request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken, E2>
): With<E2> => {
  const { defaults } = hooks(self)
  return derive(self, {
    get: (request) => f(self.get(request), request ?? defaults),
    renew: (rejected, request) => f(self.renew(rejected, request), request ?? defaults),
    invalidate: self.invalidate
  })
}
