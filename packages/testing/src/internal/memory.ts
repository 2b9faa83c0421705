// An `HttpClient` that the scriptable server answers in memory.
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as desk from "./desk.js"

/** A client that answers by itself. Its responses are Effect streams, not web streams: nothing leaves the fiber. */
export const client = (state: desk.Desk): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    Effect.flatMap(
      desk.serve(state, {
        method: request.method,
        url: url.href,
        headers: { ...request.headers },
        body: text(request)
      }),
      (reply) => {
        switch (reply._tag) {
          case "Respond":
            return Effect.succeed(response(state, request, reply))
          case "Hang":
            return Effect.never
          case "Reset":
            return Effect.fail(transport(request, reply.code))
          case "Raw":
            return Effect.fail(transport(request, "ECONNRESET"))
        }
      }
    )
  )

const text = (request: HttpClientRequest.HttpClientRequest): string =>
  request.body._tag === "Uint8Array"
    ? new TextDecoder().decode(request.body.body)
    : request.body._tag === "Raw" && typeof request.body.body === "string"
    ? request.body.body
    : ""

const failure = (code: string) => Object.assign(new Error(`read ${code}`), { code })

const transport = (request: HttpClientRequest.HttpClientRequest, code: string) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause: failure(code) })

const bytes = (piece: string | Uint8Array) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece

const response = (
  state: desk.Desk,
  request: HttpClientRequest.HttpClientRequest,
  reply: Extract<desk.Settled, { readonly _tag: "Respond" }>
): HttpClientResponse.HttpClientResponse => {
  const pause = Duration.greaterThan(reply.interval, Duration.zero) ? Effect.sleep(reply.interval) : Effect.void
  const pieces = Stream.fromIterable(reply.body).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((piece) =>
      Effect.map(pause, () => {
        const out = bytes(piece)
        state.bytesSent += out.length
        return out
      })
    )
  )
  const reset = Stream.suspend(() =>
    Stream.fail(
      new HttpClientError.ResponseError({ request, response: self, reason: "Decode", cause: failure("ECONNRESET") })
    )
  )
  const stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError> = reply.end === "complete"
    ? pieces
    : Stream.concat(pieces, reply.end === "hang" ? Stream.never : reset)
  const whole = Effect.map(Stream.runCollect(stream), (all) => {
    const parts = Chunk.toReadonlyArray(all)
    const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
    parts.reduce((at, part) => (out.set(part, at), at + part.length), 0)
    return out
  })
  const string = Effect.map(whole, (all) => new TextDecoder().decode(all))
  const value = <A>(value: A) => ({ value, enumerable: false })
  // a web Response refuses statuses outside 200..599 and odd headers; tests need those too
  const self: HttpClientResponse.HttpClientResponse = Object.create(
    HttpClientResponse.fromWeb(request, new Response(null)),
    {
      status: value(reply.status),
      headers: value(Headers.fromInput(reply.headers)),
      stream: value(stream),
      text: value(string),
      json: value(Effect.map(string, (all) => all === "" ? null : JSON.parse(all))),
      arrayBuffer: value(Effect.map(whole, (all) => all.buffer)),
      urlParamsBody: value(Effect.map(string, (all) => UrlParams.fromInput(new URLSearchParams(all))))
    }
  )
  return self
}
