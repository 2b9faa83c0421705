/**
 * A Genesys Cloud for tests and examples: its login host, its API host and their manners, on a socket of this machine.
 *
 * | | |
 * |---|---|
 * | {@link layer}, {@link make} | start it on the `HttpServer` they are given (`NodeHttpServer.layerTest`, for one) |
 * | {@link layerHttpClient}, `httpClient` | a client whose calls to `https://login.{any region}` and `https://api.{any region}` end up here, with the `Host` they were meant for |
 * | `region` | the same without that client: a custom region at the loopback address; `url` is good for `GENESYS_ENV_URL` |
 * | `clientId`, `clientSecret` | the client it knows |
 * | `fail`, `failAlways`, `revokeAll`, `setLifetime`, `setRateLimit`, `rotateSecret`, … | make trouble |
 * | `seen` | what arrived |
 *
 * It answers `POST /oauth/token` (client credentials, Basic with the bytes as they are, or in the form),
 * `GET /api/v2/users`, `/users/{id}`, `/users/me`, `/organizations/me`, `POST
 * /api/v2/analytics/conversations/details/query`, and the `…/details/jobs/{id}/results` with a cursor. The host of a
 * request says which region it is for; at the loopback address it plays both hosts. A token is good in the region that
 * issued it.
 *
 * It knows nothing that is secret and belongs into no production.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Settings from "effect-bearer/Settings"
import { seconds, tooMany } from "./fake/answer.js"
import { redirected } from "./fake/client.js"
import type { FakeConversation, FakeUser, Fault, Options, Seen, Target } from "./fake/contract.js"
import * as data from "./fake/data.js"
import { serve } from "./fake/server.js"
import { complain, initial, lifetime, limit, seenOf } from "./fake/state.js"
import * as Region from "./Region.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

export type { FakeConversation, FakeUser, Fault, Options, Seen, SeenRequest, Target } from "./fake/contract.js"

const { Refusal, Reply, Slow } = Data.taggedEnum<Fault>()

/**
 * A running fake. Effects act at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Where it listens: `http://127.0.0.1:<port>`. */
  readonly url: string
  /** Both hosts at {@link url}. */
  readonly region: Region.Region
  readonly clientId: string
  /** The secret it began with; see {@link Service.rotateSecret}. */
  readonly clientSecret: Redacted.Redacted
  /**
   * A client for tests: requests to the login and API hosts of any region are sent here, everything else where `plain`
   * sends it. Responses and errors show the URL that was asked for.
   */
  readonly httpClient: <E, R>(plain: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R>
  readonly seen: Effect.Effect<Seen>
  /** The next `count` requests (of those that `target` means) meet `fault`. */
  readonly fail: (count: number, fault: Fault, target?: Target) => Effect.Effect<void>
  /** Every request that `target` means meets `fault`, until {@link Service.recover}. */
  readonly failAlways: (fault: Fault, target?: Target) => Effect.Effect<void>
  /** No faults any more. */
  readonly recover: Effect.Effect<void>
  /** Every token issued so far is refused from now on; how many those were. */
  readonly revokeAll: Effect.Effect<number>
  readonly setLifetime: (lifetime: Duration.DurationInput) => Effect.Effect<void>
  /** Requests a minute and token. */
  readonly setRateLimit: (perMinute: number) => Effect.Effect<void>
  /** Requests a minute of the token endpoint. */
  readonly setTokenRateLimit: (perMinute: number) => Effect.Effect<void>
  readonly setPermissions: (permissions: ReadonlyArray<string>) => Effect.Effect<void>
  /** The secret is another one from now on; tokens stay. */
  readonly rotateSecret: (secret: string) => Effect.Effect<void>
  readonly setUsers: (users: ReadonlyArray<FakeUser>) => Effect.Effect<void>
  readonly setConversations: (conversations: ReadonlyArray<FakeConversation>) => Effect.Effect<void>
  /** Tokens handed out, the oldest first. */
  readonly tokens: Effect.Effect<ReadonlyArray<Redacted.Redacted>>
}

// ---------------------------------------------------------------------------------------------------------------
// tags
// ---------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category tags
 */
export class FakeCloud extends Context.Tag("@effect-bearer/genesys/FakeCloud")<FakeCloud, Service>() {}

// ---------------------------------------------------------------------------------------------------------------
// faults
// ---------------------------------------------------------------------------------------------------------------

/**
 * Any reply.
 *
 * @since 0.1.0
 * @category faults
 */
export const reply = (options: {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
}): Fault => Reply({ status: options.status, headers: options.headers ?? {}, body: options.body ?? "" })

/**
 * An error of either host.
 *
 * @since 0.1.0
 * @category faults
 */
export const refusal = (options: {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly messageParams?: Readonly<Record<string, string>> | undefined
}): Fault => Refusal({ ...options, headers: options.headers ?? {}, messageParams: options.messageParams ?? {} })

/**
 * 503, with a `Retry-After` in seconds if one is given.
 *
 * @since 0.1.0
 * @category faults
 */
export const unavailable = (retryAfter?: Duration.DurationInput): Fault =>
  refusal({
    status: 503,
    code: "service.unavailable",
    message: "The service is temporarily unavailable.",
    headers: retryAfter === undefined ? {} : { "retry-after": seconds(retryAfter) }
  })

/**
 * 429. The wait is in the `Retry-After` header and in the text; without one it is in neither.
 *
 * @since 0.1.0
 * @category faults
 */
export const rateLimited = (retryAfter?: Duration.DurationInput): Fault =>
  refusal({
    status: 429,
    code: retryAfter === undefined ? "too.many.requests" : "too.many.requests.retry.after",
    message: retryAfter === undefined ? "Rate limit exceeded." : tooMany(seconds(retryAfter)),
    headers: retryAfter === undefined ? {} : { "retry-after": seconds(retryAfter) }
  })

