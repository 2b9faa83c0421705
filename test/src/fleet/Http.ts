/** What goes over the wire, for processes that ask the endpoint in the way of the real ones. */
import type { HttpClientRequest } from "@effect/platform"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Effect, Stream } from "effect"

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** A client without a socket: its responses are streams of Effect, so that no promise is involved. */
export const client = (ask: (form: URLSearchParams) => Effect.Effect<Reply>): HttpClient.HttpClient =>
  HttpClient.make((request) =>
    Effect.map(ask(formOf(request)), ({ body, headers, status }) => {
      const bytes = new TextEncoder().encode(JSON.stringify(body))
      const head = new Response(null, { status, headers: { "content-type": "application/json", ...headers } })
      return Object.create(HttpClientResponse.fromWeb(request, head), {
        stream: { value: Stream.succeed(bytes) }
      }) as HttpClientResponse.HttpClientResponse
    })
  )

const formOf = ({ body }: HttpClientRequest.HttpClientRequest): URLSearchParams =>
  new URLSearchParams(body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "")
