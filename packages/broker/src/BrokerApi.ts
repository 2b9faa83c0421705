/**
 * The broker's API in one definition: the contract that the server keeps, the OpenAPI document it serves, and the typed
 * client.
 *
 * **Example** (a typed client)
 *
 * ```ts
 * import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
 * import { BrokerApi } from "@effect-bearer/broker"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* HttpApiClient.make(BrokerApi.BrokerApi, {
 *     baseUrl: "http://localhost:4180",
 *     transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken("the caller's key"))
 *   })
 *   const { access_token, remaining } = yield* client.tokens.token({
 *     path: { profile: "genesys" },
 *     headers: { "x-effect-bearer": "true" },
 *     urlParams: { min_ttl: 600 }
 *   })
 *   return { access_token, remaining }
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 */

import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import * as Schemas from "effect-bearer/Schemas"
import { ProfileName } from "./BrokerConfig.js"
import { Snapshot } from "./operations/snapshot.js"

const Secret = Schema.Redacted(Schema.String)

const path = Schema.Struct({ profile: ProfileName })

/** SSRF cannot set a header, so that no server can be talked into fetching a token. */
const bearerHeader = Schema.Struct({ "x-effect-bearer": Schema.Literal("true") })

/**
 * A token as a token endpoint answers it (RFC 6749 §5.1); `expires_in` is the life that is left, in whole seconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Token = Schema.Struct({
  access_token: Secret,
  token_type: Schema.String,
  expires_in: Schema.Int,
  scope: Schema.optional(Schema.String),
  issued_token_type: Schema.optional(Schema.String)
}).annotations({ identifier: "Token" })

/**
 * A token as people and scripts want it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProfileToken = Schema.Struct({
  access_token: Secret,
  token_type: Schema.String,
  expires_at: Schema.String,
  /** Seconds. */
  remaining: Schema.Int,
  scopes: Schemas.Scopes,
  refreshing: Schema.Boolean
}).annotations({ identifier: "ProfileToken" })

/**
 * What a token request sends (RFC 6749 §4.4.2, RFC 8693 §2.1).
 *
 * @since 0.1.0
 * @category schemas
 */
export const TokenForm = Schema.Struct({
  grant_type: Schema.Literal("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"),
  scope: Schema.optional(Schema.String),
  audience: Schema.optional(Schema.String),
  resource: Schema.optional(Schema.String),
  client_id: Schema.optional(Schema.String),
  client_secret: Schema.optional(Schema.String),
  subject_token: Schema.optional(Schema.String),
  subject_token_type: Schema.optional(Schema.String),
  actor_token: Schema.optional(Schema.String),
  actor_token_type: Schema.optional(Schema.String),
  requested_token_type: Schema.optional(Schema.String)
}).annotations({ identifier: "TokenForm" })

/**
 * An error of the token endpoint (RFC 6749 §5.2).
 *
 * @since 0.1.0
 * @category schemas
 */
export const OAuthFailure = Schema.Struct({
  error: Schema.String,
  error_description: Schema.optional(Schema.String)
}).annotations({ identifier: "OAuthFailure" })

/**
 * An error of every other path.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failure = Schema.Struct({ error: Schema.String, message: Schema.String }).annotations({
  identifier: "Failure"
})

const at = <A, I, R>(schema: Schema.Schema<A, I, R>, status: number) =>
  schema.annotations(HttpApiSchema.annotations({ status }))

/** The same answer with any of these statuses. */
const withStatus = <A, I, R>(schema: Schema.Schema<A, I, R>, ...statuses: ReadonlyArray<number>) =>
  Schema.Union(...statuses.map((status) => at(schema, status)))

