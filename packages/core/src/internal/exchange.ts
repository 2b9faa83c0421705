import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TokenError from "../TokenError.js"
import type { Reply } from "../TokenResponse.js"
import * as body from "./body.js"
import type { Timeouts } from "./checks.js"
import * as refusal from "./refusal.js"
import type { Scrub } from "./scrub.js"
import * as transport from "./transport.js"
import { version } from "./version.js"

/** One request of which nothing may become known but where it went. */
export interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  /** Origin and path, for errors. */
  readonly endpoint: string
  /** The option that holds the URL, for errors. */
  readonly field: string
  readonly timeout: Timeouts
  readonly scrub: Scrub
}

/** What came back, and when; epoch milliseconds. */
export interface Answer {
  readonly reply: Reply
  readonly sentAt: number
  readonly receivedAt: number
}

/** Sends what the library itself has to say to a server. The limit in total is the caller's, see {@link deadline}. */
export type Exchange = (call: Call) => Effect.Effect<Answer, TokenError.RequestError>

/** A browser says who it is by itself, and asks permission across origins for anything else. */
const userAgent: ReadonlyArray<readonly [string, string]> = "document" in globalThis
  ? []
  : [["user-agent", `effect-bearer/${version}`]]

/** How long the body of an error is waited for when its status says enough. */
const grace = Duration.seconds(1)

/** Takes the client it is given, without tracing and without redirects. */
export const make: Effect.Effect<Exchange, never, HttpClient.HttpClient> = Effect.gen(function*() {
  const client = HttpClient.withTracerPropagation(
    HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true),
    false
  )
  const requestInit = Option.getOrElse(yield* Effect.serviceOption(FetchHttpClient.RequestInit), () => ({}))

  return Effect.fnUntraced(function*({ endpoint, field, request, scrub, timeout }: Call) {
    const sentAt = yield* Clock.currentTimeMillis
    const fail = (cause: Cause.Cause<unknown>) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Effect.fail(transport.toTokenError(cause, endpoint, Duration.millis(now - sentAt), scrub, field))
      )
    const outgoing = HttpClientRequest.setHeaders(request, [
      ["accept", "application/json"],
      ...userAgent,
      ...Object.entries(request.headers)
    ])
    const response = yield* Effect.suspend(() => client.execute(outgoing)).pipe(
      Effect.provideService(FetchHttpClient.RequestInit, { ...requestInit, redirect: "manual" }),
      // a client decorated with filterStatus fails with the response inside
      Effect.catchAll((error) => error._tag === "ResponseError" ? Effect.succeed(error.response) : Effect.fail(error)),
      Effect.catchAllCause((cause) => Cause.isInterruptedOnly(cause) ? Effect.interrupt : fail(cause)),
      deadline("connect", timeout.connect, endpoint)
    )
    const receivedAt = yield* Clock.currentTimeMillis
    yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)

    const { bytes, overflow } = yield* readBody(response, timeout.read).pipe(
      Effect.catchAll((broken) =>
        broken._tag === "Silence"
          ? Effect.fail(new TokenError.EndpointTimeout({ endpoint, phase: "read", limit: timeout.read }))
          : fail(Cause.fail(broken.cause))
      )
    )
    return {
      reply: { status: response.status, headers: response.headers, body: bytes, overflow },
      sentAt,
      receivedAt
    }
  })
})

const readBody = (
  response: HttpClientResponse.HttpClientResponse,
  limit: Duration.Duration
): Effect.Effect<body.Body, body.Broken> =>
  refusal.speaksForItself(response.status)
    ? body.read(response, limit).pipe(
      Effect.timeout(grace),
      Effect.orElseSucceed(() => ({ bytes: new Uint8Array(0), overflow: false }))
    )
    : body.read(response, limit)

/**
 * The limit holds even where the caller cannot be interrupted and where the client is slow to give up: the exchange
 * is let go, not waited for.
 */
export const deadline = (
  phase: TokenError.EndpointTimeout["phase"],
  limit: Option.Option<Duration.Duration>,
  endpoint: string
) =>
<A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E | TokenError.EndpointTimeout> =>
  Option.match(limit, {
    onNone: () => self,
    onSome: (limit) =>
      Effect.timeoutFail(Effect.interruptible(Effect.disconnect(self)), {
        duration: limit,
        onTimeout: () => new TokenError.EndpointTimeout({ endpoint, phase, limit })
      })
  })

/** A span that shows where a call went and how it ended, and nothing of what was said. */
export const traced =
  (name: string, url: URL, attributes: Readonly<Record<string, string>> = {}) =>
  <A, R>(self: Effect.Effect<A, TokenError.RequestError, R>): Effect.Effect<A, TokenError.RequestError, R> =>
    self.pipe(
      Effect.tapError((error) =>
        Effect.annotateCurrentSpan("oauth.error", error._tag === "OAuthError" ? error.error : error._tag)
      ),
      Effect.withSpan(name, {
        kind: "client",
        captureStackTrace: false,
        attributes: { ...attributes, "server.address": url.hostname }
      })
    ) as Effect.Effect<A, TokenError.RequestError, R>
