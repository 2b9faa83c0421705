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
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Region from "./Region.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

/**
 * A user of the fake organization; members are sent as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface FakeUser {
  readonly id: string
  readonly name: string
  readonly [member: string]: unknown
}

/**
 * A conversation of the fake organization; members are sent as they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface FakeConversation {
  readonly conversationId: string
  /** ISO 8601. A query finds the conversations that began within its interval. */
  readonly conversationStart: string
  readonly [member: string]: unknown
}

/**
 * The settings of the fake; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: a UUID. */
  readonly clientId?: string | undefined
  /** Default: made up. */
  readonly clientSecret?: string | undefined
  /**
   * The region of the organization. The login hosts of other regions do not know its client, as in the real cloud.
   * Default: it is known everywhere.
   */
  readonly home?: Region.Name | undefined
  /** Scopes the client may ask for; any other is an `invalid_scope`. Default: whatever is asked for. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** What the roles of the client allow; `*` is everything. Default `["*"]`. */
  readonly permissions?: ReadonlyArray<string> | undefined
  /** `expires_in` of tokens. Default 24 hours. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** Token requests a minute for a client. Default 300. */
  readonly tokenRateLimit?: number | undefined
  /** API requests a minute for a token. Default 300. */
  readonly rateLimit?: number | undefined
  /** Default: three. */
  readonly users?: ReadonlyArray<FakeUser> | undefined
  /** Default: three, of 1 January 2026. */
  readonly conversations?: ReadonlyArray<FakeConversation> | undefined
}

/**
 * What a request meets instead of its answer. Build it with {@link unavailable}, {@link rateLimited} and the like.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = Data.TaggedEnum<{
  /** This very reply. */
  Reply: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  /** An error in the words of the host that was asked: of the API, or of the token endpoint. */
  Refusal: {
    readonly status: number
    readonly code: string
    readonly message: string
    readonly headers: Readonly<Record<string, string>>
    readonly messageParams: Readonly<Record<string, string>>
  }
  /** The usual answer, but later. */
  Slow: { readonly delay: Duration.Duration }
}>

const { Refusal, Reply, Slow } = Data.taggedEnum<Fault>()

/**
 * Which requests a fault is for. Default: the next ones, whatever they are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly host?: "login" | "api" | undefined
  /** The beginning of the path. */
  readonly path?: string | undefined
}

/**
 * A request as it arrived. The credentials in it are `<redacted>`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SeenRequest {
  /** Epoch milliseconds, by the Clock. */
  readonly at: number
  readonly method: string
  /** As it was meant: `login.mypurecloud.de`, or the loopback address. */
  readonly host: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Of the answer; 0 while there is none. */
  readonly status: number
}

/**
 * What arrived so far.
 *
 * @since 0.1.0
 * @category models
 */
export interface Seen {
  /** Requests for tokens, whatever became of them. */
  readonly tokenRequests: number
  readonly tokensIssued: number
  /** All other requests. */
  readonly apiRequests: number
  /** How many of them, by `GET /api/v2/users`: method and path without the query. */
  readonly byPath: Readonly<Record<string, number>>
  /** How many answers, by status. */
  readonly statuses: Readonly<Record<number, number>>
  /** Every request, the oldest first. */
  readonly requests: ReadonlyArray<SeenRequest>
}

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
export const slow = (delay: Duration.DurationInput): Fault => Slow({ delay: Duration.decode(delay) })

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
      setLifetime: (lifetime) => Effect.sync(() => void (state.lifetime = Duration.decode(lifetime))),
      setRateLimit: (perMinute) => Effect.sync(() => void (state.rateLimit = perMinute)),
      setTokenRateLimit: (perMinute) => Effect.sync(() => void (state.tokenRateLimit = perMinute)),
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
// the client
// ---------------------------------------------------------------------------------------------------------------

const hosts: ReadonlySet<string> = new Set(
  Region.all.flatMap(({ environment }) => [`login.${environment}`, `api.${environment}`])
)

/** Clients on top of `fetch` may not set `Host`; this one the fake looks at first. */
const forwardedHost = "x-forwarded-host"

const redirected = <E, R>(
  plain: HttpClient.HttpClient.With<E, R>,
  url: string
): HttpClient.HttpClient.With<E, R> =>
  HttpClient.makeWith<never, never, E, R>(
    Effect.flatMap((request) => {
      const meant = URL.canParse(request.url) ? new URL(request.url) : undefined
      if (meant === undefined || !hosts.has(meant.hostname)) return plain.execute(request)
      const sent = request.pipe(
        HttpClientRequest.setUrl(url + request.url.slice(meant.origin.length)),
        HttpClientRequest.setHeaders({ host: meant.host, [forwardedHost]: meant.host })
      )
      return plain.execute(sent).pipe(
        Effect.map((response) => asAskedFor(response, request)),
        Effect.mapError((error) =>
          error instanceof HttpClientError.RequestError
            ? new HttpClientError.RequestError({ ...error, request }) as E
            : error
        )
      )
    }),
    Effect.succeed
  )

