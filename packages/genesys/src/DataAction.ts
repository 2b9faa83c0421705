/**
 * The function behind a data action that needs a token for an external service: it takes the request of the flow and
 * replies with an access token, or with what went wrong. It never fails.
 *
 * ```
 * request ─ payload ─┬─ client credentials ─┐
 *                    └─ token exchange ─────┴─ cache ─ { status, headers, body }
 * ```
 *
 * {@link handler} is the function as an Effect, {@link toPromiseHandler} the one that a serverless runtime calls.
 *
 * **The request** is an event with a `body` (text of JSON, or an object), or the payload itself. All members are
 * optional; without any, the reply has the token of the client itself.
 *
 * | member | meaning |
 * |---|---|
 * | `scope`, `audience`, `resource` | instead of those of the options; a string, or a list |
 * | `subject_token`, `subject_token_type` | exchanges this token (RFC 8693) |
 * | `actor_token`, `actor_token_type`, `requested_token_type` | more about that exchange |
 * | `rejected_token` | an API has refused this one with 401: reply with another |
 *
 * **The reply** has status 200 and the members of an OAuth token response, `expires_in` being what remains; or
 * `{ error, message }`:
 *
 * | `error` | status | errors of effect-bearer, and other reasons |
 * |---|---|---|
 * | `ConfigurationError` | 500 | `InvalidConfiguration`: a setting or a secret is missing or wrong |
 * | `BadRequest` | 400 | the payload is no JSON, or not as above; any other `OAuthError`; `RejectedByEndpoint` with 400 |
 * | `Unauthorized` | 401 | `OAuthError` with 401 or `invalid_client`; `RejectedByEndpoint` with 401; `AuthenticationRequired` |
 * | `Forbidden` | 403 | `OAuthError` with 403, `unauthorized_client`, `access_denied` or `insufficient_scope`; `RejectedByEndpoint` with 403; `ScopeNotGranted`; a scope that is not among `allowedScopes` |
 * | `PayloadTooLarge` | 413 | the payload is larger than 32 KB; with status 502: the token is |
 * | `RetryExhausted` | 503 | `RetriesExhausted`, `CircuitOpen`, `RateLimited`, `EndpointUnavailable`, `FailedElsewhere`; with `Retry-After` where it is known |
 * | `NetworkError` | 502 | `TlsError`, `TransportError`, `EndpointTimeout`; `RejectedByEndpoint` with any other status: a redirect, a 404 |
 * | `ParseError` | 500 | `MalformedResponse`: what came is no token response |
 * | `InternalError` | 500 | a bug |
 *
 * The body of a reply with status 200 is the only place where a token appears. Logs, spans and messages hold none.
 *
 * @since 0.1.0
 */

import type * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Clocks from "effect-bearer/Clocks"
import * as Disclosure from "effect-bearer/Disclosure"
import * as RetryPolicy from "effect-bearer/RetryPolicy"
import * as Secret from "effect-bearer/Secret"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import type { ErrorBody, Options, Reply } from "./dataAction/contract.js"
import * as lazy from "./dataAction/lazy.js"
import * as lifetime from "./dataAction/lifetime.js"
import * as payloads from "./dataAction/payload.js"
import * as replies from "./dataAction/reply.js"
import * as source from "./dataAction/tokens.js"
import type * as GenesysError from "./GenesysError.js"
import * as Limits from "./Limits.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

export type { ErrorBody, ErrorName, Options, Reply, Setting, TokenBody } from "./dataAction/contract.js"

/**
 * What {@link handler} makes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handler {
  (request?: unknown): Effect.Effect<Reply>
}

/**
 * What {@link toPromiseHandler} makes. The promise is never rejected.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseHandler {
  (request?: unknown): Promise<Reply>
  /** Closes everything that the handler uses, for runtimes that say when they stop. */
  readonly dispose: () => Promise<void>
}

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * The default of `Options.retry`: 0.5, 1 and 2 seconds, each with up to half a second of jitter. A `Retry-After` is a
 * minimum; one that leads beyond a minute is not waited for, but passed on in the reply.
 *
 * @since 0.1.0
 * @category constants
 */
export const retryPolicy: RetryPolicy.RetryPolicy<TokenError.Transient> = RetryPolicy.exponentialJitter({
  base: "500 millis",
  jitter: "500 millis",
  maxRetries: 3
})

