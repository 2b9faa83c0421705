/**
 * Sends the library's own requests: to token endpoints, to introspection and revocation, for metadata and key sets, and
 * to a vault. Requests of the program (`BearerAuth`) do not use it.
 *
 * **The rule.** Every request of the library's own is made and sent by {@link make}, in all packages. So each of them
 * uses the `HttpClient` that the program gave, with the program's `FetchHttpClient.RequestInit`; follows no redirect;
 * is not answered from a cache; makes no span of the HTTP client, sends no trace headers and logs no failure; ends at
 * its time limits; reads at most 1 MiB of the response, counted after decompression; and fails with a
 * {@link TokenError.RequestError} that keeps nothing of the request.
 *
 * **Limit.** A client can follow redirects by itself, and carries the secret along: a `FetchHttpClient.Fetch` or a
 * dispatcher that follows, a `FetchHttpClient.RequestInit` that is set inside an `HttpClient.transform`, or
 * `HttpClient.followRedirects`. If the response says so, it is a {@link TokenError.MalformedResponse} and never used; but
 * nothing here can see `HttpClient.followRedirects`. Give token sources the client without it, and put it around the
 * client of the program's own requests only.
 *
 * @since 0.1.0
 */

import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Clocks from "../values/Clocks.js"
import * as SharedWork from "../values/SharedWork.js"
import * as TokenError from "../values/TokenError.js"
import * as urls from "../values/urls.js"
import * as Disclosure from "./Disclosure.js"
import * as body from "./request/body.js"
import * as contentCoding from "./request/contentCoding.js"
import * as proxyRefusal from "./request/proxyRefusal.js"
import * as redirects from "./request/redirects.js"
import * as transport from "./request/transportFailure.js"
import { version } from "./request/version.js"
import * as statuses from "./statuses.js"
import type { Reply } from "./TokenResponse.js"

/**
 * Limits that have been checked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** From sending to the last byte. */
  readonly total: Option.Option<Duration.Duration>
  /** Until the head of the response is there. */
  readonly connect: Option.Option<Duration.Duration>
  /** The longest silence between two pieces of the body. */
  readonly read: Duration.Duration
}

/**
 * One request. Only its endpoint may be shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly request: HttpClientRequest.HttpClientRequest
  /** Origin and path, for errors. */
  readonly endpoint: string
  /** The option that holds the URL, for errors: `"jwksUri"`. */
  readonly field: string
  /** A duration is the total limit; there is no other limit then. */
  readonly timeout: Duration.Duration | Timeouts
  /** The secrets of the request, which no error may show. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/**
 * The response, and when it came; epoch milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly reply: Reply
  readonly sentAt: number
  readonly receivedAt: number
}

/**
 * Sends one request. A response of any status is a success, except that of a proxy.
 *
 * @since 0.1.0
 * @category models
 */
export type Send = (options: Options) => Effect.Effect<Answer, TokenError.RequestError>

/** Before a browser sends headers other than its own to another origin, it asks the server for permission. */
const isBrowser = "document" in globalThis || "importScripts" in globalThis

/**
 * Default headers. `identity`: not every client of the platform decompresses. `no-store`: there may be a cache between
 * this program and the server. A browser adds the headers that match `cache: "no-store"` by itself.
 */
const defaults: ReadonlyArray<readonly [string, string]> = [
  ["accept", "application/json"],
  ...isBrowser ? [] : [
    ["user-agent", `effect-bearer/${version}`],
    ["accept-encoding", "identity"],
    ["cache-control", "no-store"]
  ] as const
]

/** Cloudflare Workers before the compatibility date 2024-11-11 throw for a request that names a cache mode. */
const knowsCacheModes = (): boolean => {
  try {
    return new Request("https://host.invalid", { cache: "no-store" }).cache === "no-store"
  } catch {
    return false
  }
}

/** How long to wait for the body of an error whose status says enough. */
const grace = Duration.seconds(1)

const requestInit: Effect.Effect<RequestInit> = Effect.map(
  Effect.serviceOption(FetchHttpClient.RequestInit),
  Option.getOrElse((): RequestInit => ({}))
)