/** A client is judged by where its responses come from: they say where the request was meant to go. */
const asAskedFor = (
  response: HttpClientResponse.HttpClientResponse,
  request: HttpClientRequest.HttpClientRequest
): HttpClientResponse.HttpClientResponse => Object.defineProperty(response, "request", { value: request })

// ---------------------------------------------------------------------------------------------------------------
// state
// ---------------------------------------------------------------------------------------------------------------

interface State {
  readonly clientId: string
  readonly home: string | undefined
  readonly scopes: ReadonlyArray<string> | undefined
  clientSecret: string
  permissions: ReadonlyArray<string>
  lifetime: Duration.Duration
  tokenRateLimit: number
  rateLimit: number
  users: ReadonlyArray<FakeUser>
  conversations: ReadonlyArray<FakeConversation>
  readonly issued: Array<string>
  readonly tokens: Map<string, { readonly environment: string; readonly expiresAt: number }>
  readonly windows: Map<string, { readonly since: number; count: number }>
  readonly faults: Array<{ left: number; readonly fault: Fault; readonly target: Target }>
  readonly requests: Array<{ -readonly [K in keyof SeenRequest]: SeenRequest[K] }>
}

const initial = (options: Options): State => ({
  clientId: options.clientId ?? crypto.randomUUID(),
  clientSecret: options.clientSecret ?? randomText(32),
  home: options.home === undefined ? undefined : Region.of(options.home).environment,
  scopes: options.scopes,
  permissions: options.permissions ?? ["*"],
  lifetime: Duration.decode(options.lifetime ?? "24 hours"),
  tokenRateLimit: options.tokenRateLimit ?? 300,
  rateLimit: options.rateLimit ?? 300,
  users: options.users ?? ["Ada", "Grace", "Edsger"].map((name) => user(name)),
  conversations: options.conversations ?? [10, 11, 12].map((hour) => conversation(`2026-01-01T${hour}:00:00.000Z`)),
  issued: [],
  tokens: new Map(),
  windows: new Map(),
  faults: [],
  requests: []
})

const randomText = (bytes: number): string => Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(bytes)))

/**
 * A user with an id of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const user = (name: string): FakeUser => {
  const id = crypto.randomUUID()
  const email = `${name.toLowerCase().replaceAll(" ", ".")}@example.com`
  return { id, name, email, username: email, state: "active", version: 1, division: { id: "d1", name: "Home" } }
}

/**
 * A conversation of ten minutes with an id of its own, between a customer and an agent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const conversation = (conversationStart: string): FakeConversation => {
  const conversationEnd = new Date(new Date(conversationStart).getTime() + 600_000).toISOString()
  const participant = (purpose: string) => ({
    participantId: crypto.randomUUID(),
    purpose,
    sessions: [{
      sessionId: crypto.randomUUID(),
      mediaType: "voice",
      direction: "inbound",
      segments: [{ segmentStart: conversationStart, segmentEnd: conversationEnd, segmentType: "interact" }]
    }]
  })
  return {
    conversationId: crypto.randomUUID(),
    conversationStart,
    conversationEnd,
    originatingDirection: "inbound",
    participants: [participant("customer"), participant("agent")]
  }
}

const seenOf = (state: State): Seen => {
  const byPath: Record<string, number> = {}
  const statuses: Record<number, number> = {}
  let tokenRequests = 0
  let apiRequests = 0
  for (const { method, path, status } of state.requests) {
    const pathname = path.replace(/\?.*$/, "")
    if (pathname === tokenPath) tokenRequests++
    else {
      apiRequests++
      byPath[`${method} ${pathname}`] = (byPath[`${method} ${pathname}`] ?? 0) + 1
    }
    if (status > 0) statuses[status] = (statuses[status] ?? 0) + 1
  }
  return {
    tokenRequests,
    apiRequests,
    tokensIssued: state.issued.length,
    byPath,
    statuses,
    requests: state.requests.map((request) => ({ ...request }))
  }
}

// ---------------------------------------------------------------------------------------------------------------
// the server
// ---------------------------------------------------------------------------------------------------------------

const tokenPath = "/oauth/token"

interface Incoming {
  readonly method: string
  readonly host: string
  /** The region the host belongs to, or the loopback address. */
  readonly environment: string
  /** `both` at the loopback address. */
  readonly role: "login" | "api" | "both"
  readonly url: URL
  readonly headers: Headers.Headers
  readonly body: string
  readonly at: number
  readonly correlationId: string
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const serve = (state: State) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const host = request.headers[forwardedHost] ?? request.headers["host"] ?? ""
    const known = hosts.has(host)
    const incoming: Incoming = {
      method: request.method,
      host,
      environment: known ? host.replace(/^(login|api)\./, "") : host,
      role: !known ? "both" : host.startsWith("login.") ? "login" : "api",
      url: new URL(request.url, "http://localhost"),
      headers: request.headers,
      body: yield* Effect.orElseSucceed(request.text, () => ""),
      at: yield* Clock.currentTimeMillis,
      correlationId: crypto.randomUUID()
    }
    const record = recorded(incoming)
    state.requests.push(record)
    const answer = yield* answered(state, incoming)
    record.status = answer.status
    return HttpServerResponse.text(answer.body, {
      status: answer.status,
      contentType: answer.headers["content-type"] ?? "application/json",
      headers: Headers.fromInput({ "inin-correlation-id": incoming.correlationId, ...answer.headers })
    })
  })

