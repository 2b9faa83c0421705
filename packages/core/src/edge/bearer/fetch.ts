// A `fetch` that adds the token: a client with a bearer around the `fetch` it is given.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as source_ from "../../lifecycle/source.js"
import * as TokenError from "../../values/TokenError.js"
import * as urls from "../../values/urls.js"
import * as client from "./client.js"
import type { Exchange, Fetch } from "./fetch/exchange.js"
import { read } from "./fetch/exchange.js"
import * as misuse from "./misuse.js"
import type * as options_ from "./options.js"
import * as redirects from "./redirects.js"

class Present extends Context.Reference<Present>()("effect-bearer/BearerAuth/Exchange", {
  defaultValue: (): Exchange | undefined => undefined
}) {}

/** See `BearerAuth.withFetch`. */
export const make = <E>(
  source: source_.With<E>,
  options: options_.Options,
  fetch: Fetch
): Effect.Effect<Fetch> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const bearing = client.make(overFetch, source, options, undefined)
    const run = Runtime.runPromiseExit(runtime)
    return async (input, init) => {
      const exchange = read(fetch, input, init)
      const { signal } = exchange
      const isAborted = () => signal?.aborted === true
      try {
        if (isAborted()) throw signal?.reason
        const exit = await run(call(bearing, exchange), signal === undefined ? undefined : { signal })
        if (Exit.isSuccess(exit)) return exit.value
        throw isAborted() ? signal?.reason : explained(exchange, failureOf(exit.cause))
      } finally {
        exchange.release(signal?.reason)
      }
    }
  })

/**
 * Calls are made by programs that know no fibers, long after the region that made the `fetch`: they can be interrupted,
 * even if that region could not, and their spans are not children of its span, which has ended.
 */
const call = <E>(bearing: HttpClient.HttpClient.With<E>, exchange: Exchange): Effect.Effect<Response, unknown> =>
  bearing.execute(requestOf(exchange)).pipe(
    Effect.flatMap((response) => answerOf(exchange, response)),
    Effect.provideService(Present, exchange),
    Effect.provideService(
      FetchHttpClient.RequestInit,
      exchange.redirect === undefined ? {} : { redirect: exchange.redirect }
    ),
    Effect.mapInputContext((context: Context.Context<never>) => Context.omit(Tracer.ParentSpan)(context)),
    Effect.interruptible
  )

/**
 * The client inside. The signal that it is given ends with the `HttpClientResponse`, which the program never sees: the
 * program's own signal is used. A `fetch` is expected to add no headers, so there are none of the tracer's.
 */
const overFetch = HttpClient.withTracerPropagation(
  HttpClient.make((request, _url, _signal, fiber) => {
    const context = fiber.currentContext
    const exchange: Exchange | undefined = context.unsafeMap.get(Present.key)
    const redirect: RequestRedirect | undefined = context.unsafeMap.get(FetchHttpClient.RequestInit.key)?.redirect
    if (exchange === undefined) return Effect.dieMessage("a fetch with a bearer was called without a request")
    exchange.hops = redirects.hopsOf(context)
    exchange.stopsAtRedirect = redirect === "manual" && exchange.redirect !== "manual"
    return Effect.map(
      Effect.tryPromise({
        try: () => send(exchange, request, redirect),
        catch: (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
      }),
      (response) => {
        exchange.answer = response
        return HttpClientResponse.fromWeb(request, response)
      }
    )
  }),
  false
)

/** A redirect that is followed by hand (see `redirects`) has another target or method than the program's request. */
const send = (
  exchange: Exchange,
  request: HttpClientRequest.HttpClientRequest,
  redirect: RequestRedirect | undefined
): Promise<Response> => {
  const init = { headers: new Headers(request.headers), ...(redirect === undefined ? {} : { redirect }) }
  return exchange.hops === 0
    ? exchange.send(init)
    : exchange.sendTo(hrefOf(request), { ...init, method: request.method }, request.body._tag !== "Empty")
}

const hrefOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: ({ href }) => href })

const requestOf = ({ body, headers, method, url }: Exchange): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(method as HttpMethod)(url, { headers: Object.fromEntries(headers), body })

/** The response as `fetch` gave it, or, if its body was read meanwhile, one with the body that was kept. */
const answerOf = (
  { answer = Response.error(), hops, stopsAtRedirect }: Exchange,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Response, TypeError> => {
  if (stopsAtRedirect && redirects.isRedirect(answer.status) && answer.headers.has("location")) {
    void answer.body?.cancel().catch(() => {})
    return Effect.fail(new TypeError(redirects.unfollowed))
  }
  const redirected = hops > 0 || answer.redirected
  if (!answer.bodyUsed) {
    return Effect.succeed(redirected === answer.redirected ? answer : saying(answer, { redirected }))
  }
  return Effect.map(keptBody(response), (body) =>
    saying(
      new Response(isNull(answer.status) ? null : body, {
        status: answer.status,
        statusText: answer.statusText,
        headers: answer.headers
      }),
      { redirected, url: answer.url, type: answer.type }
    ))
}

/** What no `Response` that a program makes can say. */
const saying = (response: Response, facts: Partial<Response>): Response => {
  for (const [name, value] of Object.entries(facts)) {
    Object.defineProperty(response, name, { value, configurable: true })
  }
  return response
}

/** A `Response` with one of these must not have a body. */
const isNull = (status: number): boolean => [101, 204, 205, 304].includes(status)

/** A rule of the program's may have read the body as a text; what was read to renew the token is there in any form. */
const keptBody = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<BodyInit> =>
  response.arrayBuffer.pipe(
    Effect.orElse((): Effect.Effect<BodyInit, unknown> => response.text),
    // who reads it is told why it is gone
    Effect.catchAll(() => Effect.succeed(Stream.toReadableStream(response.stream)))
  )

/** What a caller of `fetch` catches: the error of `fetch` itself, or of the source. */
const failureOf = (cause: Cause.Cause<unknown>): unknown =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => Cause.squash(cause),
    onSome: (error) =>
      HttpClientError.isHttpClientError(error) && error._tag === "RequestError" && error.cause instanceof Error
        ? error.cause
        : error
  })

/** The error of a relative URL has the advice for a client of Effect; whoever calls `fetch` has other means. */
const explained = ({ url }: Exchange, error: unknown): unknown =>
  TokenError.isTokenError(error) && error._tag === "InvalidConfiguration" && urls.parse(url) === undefined
    ? misuse.relativeFetch(url)
    : error