/**
 * Uses the given `HttpClient` with its decorations. Settings for `fetch` from `FetchHttpClient.RequestInit`, present
 * here, where the request is sent or inside the client, are kept and win over the defaults of this module; only
 * `redirect` is always `"manual"`.
 *
 * @example
 * ```ts
 * import { OwnRequest } from "effect-bearer"
 * import { HttpClientRequest } from "@effect/platform"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const send = yield* OwnRequest.make
 *   const { reply } = yield* send({
 *     request: HttpClientRequest.get("https://login.example.com/.well-known/jwks.json"),
 *     endpoint: "https://login.example.com/.well-known/jwks.json",
 *     field: "jwksUri",
 *     timeout: Duration.seconds(10)
 *   })
 *   return reply.status
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Send, never, HttpClient.HttpClient> = Effect.gen(function*() {
  const outer = yield* requestInit
  let cacheMode: RequestInit | undefined
  /** Found out at the first request: Node.js loads its `fetch` for it, which a token from a store does not need. */
  const withoutCache = (): RequestInit => cacheMode ??= knowsCacheModes() ? { cache: "no-store" } : {}

  const client = HttpClient.withTracerPropagation(
    HttpClient.withTracerDisabledWhen(yield* HttpClient.HttpClient, () => true),
    false
  ).pipe((client) =>
    redirects.lastSaid(client, (request, given) => {
      const init: RequestInit = { ...withoutCache(), ...outer, ...given, redirect: "manual" }
      const said = init.headers === undefined ? Headers.empty : Headers.fromInput(init.headers as Headers.Input)
      return [
        HttpClientRequest.setHeaders(request, [
          ...defaults.filter(([name]) => !Headers.has(said, name)),
          ...Object.entries(request.headers)
        ]),
        init
      ]
    })
  )

  const exchange = Effect.fnUntraced(function*({ endpoint, field, request, secrets = [], timeout }: Options & Limited) {
    const sent = yield* Clocks.now
    const fail = (phase: transport.Phase) => (cause: Cause.Cause<unknown>) =>
      Effect.flatMap(Clocks.now, (now) => {
        const took = Duration.millis(now.steady - sent.steady)
        return Effect.fail(transport.toTokenError(cause, endpoint, took, Disclosure.make(secrets), field, phase))
      })
    const response = yield* Effect.suspend(() => client.execute(request)).pipe(
      // a client decorated with `filterStatus` fails with an error that holds the response
      Effect.catchAll((error) => error._tag === "ResponseError" ? Effect.succeed(error.response) : Effect.fail(error)),
      // a caller who is interrupted does not come here: what is interrupted is the client, from inside
      Effect.catchAllCause(fail("before the head")),
      deadline("connect", timeout.connect, endpoint)
    )
    const received = yield* Clocks.now
    yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)
    const elsewhere = redirects.elsewhere(response)
    if (elsewhere !== undefined) return yield* wentElsewhere(response, elsewhere, endpoint, Disclosure.make(secrets))

    const raw = yield* readBody(response, timeout.read).pipe(
      Effect.catchAll((broken) =>
        broken._tag === "Silence"
          ? Effect.fail(new TokenError.EndpointTimeout({ endpoint, phase: "read", limit: timeout.read }))
          : transport.isDecompression(broken.cause)
          ? Effect.succeed("damaged" as const)
          : fail("in the body")(Cause.fail(broken.cause))
      )
    )
    if (response.status === 407) {
      const name = Disclosure.make(secrets).text(proxyRefusal.nameOf(response.headers["proxy-authenticate"]), 150)
      return yield* Effect.fail(proxyRefusal.ofStatus(endpoint, response.status, name))
    }
    const { bytes, compressed, overflow } = yield* plain(response, raw, endpoint)
    const now = yield* Clocks.now
    return {
      reply: { status: response.status, headers: response.headers, body: bytes, overflow, compressed },
      // the clock may have been set meanwhile: all moments are those of the clock that the caller has now
      sentAt: Clocks.wallOf(sent, now),
      receivedAt: Clocks.wallOf(received, now)
    }
  })

  return (options) => {
    const timeout = timeouts(options.timeout)
    return deadline("total", timeout.total, options.endpoint)(exchange({ ...options, timeout }))
  }
})

/** An answer of another place is not used, whatever its status: a stranger may have written it. */
const wentElsewhere = (
  { headers, status }: HttpClientResponse.HttpClientResponse,
  url: string,
  endpoint: string,
  disclosure: Disclosure.Disclosure
) =>
  Effect.fail(
    new TokenError.MalformedResponse({
      endpoint,
      status,
      contentType: Disclosure.contentType(headers["content-type"]),
      detail:
        `the HTTP client followed a redirect to ${disclosure.name(urls.parse(url)?.origin ?? "another URL")} by ` +
        "itself, so this answer is not used, and the secrets of the request may have gone there: configure the final " +
        "URL, give the library a client (its fetch, its dispatcher) that follows no redirects, and change the secret " +
        "unless that place may know it",
      excerpt: ""
    })
  )

interface Limited {
  readonly timeout: Timeouts
}

const timeouts = (given: Options["timeout"]): Timeouts =>
  Duration.isDuration(given)
    ? { total: Option.some(given), connect: Option.none(), read: Duration.infinity }
    : given

