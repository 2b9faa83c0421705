/**
 * Watches what the library sends: each request is counted under its place, and of each answer the status and the headers
 * are kept. No more than 64 KiB of an answer are let through.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type { ResponseError } from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Counts, Place } from "./report.js"
import { places } from "./report.js"

/** An answer, without its body. */
export interface Answer {
  readonly place: Place
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Epoch milliseconds. */
  readonly sentAt: number
  readonly receivedAt: number
}

const mostBytes = 65_536

const limited = (
  stream: Stream.Stream<Uint8Array, ResponseError>
): Stream.Stream<Uint8Array, ResponseError> =>
  stream.pipe(
    Stream.mapAccum(0, (size, piece) => {
      const total = size + piece.length
      return [total, {
        piece: total > mostBytes ? piece.subarray(0, mostBytes - size) : piece,
        last: total >= mostBytes
      }]
    }),
    Stream.takeUntil(({ last }) => last),
    Stream.map(({ piece }) => piece)
  )

const cut = (response: HttpClientResponse.HttpClientResponse): HttpClientResponse.HttpClientResponse =>
  new Proxy(response, {
    get: (target, key) => key === "stream" ? limited(target.stream) : Reflect.get(target, key, target)
  })

export interface Observer {
  /** The client for one place. */
  readonly at: (place: Place) => HttpClient.HttpClient
  /** A connection was made that carries no request. */
  readonly connected: Effect.Effect<void>
  /** The answers of a place so far, in their order. */
  readonly answers: (place: Place) => ReadonlyArray<Answer>
  readonly counts: () => Counts
  /** Notes a secret that was used or came: the report is searched for it. */
  readonly hide: (secret: Redacted.Redacted) => void
  readonly hidden: () => ReadonlyArray<Redacted.Redacted>
}

export const make = (client: HttpClient.HttpClient): Observer => {
  const counts: Record<Place | "connections", number> = {
    ...Object.fromEntries(places.map((place) => [place, 0])) as Record<Place, number>,
    connections: 0
  }
  const answers: Array<Answer> = []
  const secrets: Array<Redacted.Redacted> = []
  return {
    connected: Effect.sync(() => void counts.connections++),
    answers: (place) => answers.filter((answer) => answer.place === place),
    counts: () => ({ ...counts }),
    hide: (secret) => void secrets.push(secret),
    hidden: () => secrets,
    at: (place) =>
      HttpClient.transform(client, (effect) =>
        Effect.gen(function*() {
          counts[place]++
          const sentAt = yield* Clock.currentTimeMillis
          const response = yield* effect
          answers.push({
            place,
            status: response.status,
            headers: response.headers,
            sentAt,
            receivedAt: yield* Clock.currentTimeMillis
          })
          return cut(response)
        }))
  }
}