const recorded = ({ at, body, headers, host, method, url }: Incoming): State["requests"][number] => ({
  at,
  method,
  host,
  path: url.pathname + url.search,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      name === "authorization" ? String(value).replace(/\s.*$/s, " <redacted>") : String(value)
    ])
  ),
  body: body.replace(/(client_secret=)[^&]*/g, "$1<redacted>"),
  status: 0
})

const answered = (state: State, incoming: Incoming): Effect.Effect<Answer> => {
  const fault = faultFor(state, incoming)
  switch (fault?._tag) {
    case undefined:
      return Effect.sync(() => usual(state, incoming))
    case "Slow":
      return Effect.zipRight(Effect.sleep(fault.delay), Effect.sync(() => usual(state, incoming)))
    case "Reply":
      return Effect.succeed(fault)
    case "Refusal":
      return Effect.succeed({
        ...(isToken(incoming)
          ? oauthError(fault.status, fault.code, fault.message)
          : apiError(incoming, fault.status, fault.code, fault.message, fault.messageParams)),
        headers: fault.headers
      })
  }
}

const isToken = (incoming: Incoming): boolean => incoming.url.pathname === tokenPath

const faultFor = (state: State, incoming: Incoming): Fault | undefined => {
  const host = isToken(incoming) ? "login" : "api"
  const found = state.faults.find(({ left, target }) =>
    left > 0 && (target.host === undefined || target.host === host) &&
    (target.path === undefined || incoming.url.pathname.startsWith(target.path))
  )
  if (found !== undefined) found.left--
  return found?.fault
}

const usual = (state: State, incoming: Incoming): Answer => {
  if (isToken(incoming)) {
    return incoming.role === "api"
      ? notFound(incoming, "HTTP 404 Not Found")
      : token(state, incoming)
  }
  return incoming.role === "login" ? notFound(incoming, "HTTP 404 Not Found") : api(state, incoming)
}

const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers,
  body: JSON.stringify(value)
})

// --- the token endpoint -------------------------------------------------------------------------------------------

const oauthError = (
  status: number,
  error: string,
  description: string,
  headers: Readonly<Record<string, string>> = {}
): Answer => json({ error, description, error_description: description }, status, headers)

const token = (state: State, incoming: Incoming): Answer => {
  if (incoming.method !== "POST") return oauthError(405, "invalid_request", "method not allowed")
  const limit = count(state, `token ${incoming.environment}`, state.tokenRateLimit, incoming.at)
  if (limit.exceeded) {
    return oauthError(429, "too.many.requests.retry.after", tooMany(String(limit.reset)), {
      "retry-after": String(limit.reset)
    })
  }
  if (!/^application\/x-www-form-urlencoded\b/i.test(incoming.headers["content-type"] ?? "")) {
    return oauthError(400, "invalid_request", "the parameters must be sent as application/x-www-form-urlencoded")
  }
  const form = new URLSearchParams(incoming.body)
  const credentials = basic(incoming.headers["authorization"]) ??
    { id: form.get("client_id") ?? "", secret: form.get("client_secret") ?? "" }
  const elsewhere = state.home !== undefined && incoming.role === "login" && incoming.environment !== state.home
  if (elsewhere || credentials.id !== state.clientId) {
    return oauthError(400, "invalid_client", "client not found: invalid_client")
  }
  if (credentials.secret !== state.clientSecret) return oauthError(401, "invalid_client", "authentication failed")
  const grant = form.get("grant_type")
  if (grant === null) return oauthError(400, "invalid_request", "grant_type is missing")
  if (grant !== "client_credentials") {
    return oauthError(400, "unsupported_grant_type", "the client may not use this grant type")
  }
  const scope = form.get("scope")
  const asked = scope === null ? [] : scope.split(" ")
  if (asked.some((name) => !/^[\w:.*-]+$/.test(name) || state.scopes?.includes(name) === false)) {
    return oauthError(400, "invalid_scope", "a scope is unknown, or not allowed for this client")
  }
  const value = randomText(64)
  const lifetime = Math.floor(Duration.toSeconds(state.lifetime))
  state.issued.push(value)
  state.tokens.set(value, { environment: incoming.environment, expiresAt: incoming.at + lifetime * 1000 })
  return json({
    access_token: value,
    token_type: "bearer",
    expires_in: lifetime,
    ...(scope === null ? {} : { scope })
  })
}

