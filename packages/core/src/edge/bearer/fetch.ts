// A `fetch` that adds the token: a client with a bearer around the `fetch` it is given.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
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
import type * as source_ from "../../lifecycle/source.js"
import * as Bytes from "../../values/Bytes.js"
import * as TokenError from "../../values/TokenError.js"
import * as client from "./client.js"
import * as misuse from "./misuse.js"
import type * as options_ from "./options.js"

type Fetch = typeof globalThis.fetch

/** One call of the program's, from its first attempt to its last. */
interface Exchange {
  readonly fetch: Fetch
  readonly url: string
  readonly method: string
  readonly headers: Headers
  /** Says whether the body can be sent again; what is sent is up to `send`. */
  readonly body: HttpBody.HttpBody
  readonly signal: AbortSignal | undefined
  readonly redirect: RequestRedirect | undefined
  /** Sends it to where the program said. */
  readonly send: (init: RequestInit) => Promise<Response>
  /** Its body, for the target of a redirect. */
  readonly again: BodyInit | null | undefined
  /** The response of the last attempt. */
  answer: Response | undefined
}

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
    return async (input, init) => {
      const exchange = await read(fetch, input, init)
      const exit = await Runtime.runPromiseExit(runtime)(
        bearing.execute(requestOf(exchange)).pipe(
          Effect.flatMap((response) => answerOf(exchange, response)),
          Effect.provideService(Present, exchange),
          Effect.provideService(
            FetchHttpClient.RequestInit,
            exchange.redirect === undefined ? {} : { redirect: exchange.redirect }
          )
        ),
        exchange.signal === undefined ? undefined : { signal: exchange.signal }
      )
      if (Exit.isSuccess(exit)) return exit.value
      throw exchange.signal?.aborted === true ? exchange.signal.reason : explained(exchange, failureOf(exit.cause))
    }
  })

/**
 * The client inside. The signal that it is given ends with the `HttpClientResponse`, which the program never sees: the
 * program's own signal is used.
 */
const overFetch = HttpClient.make((request, _url, _signal, fiber) => {
  const exchange: Exchange | undefined = fiber.currentContext.unsafeMap.get(Present.key)
  const redirect: RequestRedirect | undefined = fiber.currentContext.unsafeMap.get(FetchHttpClient.RequestInit.key)
    ?.redirect
  return exchange === undefined ? Effect.dieMessage("a fetch with a bearer was called without a request") : Effect.map(
    Effect.tryPromise({
      try: () =>
        send(exchange, request, {
          headers: new Headers(request.headers),
          ...(redirect === undefined ? {} : { redirect })
        }),
      catch: (cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
    }),
    (response) => {
      exchange.answer = response
      return HttpClientResponse.fromWeb(request, response)
    }
  )
})

/** A redirect that is followed by hand (see `redirects`) has another target or method than the program's request. */
const send = (exchange: Exchange, request: HttpClientRequest.HttpClientRequest, init: RequestInit) => {
  // where `fetch` follows by itself, there is no other target
  if (init.redirect !== "manual") return exchange.send(init)
  const target = hrefOf(request)
  return target === hrefOf(requestOf(exchange)) && request.method === exchange.method
    ? exchange.send(init)
    : exchange.fetch(target, {
      ...init,
      method: request.method,
      ...(request.body._tag === "Empty" ? {} : { body: exchange.again ?? null }),
      ...(exchange.signal === undefined ? {} : { signal: exchange.signal })
    })
}

const hrefOf = (request: HttpClientRequest.HttpClientRequest): string =>
  Option.match(HttpClientRequest.toUrl(request), { onNone: () => request.url, onSome: ({ href }) => href })

const requestOf = ({ body, headers, method, url }: Exchange): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(method as HttpMethod)(url, { headers: Object.fromEntries(headers), body })

const isRequest = (input: unknown): input is Request => typeof Request === "function" && input instanceof Request

const read = (fetch: Fetch, input: string | URL | Request, init: RequestInit = {}): Exchange | Promise<Exchange> => {
  if (isRequest(input)) return fromRequest(fetch, new Request(input, init))
  const { body, signal } = init
  return {
    fetch,
    url: String(input),
    method: (init.method ?? "GET").toUpperCase(),
    headers: new Headers(init.headers),
    body: body === undefined || body === null ? HttpBody.empty : HttpBody.raw(isRepeatable(body) ? "" : body),
    signal: signal ?? undefined,
    redirect: init.redirect,
    send: (changed) => fetch(input, { ...init, ...changed }),
    again: body,
    answer: undefined
  }
}

/** Bodies that `fetch` does not use up. */
const isRepeatable = (body: unknown): boolean =>
  typeof body === "string" || body instanceof ArrayBuffer || ArrayBuffer.isView(body) ||
  body instanceof URLSearchParams || body instanceof FormData || body instanceof Blob

/** The body of a `Request` can be sent once; up to so many bytes of it are kept for a second time. */
const mostKept = 1024 * 1024

const fromRequest = async (fetch: Fetch, request: Request): Promise<Exchange> => {
  const body = request.body === null ? undefined : await firstBytes(request.clone())
  return {
    fetch,
    url: request.url,
    method: request.method,
    headers: request.headers,
    body: request.body === null ? HttpBody.empty : HttpBody.raw(body === undefined ? request.body : ""),
    signal: request.signal,
    redirect: request.redirect,
    send: (changed) =>
      fetch(new Request(request, body === undefined ? changed : { ...changed, body: body as BodyInit })),
    again: body as BodyInit | undefined,
    answer: undefined
  }
}

/** The body, or `undefined` if it is too long to be kept. */
const firstBytes = async (copy: Request): Promise<Uint8Array | undefined> => {
  const reader = copy.body!.getReader()
  const chunks: Array<Uint8Array> = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > mostKept) {
      // the promise of a copy settles only when the other one is cancelled too
      void reader.cancel().catch(() => {})
      return undefined
    }
    chunks.push(value)
  }
  return Bytes.concat(chunks)
}

/** The response as `fetch` gave it, or, if its body was read meanwhile, one with the body that was kept. */
const answerOf = (
  { answer = Response.error() }: Exchange,
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Response> =>
  answer.bodyUsed
    ? Effect.map(keptBody(response), (body) =>
      new Response(isNull(answer.status) ? null : body, {
        status: answer.status,
        statusText: answer.statusText,
        headers: answer.headers
      }))
    : Effect.succeed(answer)

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
  TokenError.isTokenError(error) && error._tag === "InvalidConfiguration" && !URL.canParse(url)
    ? misuse.relativeFetch(url)
    : error