/**
 * 401: the token is not accepted, though it is a good one.
 *
 * @since 0.1.0
 * @category faults
 */
export const badCredentials: Fault = refusal({
  status: 401,
  code: "bad.credentials",
  message: "Invalid login credentials."
})

/**
 * 403: a permission is missing.
 *
 * @since 0.1.0
 * @category faults
 */
export const missingPermission = (permission: string): Fault =>
  refusal({
    status: 403,
    code: "missing.any.permissions",
    message: `The caller has none of the permissions ${permission}.`,
    messageParams: { permissions: permission }
  })

/**
 * A page, as proxies and firewalls send it.
 *
 * @since 0.1.0
 * @category faults
 */
export const html = (status = 200): Fault =>
  reply({
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: "<!doctype html><html><body><h1>Sign in to the network</h1></body></html>"
  })

/**
 * The usual answer, this much later.
 *
 * @since 0.1.0
 * @category faults
 */
export const slow = (delay: Duration.DurationInput): Fault =>
  Slow({ delay: Duration.millis(Settings.value(Settings.duration(0), delay)) })

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * Starts a fake on the `HttpServer` of the context, until the scope closes.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
 * import { GenesysCloud, Organizations } from "@effect-bearer/genesys"
 * import * as FakeCloud from "@effect-bearer/genesys/FakeCloud"
 * import { Effect } from "effect"
 * import { createServer } from "node:http"
 *
 * const test = Effect.gen(function*() {
 *   const cloud = yield* FakeCloud.make({ lifetime: "1 minute" })
 *   const genesys = yield* GenesysCloud.make({
 *     region: "mypurecloud.de",
 *     clientId: cloud.clientId,
 *     clientSecret: cloud.clientSecret
 *   }).pipe(Effect.provideService(HttpClient.HttpClient, cloud.httpClient(yield* HttpClient.HttpClient)))
 *   yield* cloud.fail(1, FakeCloud.unavailable(), { host: "api" })
 *   return yield* Organizations.me.pipe(Effect.provideService(GenesysCloud.GenesysCloud, genesys))
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide([NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }), NodeHttpClient.layer])
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service, never, HttpServer.HttpServer | Scope.Scope> =>
  Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("the fake needs an address with a port")
    const host = address.hostname === "0.0.0.0" || address.hostname === "::" ? "127.0.0.1" : address.hostname
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`
    yield* complain(options)
    const state = initial(options)
    yield* HttpServer.serveEffect(serve(state))
    return {
      url,
      region: Either.getOrThrow(Region.custom({ loginUrl: url, apiUrl: url })),
      clientId: state.clientId,
      clientSecret: Redacted.make(state.clientSecret),
      httpClient: (plain) => redirected(plain, url),
      seen: Effect.sync(() => seenOf(state)),
      fail: (count, fault, target = {}) => Effect.sync(() => void state.faults.push({ left: count, fault, target })),
      failAlways: (fault, target = {}) => Effect.sync(() => void state.faults.push({ left: Infinity, fault, target })),
      recover: Effect.sync(() => void state.faults.splice(0)),
      revokeAll: Effect.sync(() => {
        const revoked = state.tokens.size
        state.tokens.clear()
        return revoked
      }),
      setLifetime: (given) =>
        Effect.zipRight(complain({ lifetime: given }), Effect.sync(() => void (state.lifetime = lifetime(given)))),
      setRateLimit: (rateLimit) =>
        Effect.zipRight(complain({ rateLimit }), Effect.sync(() => void (state.rateLimit = limit(rateLimit)))),
      setTokenRateLimit: (tokenRateLimit) =>
        Effect.zipRight(
          complain({ tokenRateLimit }),
          Effect.sync(() => void (state.tokenRateLimit = limit(tokenRateLimit)))
        ),
      setPermissions: (permissions) => Effect.sync(() => void (state.permissions = permissions)),
      rotateSecret: (secret) => Effect.sync(() => void (state.clientSecret = secret)),
      setUsers: (users) => Effect.sync(() => void (state.users = users)),
      setConversations: (conversations) => Effect.sync(() => void (state.conversations = conversations)),
      tokens: Effect.sync(() => state.issued.map((token) => Redacted.make(token)))
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// layers
// ---------------------------------------------------------------------------------------------------------------

/**
 * {@link make} as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<FakeCloud, never, HttpServer.HttpServer> =>
  Layer.scoped(FakeCloud, make(options))

/**
 * The platform's `HttpClient`, with the hosts of every region pointing at the fake.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient | FakeCloud> = Layer
  .effect(
    HttpClient.HttpClient,
    Effect.zipWith(FakeCloud, HttpClient.HttpClient, (fake, plain) => fake.httpClient(plain))
  )

/**
 * Where the fake is and the client it knows, as the environment variables that `GenesysCloud.layerConfig` reads:
 * `ConfigProvider.fromMap` makes a provider of them.
 *
 * @since 0.1.0
 * @category getters
 */
export const environment = (self: Service): ReadonlyMap<string, string> =>
  new Map([
    ["GENESYS_ENV_URL", self.url],
    ["GENESYS_CLIENT_ID", self.clientId],
    ["GENESYS_CLIENT_SECRET", Redacted.value(self.clientSecret)]
  ])

// ---------------------------------------------------------------------------------------------------------------
// data
// ---------------------------------------------------------------------------------------------------------------

/**
 * A user with an id of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const user: (name: string) => FakeUser = data.user

/**
 * A conversation of ten minutes with an id of its own, between a customer and an agent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const conversation: (conversationStart: string) => FakeConversation = data.conversation