/** The bytes between the quotes, so to speak: nothing is form-decoded here. */
const basic = (header: string | undefined): { readonly id: string; readonly secret: string } | undefined => {
  const match = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? "")
  const text = match === null
    ? undefined
    : Option.getOrUndefined(Either.getRight(Encoding.decodeBase64String(match[1]!)))
  const colon = text?.indexOf(":") ?? -1
  return text === undefined || colon < 0 ? undefined : { id: text.slice(0, colon), secret: text.slice(colon + 1) }
}

// --- the API ------------------------------------------------------------------------------------------------------

const apiError = (
  incoming: Incoming,
  status: number,
  code: string,
  message: string,
  messageParams: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {}
): Answer =>
  json(
    {
      message,
      code,
      status,
      contextId: incoming.correlationId,
      messageWithParams: message,
      messageParams,
      details: [],
      errors: []
    },
    status,
    headers
  )

const notFound = (incoming: Incoming, message: string): Answer => apiError(incoming, 404, "not.found", message)

const api = (state: State, incoming: Incoming): Answer => {
  const presented = /^bearer +(\S+)$/i.exec(incoming.headers["authorization"] ?? "")?.[1]
  if (presented === undefined) {
    return apiError(incoming, 401, "authentication.required", "No authentication bearer token specified.")
  }
  const token = state.tokens.get(presented)
  if (token === undefined || token.environment !== incoming.environment || token.expiresAt <= incoming.at) {
    return apiError(incoming, 401, "bad.credentials", "Invalid login credentials.")
  }
  const limit = count(state, `api ${presented}`, state.rateLimit, incoming.at)
  const headers = {
    "inin-ratelimit-count": String(limit.count),
    "inin-ratelimit-allowed": String(limit.allowed),
    "inin-ratelimit-reset": String(limit.reset)
  }
  const answer = limit.exceeded
    ? apiError(incoming, 429, "too.many.requests.retry.after", tooMany(String(limit.reset)), {
      limit: String(limit.allowed)
    }, { "retry-after": String(limit.reset) })
    : resource(state, incoming)
  return { ...answer, headers: { ...headers, ...answer.headers } }
}

const resource = (state: State, incoming: Incoming): Answer => {
  const { method, url } = incoming
  const route = `${method} ${url.pathname}`
  const requiring = (permission: string, answer: () => Answer): Answer =>
    state.permissions.includes("*") || state.permissions.includes(permission) ? answer() : apiError(
      incoming,
      403,
      "missing.any.permissions",
      `The caller has none of the permissions ${permission}.`,
      { permissions: permission }
    )
  if (route === "GET /api/v2/users/me") {
    return apiError(incoming, 400, "bad.request", "This request needs a user, and the token belongs to a client.")
  }
  if (route === "GET /api/v2/organizations/me") {
    return json({
      id: "0b3f4f6e-7d0f-4a6b-8c87-2f3a1f0c9d5e",
      name: "Fake Organization",
      domain: "fake",
      state: "active",
      version: 1,
      features: {},
      productPlatform: "PureCloud"
    })
  }
  if (route === "GET /api/v2/users") return requiring("directory:user:view", () => listUsers(state, incoming))
  const userId = /^GET \/api\/v2\/users\/([^/]+)$/.exec(route)?.[1]
  if (userId !== undefined) {
    return requiring("directory:user:view", () => {
      const found = state.users.find(({ id }) => id === decodeURIComponent(userId))
      return found === undefined
        ? notFound(incoming, "There is no user with this id.")
        : json({ ...found, selfUri: url.pathname })
    })
  }
  if (route === "POST /api/v2/analytics/conversations/details/query") {
    return requiring("analytics:conversationDetail:view", () => queryDetails(state, incoming))
  }
  if (/^GET \/api\/v2\/analytics\/conversations\/details\/jobs\/[^/]+\/results$/.test(route)) {
    return requiring("analytics:conversationDetail:view", () => jobResults(state, incoming))
  }
  return notFound(incoming, "There is nothing at this path.")
}