const readBody = (
  response: HttpClientResponse.HttpClientResponse,
  limit: Duration.Duration
): Effect.Effect<body.Body, body.Broken> =>
  statuses.speaksForItself(response.status)
    ? body.read(response, limit).pipe(
      Effect.timeout(grace),
      Effect.orElseSucceed(() => body.empty)
    )
    : body.read(response, limit)

/** The decompressed body. A body that cannot be decompressed is an error if the caller needs the body. */
const plain = (
  response: HttpClientResponse.HttpClientResponse,
  raw: body.Body | "damaged",
  endpoint: string
): Effect.Effect<body.Body & Pick<Reply, "compressed">, TokenError.MalformedResponse> => {
  const header = response.headers["content-encoding"]
  const undone = raw === "damaged"
    ? Effect.succeed(contentCoding.damaged(header))
    : contentCoding.undo(raw.bytes, header)
  return Effect.flatMap(undone, (undone) => {
    const overflow = raw !== "damaged" && raw.overflow
    if (undone._tag === "Plain") {
      return Effect.succeed({ bytes: undone.bytes, overflow: overflow || undone.overflow })
    }
    if (overflow || !statuses.isSuccess(response.status)) {
      return Effect.succeed({ bytes: body.empty.bytes, overflow, compressed: undone.coding })
    }
    return Effect.fail(
      new TokenError.MalformedResponse({
        endpoint,
        status: response.status,
        contentType: Disclosure.contentType(response.headers["content-type"]),
        detail: undone.why === "damaged"
          ? `the reply is compressed (${undone.coding}) and cut short or damaged` +
            (raw === "damaged" ? ", or it is not compressed, although its content-encoding says so" : "")
          : `the reply is compressed (${undone.coding}), although "accept-encoding: identity" was sent, and this ` +
            "runtime cannot decompress that: switch it off at the server or the proxy that does it",
        excerpt: ""
      })
    )
  })
}

/**
 * A time limit that holds even if the caller cannot be interrupted and the client is slow to stop: the exchange is no
 * longer waited for.
 *
 * @since 0.1.0
 * @category combinators
 */
export const deadline = (
  phase: TokenError.EndpointTimeout["phase"],
  limit: Option.Option<Duration.Duration>,
  endpoint: string
) =>
<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | TokenError.EndpointTimeout, R> =>
  Option.match(limit, {
    onNone: () => Disclosure.unlogged(self),
    onSome: (limit) =>
      Disclosure.unlogged(Effect.zipRight(
        SharedWork.expect(limit),
        Effect.timeoutFail(Effect.interruptible(Effect.disconnect(self)), {
          duration: limit,
          onTimeout: () => new TokenError.EndpointTimeout({ endpoint, phase, limit })
        })
      ))
  })

/**
 * Lets `fetch` follow no redirect while the effect runs, whatever `FetchHttpClient.RequestInit` says around it; `"error"`
 * stays. A `RequestInit` that a client sets inside wins over it: {@link clientWithoutRedirects} knows that too.
 *
 * @example
 * ```ts
 * import { OwnRequest } from "effect-bearer"
 * import { HttpClient } from "@effect/platform"
 *
 * const response = OwnRequest.withoutRedirects(HttpClient.get("https://api.example.com/files/1")) // a 302 as it came
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutRedirects = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(self, (context: Context.Context<R>) => {
    const given = Option.getOrElse(Context.getOption(context, FetchHttpClient.RequestInit), (): RequestInit => ({}))
    return Context.add(context, FetchHttpClient.RequestInit, manual(given))
  })

/**
 * The client whose `fetch` follows no redirect, whatever `FetchHttpClient.RequestInit` says, around the client or inside
 * it; `"error"` stays. For clients that add what must not go to another origin: each hop is then a request of its own. A
 * `FetchHttpClient.Fetch` or a dispatcher that follows by itself is not kept from it, nor is a `RequestInit` that is set
 * inside an `HttpClient.transform`.
 *
 * @example
 * ```ts
 * import { OwnRequest } from "effect-bearer"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = OwnRequest.clientWithoutRedirects(yield* HttpClient.HttpClient)
 *   return yield* client.get("https://api.example.com/files/1") // a 302 as it came
 * })
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const clientWithoutRedirects = <E, R>(
  self: HttpClient.HttpClient.With<E, R>
): HttpClient.HttpClient.With<E, R> => redirects.lastSaid(self, (request, given) => [request, manual(given)])

const manual = (given: RequestInit): RequestInit => ({
  ...given,
  redirect: given.redirect === "error" ? "error" : "manual"
})
