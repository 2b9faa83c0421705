/**
 * A scriptable authorization server. {@link make} gives one in memory, behind an `HttpClient` that does no I/O, so
 * that `TestClock` alone moves time; {@link listen} gives the same one on a real socket of this machine.
 *
 * It answers every request with the next numbered token, `token-1`, `token-2`, …, until told otherwise.
 *
 * @example
 * ```ts
 * import { AuthorizationServer, Reply } from "@effect-bearer/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* AuthorizationServer.make({ expiresIn: 60 })
 *   yield* server.enqueue(Reply.status(503, { "retry-after": "2" }))
 *   // ... use `server.client` and `server.tokenEndpoint`
 *   return yield* server.count
 * })
 * ```
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Options, RecordedRequest } from "./internal/contract.js"
import * as desk from "./internal/desk.js"
import * as memory from "./internal/memory.js"
import * as socket from "./internal/socket.js"
import type { Reply } from "./Reply.js"

export type { Options, RecordedRequest } from "./internal/contract.js"

/**
 * A running server. All effects act at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationServer {
  /** The URL to configure: `https://auth.test/oauth/token` in memory, loopback when listening. */
  readonly tokenEndpoint: string
  /** A client that reaches it, and nothing else. On a real socket: answers without the socket. */
  readonly client: HttpClient.HttpClient
  /** The same client as a layer. */
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** Every request so far, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** How many requests came. */
  readonly count: Effect.Effect<number>
  /** The tokens handed out, oldest first. */
  readonly issued: Effect.Effect<ReadonlyArray<string>>
  /** Bytes of response bodies given to the network. */
  readonly bytesSent: Effect.Effect<number>
  /** Replies to the next requests, each used once, before anything else. */
  readonly enqueue: (...replies: ReadonlyArray<Reply>) => Effect.Effect<void>
  /** `true`: every request gets 503; a reply: every request gets it; `false`: back to normal. */
  readonly setOutage: (outage: boolean | Reply) => Effect.Effect<void>
  readonly setLatency: (latency: Duration.DurationInput) => Effect.Effect<void>
  readonly setExpiresIn: (seconds: number | null) => Effect.Effect<void>
  /** From now on {@link isActive} denies it. */
  readonly revoke: (token: string) => Effect.Effect<void>
  /** Whether the token was issued here, has not been revoked and has not run out. */
  readonly isActive: (token: string) => Effect.Effect<boolean>
}

/**
 * A server on a socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listening extends AuthorizationServer {
  readonly port: number
  /** `http://127.0.0.1:<port>`, or `https://localhost:<port>` with TLS. */
  readonly origin: string
  /** Sockets open now, idle ones of a client's pool included. */
  readonly connections: Effect.Effect<number>
  /** Requests that are being answered now: a client that gave up is no longer waited for. */
  readonly inFlight: Effect.Effect<number>
}

/**
 * A server in memory: no I/O and no timers but those of the Clock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<AuthorizationServer> =>
  Effect.map(desk.complain(options), () => assemble(desk.make(options), "https://auth.test/oauth/token"))

/**
 * The same server on a free port of this machine, until the scope closes. With `tls` it speaks TLS only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const listen = (
  options: Options & { readonly tls?: { readonly key: string; readonly cert: string } | undefined } = {}
): Effect.Effect<Listening, never, Scope.Scope> =>
  Effect.gen(function*() {
    yield* desk.complain(options)
    const state = desk.make(options)
    const server = yield* socket.listen(state, options.tls)
    const origin = options.tls === undefined ? `http://127.0.0.1:${server.port}` : `https://localhost:${server.port}`
    return {
      ...assemble(state, `${origin}/oauth/token`),
      port: server.port,
      origin,
      connections: server.connections,
      inFlight: server.inFlight
    }
  })

const assemble = (state: desk.Desk, tokenEndpoint: string): AuthorizationServer => {
  const client = memory.client(state)
  return {
    tokenEndpoint,
    client,
    layer: Layer.succeed(HttpClient.HttpClient, client),
    requests: Effect.sync(() => state.requests.slice()),
    count: Effect.sync(() => state.requests.length),
    issued: Effect.sync(() => Array.from(state.issued.keys())),
    bytesSent: Effect.sync(() => state.bytesSent),
    enqueue: (...replies) => Effect.sync(() => void state.queue.push(...replies)),
    setOutage: (outage) => Effect.sync(() => void (state.outage = outage)),
    setLatency: (latency) =>
      Effect.zipRight(desk.complain({ latency }), Effect.sync(() => void (state.latency = desk.latency(latency)))),
    setExpiresIn: (seconds) =>
      Effect.zipRight(
        desk.complain({ expiresIn: seconds }),
        Effect.sync(() => void (state.expiresIn = desk.expiresIn(seconds)))
      ),
    revoke: (token) => Effect.sync(() => void state.revoked.add(token)),
    isActive: (token) => desk.isActive(state, token)
  }
}