const whole = (text: string | null, fallback: number): number =>
  text === null ? fallback : /^\d{1,9}$/.test(text) ? Number(text) : NaN

const badPaging = (incoming: Incoming, most: number): Answer =>
  apiError(incoming, 400, "bad.request", `pageNumber is at least 1, pageSize at least 1 and at most ${most}.`)

const isPage = (pageSize: number, pageNumber: number, most: number): boolean =>
  pageSize >= 1 && pageSize <= most && pageNumber >= 1

const listUsers = ({ users }: State, incoming: Incoming): Answer => {
  const query = incoming.url.searchParams
  const pageSize = whole(query.get("pageSize"), 25)
  const pageNumber = whole(query.get("pageNumber"), 1)
  if (!isPage(pageSize, pageNumber, 500)) return badPaging(incoming, 500)
  const ids = query.getAll("id")
  const found = ids.length === 0 ? users : users.filter(({ id }) => ids.includes(id))
  const pageCount = Math.ceil(found.length / pageSize)
  const uri = (page: number) => `${incoming.url.pathname}?pageSize=${pageSize}&pageNumber=${page}`
  return json({
    entities: found.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
    pageSize,
    pageNumber,
    total: found.length,
    firstUri: uri(1),
    selfUri: uri(pageNumber),
    lastUri: uri(Math.max(1, pageCount)),
    ...(pageNumber < pageCount ? { nextUri: uri(pageNumber + 1) } : {}),
    ...(pageNumber > 1 ? { previousUri: uri(pageNumber - 1) } : {}),
    pageCount
  })
}

const parsed = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

const queryDetails = (state: State, incoming: Incoming): Answer => {
  const query = parsed(incoming.body)
  if (query === undefined) return apiError(incoming, 400, "bad.request", "The request body is no JSON object.")
  const [from = NaN, to = NaN] = String(query["interval"] ?? "").split("/").map((text) => new Date(text).getTime())
  if (!(from < to)) {
    return apiError(incoming, 400, "bad.request", "interval must be two times in ISO 8601, separated by a slash.")
  }
  const { pageNumber, pageSize } = { pageNumber: 1, pageSize: 25, ...query["paging"] as object }
  if (!isPage(pageSize, pageNumber, 100)) return badPaging(incoming, 100)
  const within = state.conversations.filter(({ conversationStart }) => {
    const start = new Date(conversationStart).getTime()
    return start >= from && start < to
  }).sort((a, b) => a.conversationStart < b.conversationStart ? -1 : 1)
  if (query["order"] === "desc") within.reverse()
  const conversations = within.slice((pageNumber - 1) * pageSize, pageNumber * pageSize)
  return json({ ...(conversations.length === 0 ? {} : { conversations }), totalHits: within.length })
}

const jobResults = ({ conversations }: State, incoming: Incoming): Answer => {
  const pageSize = whole(incoming.url.searchParams.get("pageSize"), 1000)
  const cursor = incoming.url.searchParams.get("cursor")
  const start = cursor === null ? 0 : whole(/^c(\d+)$/.exec(cursor)?.[1] ?? "", NaN)
  if (!isPage(pageSize, 1, 10_000) || Number.isNaN(start)) {
    return apiError(incoming, 400, "bad.request", "pageSize or cursor is wrong.")
  }
  const end = start + pageSize
  return json({
    conversations: conversations.slice(start, end),
    ...(end < conversations.length ? { cursor: `c${end}` } : {})
  })
}

// --- limits -------------------------------------------------------------------------------------------------------

interface Count {
  readonly count: number
  readonly allowed: number
  /** Seconds to the next minute. */
  readonly reset: number
  readonly exceeded: boolean
}

const count = (state: State, key: string, allowed: number, now: number): Count => {
  let window = state.windows.get(key)
  if (window === undefined || now - window.since >= 60_000) state.windows.set(key, window = { since: now, count: 0 })
  window.count++
  return {
    count: window.count,
    allowed,
    reset: Math.max(1, Math.ceil((window.since + 60_000 - now) / 1000)),
    exceeded: window.count > allowed
  }
}

const seconds = (duration: Duration.DurationInput): string => String(Math.ceil(Duration.toSeconds(duration)))

const tooMany = (wait: string): string => `Rate limit exceeded. Retry the request in [${wait}] seconds`
