/**
 * A resource server inside this process that believes no token: it asks the authorization server about each one, by
 * introspection (RFC 7662), on every call, and remembers no answer.
 *
 * `GET /calls` and `POST /calls` want a valid bearer, and so does `GET /slow`, which is never answered. What was answered
 * is counted here, at the server.
 */
import { createHash } from "node:crypto"
import {
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpRouter,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { NodeHttpClient, NodeHttpServer, Undici } from "@effect/platform-node"
import type { Scope } from "effect"
import { Context, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import * as AuthorizationServer from "./AuthorizationServer.js"
import * as LoopbackServer from "./LoopbackServer.js"

/** What the API saw so far. */
export interface Seen {
  /** Calls that arrived. */
  readonly calls: number
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>
  /** Different valid tokens presented. */
  readonly tokensAccepted: number
  /** Of the calls answered 401, those that came without any token. */
  readonly withoutToken: number
  /** Calls of `/slow` that wait for their answer, and those whose client went away. */
  readonly slow: { readonly waiting: number; readonly abandoned: number }
}

export interface Service {
  readonly origin: string
  /** The protected resource. */
  readonly callsUrl: string
  readonly seen: Effect.Effect<Seen>
  /**
   * While `effect` runs, the API answers 401 to every token, valid ones included. That is a broken API, which no
   * client can make up for: it is here to prove that the checks built on this server notice.
   */
  readonly whileRefusingEveryToken: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export class ProtectedApi extends Context.Tag("@effect-bearer/examples/ProtectedApi")<ProtectedApi, Service>() {}

export const make: Effect.Effect<
  Service,
  LoopbackServer.CannotListen,
  AuthorizationServer.AuthorizationServer | Scope.Scope
> = Effect.gen(function*() {
  const introspect = yield* introspection
  const server = yield* LoopbackServer.make

  let calls = 0
  let withoutToken = 0
  let refuseEveryToken = false
  let waiting = 0
  let abandoned = 0
  const statuses: Record<number, number> = {}
  const accepted = new Set<string>()

  const judge = (token: Redacted.Redacted) =>
    Effect.map(introspect(token), (reply) => {
      if (!reply.active || refuseEveryToken) return invalidToken
      accepted.add(fingerprint(token))
      return undefined
    })

  /** Answers `effect` to a valid token only. */
  const guarded = <E, R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function*() {
      calls++
      const bearer = bearerOf(yield* HttpServerRequest.HttpServerRequest)
      if (Option.isNone(bearer)) {
        withoutToken++
        return noToken
      }
      const refusal = yield* judge(bearer.value)
      return refusal ?? (yield* effect)
    }).pipe(
      // no verdict about the token is no 401: the caller's token may be fine
      Effect.orElseSucceed(() => HttpServerResponse.unsafeJson({ error: "introspection_failed" }, { status: 503 })),
      Effect.tap((response) => Effect.sync(() => statuses[response.status] = (statuses[response.status] ?? 0) + 1))
    )

  const neverAnswered = Effect.sync(() => void waiting++).pipe(
    Effect.zipRight(Effect.never),
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        waiting--
        abandoned++
      })
    )
  )

  const app = HttpRouter.empty.pipe(
    HttpRouter.get("/calls", guarded(Effect.succeed(HttpServerResponse.unsafeJson({ calls: [] })))),
    HttpRouter.get("/slow", guarded(neverAnswered)),
    HttpRouter.post(
      "/calls",
      guarded(
        Effect.flatMap(
          HttpServerRequest.HttpServerRequest,
          (request) => Effect.map(request.text, (body) => HttpServerResponse.text(body, { status: 201 }))
        )
      )
    )
  )
  yield* server.handle(yield* NodeHttpServer.makeHandler(app))

  return {
    origin: server.origin,
    callsUrl: `${server.origin}/calls`,
    seen: Effect.sync(() => ({
      calls,
      statuses: { ...statuses },
      tokensAccepted: accepted.size,
      withoutToken,
      slow: { waiting, abandoned }
    })),
    whileRefusingEveryToken: (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(() => refuseEveryToken = true),
        () => effect,
        () => Effect.sync(() => refuseEveryToken = false)
      )
  }
})

export const layer: Layer.Layer<
  ProtectedApi,
  LoopbackServer.CannotListen,
  AuthorizationServer.AuthorizationServer
> = Layer.scoped(ProtectedApi, make)

// ---------------------------------------------------------------------------------------------------------------

const Reply = Schema.Struct({ active: Schema.Boolean })

/** Asks the authorization server about a token, with the API's own credentials. */
const introspection = Effect.gen(function*() {
  const { clients: { api }, introspectionEndpoint } = yield* AuthorizationServer.AuthorizationServer
  // A client of its own: never one that adds bearers, and a burst of calls is not to become a burst of connections.
  const dispatcher = yield* Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent({ connections: 16 })),
    (agent) => Effect.promise(() => agent.destroy())
  )
  const client = HttpClient.filterStatusOk(NodeHttpClient.makeUndici(dispatcher))
  return (token: Redacted.Redacted) =>
    HttpClientRequest.post(introspectionEndpoint).pipe(
      HttpClientRequest.basicAuth(api.id, Redacted.value(api.secret)),
      HttpClientRequest.bodyUrlParams({ token: Redacted.value(token), token_type_hint: "access_token" }),
      client.execute,
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Reply)),
      Effect.timeout(Duration.seconds(10))
    )
})

/** Credentials of the form `Bearer …` (RFC 6750 §2.1); the scheme is case-insensitive. */
const bearerOf = (request: HttpServerRequest.HttpServerRequest): Option.Option<Redacted.Redacted> =>
  Option.map(
    Option.fromNullable(/^bearer +([\w.~+/-]+=*)$/i.exec(request.headers["authorization"] ?? "")?.[1]),
    Redacted.make
  )

/** Tells tokens apart without keeping them. */
const fingerprint = (token: Redacted.Redacted): string =>
  createHash("sha256").update(Redacted.value(token)).digest("base64")

/** RFC 6750 §3: a call without any credentials gets the challenge without an error code. */
const noToken = HttpServerResponse.empty({ status: 401, headers: { "www-authenticate": "Bearer realm=\"calls\"" } })

const invalidToken = HttpServerResponse.unsafeJson({ error: "invalid_token" }, {
  status: 401,
  headers: {
    "www-authenticate":
      "Bearer realm=\"calls\", error=\"invalid_token\", error_description=\"expired, revoked or unknown\""
  }
})