/**
 * The data action as an Effect. One handler has one cache: make it once, and call it for every request.
 *
 * **Details**
 *
 * - Making it cannot fail either: a setting that is missing is a reply with status 500.
 * - Requests for the same token share one token request, and an interrupted one does not take it from the others. Who is
 *   interrupted has no reply; what is interrupted from inside (a setting, the HTTP client) is a reply with status 500 or
 *   502.
 * - A token that replaced a refused one, and is refused within 5 seconds, is not replaced again.
 * - Exchanged tokens are cached by the very subject token, and may outlive it.
 * - If a `TokenStore` is in the context, tokens are shared through it.
 * - `rateLimit` and `circuitBreaker` are for client credentials and for token exchange each.
 *
 * @example
 * ```ts
 * import { DataAction } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 * import { ClientAuthentication, Secret } from "effect-bearer"
 *
 * const program = Effect.gen(function*() {
 *   const action = yield* DataAction.handler({
 *     tokenEndpoint: "https://login.crm.example/oauth2/token",
 *     clientId: Secret.env("EXTERNAL_CLIENT_ID"),
 *     authentication: ClientAuthentication.post(Secret.env("EXTERNAL_CLIENT_SECRET")),
 *     scopes: "contacts:read contacts:write"
 *   })
 *   const { body, status } = yield* action({ body: "{\"scope\":\"contacts:read\"}" })
 *   return "error" in body ? `${status} ${body.error}: ${body.message}` : `a token for ${body.scope}`
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const handler = (
  options: Options
): Effect.Effect<Handler, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<HttpClient.HttpClient>()
    const tokens = yield* lazy.make(Effect.provide(source.make(options, retryPolicy), context))
    const problems = Settings.problems(ranges, options)
    const limit = Settings.value(ranges.payloadLimit, options.payloadLimit)
    const unknownMembers = options.unknownMembers ?? "refuse"
    const assumedLifetime = options.assumedLifetime === undefined
      ? Option.none()
      : Option.some(Settings.value(ranges.assumedLifetime, options.assumedLifetime))

    const attempt = (request: unknown) =>
      Effect.gen(function*() {
        yield* Settings.report(problems)
        const payload = yield* payloads.decode(request, { limit, unknownMembers })
        yield* Effect.annotateCurrentSpan("data_action.exchange", payload.subject_token !== undefined)
        yield* Effect.annotateLogs(Effect.logDebug("data action called"), "payload", payloads.shown(payload))
        const { allowedScopes, get } = yield* tokens
        yield* payloads.permit(payload, allowedScopes)

        const token = yield* get(payload)
        const remains = lifetime.remainingOf(token, assumedLifetime, yield* Clocks.now)
        const body = replies.granted(token, remains)
        yield* Limits.payload(body, { direction: "response", limit })
        return replies.success(body)
      })

    return (request) =>
      attempt(request).pipe(
        Effect.catchAll((error) => Effect.flatMap(Clock.currentTimeMillis, (now) => refused(failureReply(error, now)))),
        // Who is interrupted from outside does not come here. What is left of interruptions is from inside: a setting that
        // interrupts itself, or shared work that was cut off.
        Effect.catchAllCause((cause) =>
          refused(Cause.isInterruptedOnly(cause) ? cutOff : internalError(Cause.squash(cause)))
        ),
        Effect.tap(({ body, status }) =>
          Effect.annotateCurrentSpan({
            "http.response.status_code": status,
            ...("error" in body ? { "error.type": body.error } : {})
          })
        ),
        Effect.withSpan("DataAction.handler", { captureStackTrace: false })
      )
  })

const ranges = {
  grace: Settings.duration("1 minute"),
  assumedLifetime: Settings.duration("5 minutes", { least: 1 }),
  capacity: Settings.number(10_000, { least: 1 }),
  payloadLimit: Settings.number(Limits.maxPayload, { least: 1 })
}

/**
 * The data action as a plain function, for serverless runtimes. What it stands on is built at the first request and
 * kept for the next ones, so that an instance that is warm replies with the token it holds. If that fails, the reply
 * says so with status 500, and the next request tries again.
 *
 * The layer provides the `HttpClient` and whatever else the handler needs; a `TokenStore`, loggers and a tracer in it
 * are used, too.
 *
 * @example
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { DataAction } from "@effect-bearer/genesys"
 * import { Config, Effect } from "effect"
 * import { ClientAuthentication, Secret } from "effect-bearer"
 *
 * const action = DataAction.toPromiseHandler(
 *   Effect.gen(function*() {
 *     // VAULT_ADDR and VAULT_TOKEN come from the environment
 *     const secret = yield* Secret.vault({ path: "crm/production", field: "client_secret" })
 *     return yield* DataAction.handler({
 *       tokenEndpoint: Config.string("EXTERNAL_TOKEN_ENDPOINT"),
 *       clientId: Config.string("EXTERNAL_CLIENT_ID"),
 *       authentication: ClientAuthentication.basic(secret)
 *     })
 *   }),
 *   FetchHttpClient.layer
 * )
 *
 * // AWS Lambda, behind a function URL or an API Gateway
 * export const lambda = (event: unknown) => action(event).then(DataAction.toLambdaResult)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const toPromiseHandler = <E, R, LE>(
  handler: Effect.Effect<Handler, E, R>,
  layer: Layer.Layer<Exclude<R, Scope.Scope>, LE>
): PromiseHandler => {
  const all = Layer.provideMerge(Layer.scoped(Built, handler), layer)
  let runtime: ManagedRuntime.ManagedRuntime<Built, E | LE> | undefined
  let disposed = false

  const handle = (request?: unknown): Promise<Reply> => {
    if (disposed) {
      return Effect.runPromise(refused(replies.refusal("InternalError", 500, "The handler is disposed of.")))
    }
    const current = runtime ??= ManagedRuntime.make(all)
    return current.runPromiseExit(Effect.flatMap(Built, (handler) => handler(request))).then((exit) => {
      if (Exit.isSuccess(exit)) {
        // the layer of the handler was closed during a request: that is no fault of the configuration
        const wasClosed = disposed && "error" in exit.value.body && exit.value.body.error === "ConfigurationError"
        return wasClosed ? Effect.runPromise(refused(closed)) : exit.value
      }
      // Only building can fail. A runtime remembers that it could not be built.
      if (runtime === current) runtime = undefined
      return current.dispose().then(() => Effect.runPromise(disposed ? refused(closed) : notBuilt(exit.cause)))
    })
  }
  const dispose = (): Promise<void> => {
    disposed = true
    const current = runtime
    runtime = undefined
    return current === undefined ? Promise.resolve() : current.dispose()
  }
  return Object.assign(handle, { dispose })
}

class Built extends Context.Tag("@effect-bearer/genesys/DataAction/Built")<Built, Handler>() {}

// ---------------------------------------------------------------------------------------------------------------
// conversions
// ---------------------------------------------------------------------------------------------------------------

/**
 * The reply to an error of a token source: the table above. `now` is in epoch milliseconds, for `Retry-After`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromTokenError: (error: TokenError.TokenError, now: number) => Reply<ErrorBody> = replies.fromTokenError

/**
 * A reply in the form that AWS Lambda wants it, behind a function URL or an API Gateway.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toLambdaResult = ({ body, headers, status }: Reply): {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
} => ({ statusCode: status, headers, body: JSON.stringify(body) })

// ---------------------------------------------------------------------------------------------------------------

const failureReply = (
  error:
    | TokenError.TokenError
    | payloads.BadPayload
    | payloads.ScopeNotAllowed
    | GenesysError.PayloadTooLarge
    | GenesysError.InvalidCall,
  now: number
): Reply<ErrorBody> => {
  switch (error._tag) {
    case "BadPayload":
      return replies.refusal("BadRequest", 400, error.message)
    case "ScopeNotAllowed":
      return replies.refusal("Forbidden", 403, error.message)
    case "PayloadTooLarge":
      return replies.refusal("PayloadTooLarge", error.direction === "request" ? 413 : 502, error.message)
    case "InvalidCall":
      return internalError(error)
    default:
      return fromTokenError(error, now)
  }
}

/** Of a bug nothing is shown but its kind: what it says may be anything. */
const internalError = (defect: unknown): Reply<ErrorBody> =>
  replies.refusal(
    "InternalError",
    500,
    `The data action died with an unexpected error (${Disclosure.errorName(defect, "of an unknown kind")}).`
  )

const refused = (reply: Reply<ErrorBody>): Effect.Effect<Reply<ErrorBody>> =>
  Effect.as(
    Effect.annotateLogs(
      Effect.logWithLevel(reply.status >= 500 ? LogLevel.Error : LogLevel.Warning, "data action refused"),
      { status: reply.status, error: reply.body.error, detail: reply.body.message }
    ),
    reply
  )

const cutOff = replies.refusal(
  "InternalError",
  500,
  "The data action interrupted itself; its caller did not interrupt it."
)

const closed = replies.refusal("InternalError", 500, "The data action has been shut down.")

const notBuilt = (cause: Cause.Cause<unknown>): Effect.Effect<Reply> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const failure = Cause.failureOption(cause)
    if (Option.isSome(failure) && TokenError.isTokenError(failure.value)) {
      return yield* refused(fromTokenError(failure.value, now))
    }
    return yield* Effect.matchEffect(
      Secret.guarded(Effect.failCause(Cause.isInterrupted(cause) ? Cause.die(cause) : cause), {
        field: "data action",
        name: "something it is made from"
      }),
      {
        onFailure: (error) => refused(fromTokenError(error, now)),
        onSuccess: () => refused(internalError(undefined))
      }
    )
  })