const tokens = HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.post("oauth2", "/oauth2/:profile/token")
      .setPath(path)
      .setPayload(TokenForm.pipe(HttpApiSchema.withEncoding({ kind: "UrlParams" })))
      .addSuccess(Token)
      .addError(withStatus(OAuthFailure, 400, 401, 429, 500, 502, 503))
      .annotate(OpenApi.Description, "A token endpoint (RFC 6749 §4.4, RFC 8693): any OAuth client can ask here.")
  )
  .add(
    HttpApiEndpoint.post("check", "/auth/token/check")
      .setPayload(Schema.Struct({
        client_id: Schema.NonEmptyString,
        request_timestamp: Schema.optional(Schema.Union(Schema.String, Schema.Number))
      }))
      .addSuccess(Token)
      .addSuccess(at(Schema.Struct({ status: Schema.Literal("refreshing") }), 202))
      .addError(withStatus(Failure, 400, 401, 403, 429, 500, 502, 503))
      .annotate(
        OpenApi.Description,
        "The token of the profile with this client id. X-Token-Refreshing: true while it is renewed; 202 with Retry-After " +
          "while there is none."
      )
  )
  .add(
    HttpApiEndpoint.get("inject", "/inject/:profile")
      .setPath(path)
      .setHeaders(bearerHeader)
      .addSuccess(HttpApiSchema.Empty(200))
      .addError(HttpApiSchema.Empty(401))
      .addError(HttpApiSchema.Empty(403))
      .addError(HttpApiSchema.Empty(429))
      .addError(HttpApiSchema.Empty(503))
      .annotate(OpenApi.Description, "For reverse proxies: an empty answer whose Authorization header is to be copied.")
  )
  .add(
    HttpApiEndpoint.get("token", "/v1/profiles/:profile/token")
      .setPath(path)
      .setHeaders(bearerHeader)
      .setUrlParams(Schema.Struct({ min_ttl: Schema.optional(Schema.NumberFromString) }))
      .addSuccess(ProfileToken)
      .addError(withStatus(Failure, 400, 401, 403, 429, 500, 502, 503))
      .annotate(OpenApi.Description, "The token for people and scripts. min_ttl: seconds of life that are needed.")
  )
  .add(
    HttpApiEndpoint.get("tokens", "/v1/profiles/:profile/tokens")
      .setPath(path)
      .setHeaders(bearerHeader)
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(withStatus(Failure, 401, 403, 429, 500, 502, 503))
      .annotate(
        OpenApi.Description,
        "Server-sent events: the current token, then one `token` event per rotation; Last-Event-ID resumes."
      )
  )

/**
 * Whether the broker is ready, and each of its profiles.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Readiness = Schema.Struct({
  ready: Schema.Boolean,
  draining: Schema.Boolean,
  profiles: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ required: Schema.Boolean, usable: Schema.Boolean })
  })
}).annotations({ identifier: "Readiness" })

const operations = HttpApiGroup.make("operations")
  .add(HttpApiEndpoint.get("live", "/health/live").addSuccess(Schema.Struct({ status: Schema.Literal("live") })))
  .add(
    HttpApiEndpoint.get("ready", "/health/ready")
      .addSuccess(Readiness)
      .addError(at(Readiness, 503))
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics")
      .addSuccess(HttpApiSchema.Text({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
      .addError(withStatus(Failure, 401, 403))
      .annotate(OpenApi.Description, "Prometheus text. Needs a caller with the permission `metrics`.")
  )
  .add(
    HttpApiEndpoint.get("status", "/status")
      .addSuccess(Snapshot)
      .addError(withStatus(Failure, 401, 403))
      .annotate(OpenApi.Description, "What the status page shows. Needs a caller with the permission `status`.")
  )
  .add(
    HttpApiEndpoint.get("statusEvents", "/status/events")
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(withStatus(Failure, 401, 403))
      .annotate(OpenApi.Description, "Server-sent events: one `status` event a second.")
  )

/**
 * The API of a broker.
 *
 * @since 0.1.0
 * @category api
 */
export class BrokerApi extends HttpApi.make("broker").add(tokens).add(operations)
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(OpenApi.Title, "effect-bearer token broker")
  .annotate(OpenApi.Description, "One OAuth 2.0 access token for callers that cannot keep one.")
  .annotate(OpenApi.Transform, (document) => ({
    ...document,
    components: {
      ...(document["components"] as object),
      securitySchemes: {
        basic: { type: "http", scheme: "basic", description: "Id and key of a caller" },
        key: { type: "http", scheme: "bearer", description: "The key of a caller" }
      }
    },
    security: [{ basic: [] }, { key: [] }],
    paths: Object.fromEntries(
      Object.entries(document["paths"] as Record<string, Record<string, object>>).map(([path, operations]) => [
        path,
        Object.fromEntries(
          Object.entries(operations).map(([method, operation]) => [
            method,
            // of an operation an empty list says that it needs no key: probes alone
            { ...operation, security: path.startsWith("/health/") ? [] : undefined }
          ])
        )
      ])
    )
  }))
{}
