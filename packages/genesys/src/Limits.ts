/**
 * The limits that data actions live with, as decorators of any `HttpClient`: 5 seconds for a call, 32 KB for a payload.
 * What exceeds them is an error that says so, and never a payload that was cut.
 *
 * `GenesysCloud`'s own client has its time already; these are for the systems a data action talks to.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Clocks from "effect-bearer/Clocks"
import * as Disclosure from "effect-bearer/Disclosure"
import * as Settings from "effect-bearer/Settings"
import * as GenesysError from "./GenesysError.js"
import * as body from "./internal/body.js"
import * as deadline from "./internal/deadline.js"
import * as disclosures from "./internal/disclosure.js"
import * as transport from "./internal/transport.js"

/**
 * What a payload of a data action may have: 32 KB, in bytes.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxPayload = 32_768

/**
 * The time a call may take: 5 seconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxDuration: Duration.Duration = Duration.seconds(5)

/**
 * The JSON of a value, if it is not larger than a payload may be. The size is that of the UTF-8 text.
 *
 * @example
 * ```ts
 * import { Limits } from "@effect-bearer/genesys"
 *
 * const body = Limits.payload({ interactionId: "42" }, { direction: "response" })
 * ```
 *
 * @since 0.1.0
 * @category payloads
 */
export const payload = (
  value: unknown,
  options: {
    readonly direction: "request" | "response"
    /** Bytes. Default 32 768. */
    readonly limit?: number | undefined
  }
): Effect.Effect<string, GenesysError.PayloadTooLarge | GenesysError.InvalidCall> =>
  Effect.flatMap(
    Effect.try({
      try: () => JSON.stringify(value) as string | undefined,
      catch: () => new GenesysError.InvalidCall({ field: "payload", detail: "it cannot be written as JSON" })
    }),
    (json): Effect.Effect<string, GenesysError.PayloadTooLarge | GenesysError.InvalidCall> =>
      json === undefined
        ? Effect.fail(new GenesysError.InvalidCall({ field: "payload", detail: "it has no JSON" }))
        : text(json, options)
  )

/**
 * {@link payload} for text that is JSON already.
 *
 * @since 0.1.0
 * @category payloads
 */
export const text = (
  json: string,
  options: { readonly direction: "request" | "response"; readonly limit?: number | undefined }
): Effect.Effect<string, GenesysError.PayloadTooLarge> => {
  const limit = Settings.value(ranges.limit, options.limit)
  const size = bytesOf(json)
  return Effect.zipRight(
    Settings.warn(Settings.problems({ limit: ranges.limit }, options)),
    size > limit
      ? Effect.fail(new GenesysError.PayloadTooLarge({ direction: options.direction, size, limit }))
      : Effect.succeed(json)
  )
}

const ranges = {
  limit: Settings.number(maxPayload, { least: 1 }),
  timeout: Settings.duration(maxDuration, { least: 1, unlimited: true })
}

/** Warns once, when the client is first used: making it is no effect. */
const warned = (name: keyof typeof ranges, given: unknown): Effect.Effect<void> => {
  let problems = Settings.problems({ [name]: ranges[name] }, { [name]: given })
  return Effect.suspend(() => {
    const found = problems
    problems = []
    return Settings.warn(found)
  })
}

/**
 * A client that sends no body and hands on no response larger than `limit` bytes (default 32 768). A response is read
 * to its end, or to the limit, before it is handed on.
 *
 * **Gotchas**
 *
 * - A request body is not measured where its length is not known before it is sent: a stream, and an
 *   `HttpBody.raw` of anything but text, bytes, a `Blob`, `URLSearchParams` or `FormData`, unless a content length is
 *   stated with it.
 * - Of `FormData` names, file names and contents are counted, but not the lines between the parts: up to some hundred
 *   bytes a part go along unnoticed.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Limits } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 *
 * const downstream = Effect.map(HttpClient.HttpClient, (client) =>
 *   client.pipe(Limits.withTimeout(), Limits.withPayloadLimit()))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPayloadLimit = (limit: number = maxPayload) =>
<E, R>(
  self: HttpClient.HttpClient.With<E, R>
): HttpClient.HttpClient.With<
  E | GenesysError.PayloadTooLarge | GenesysError.ApiTimeout | GenesysError.ApiUnreachable,
  R
> => {
  const most = Math.floor(Settings.value(ranges.limit, limit))
  const warning = warned("limit", limit)
  return HttpClient.makeWith<
    never,
    never,
    E | GenesysError.PayloadTooLarge | GenesysError.ApiTimeout | GenesysError.ApiUnreachable,
    R
  >(
    Effect.flatMap((request) => {
      const size = sizeOf(request)
      return Effect.zipRight(
        warning,
        size > most
          ? Effect.fail(new GenesysError.PayloadTooLarge({ direction: "request", size, limit: most }))
          : Effect.flatMap(self.execute(request), (response) => bounded(response, most))
      )
    }),
    Effect.succeed
  )
}

/**
 * A client whose exchanges take at most `limit` (default 5 seconds), and fail with `ApiTimeout` otherwise. What was
 * sent is not sent again.
 *
 * The time is that until the head of the response is there; a {@link withPayloadLimit} around it reads the body within
 * the same time.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTimeout = (limit: Duration.DurationInput = maxDuration) =>
<E, R>(
  self: HttpClient.HttpClient.With<E, R>
): HttpClient.HttpClient.With<E | GenesysError.ApiTimeout, R> => {
  const duration = Duration.millis(Settings.value(ranges.timeout, limit))
  const warning = warned("timeout", limit)
  return HttpClient.makeWith<never, never, E | GenesysError.ApiTimeout, R>(
    Effect.flatMap((request) =>
      Effect.flatMap(Effect.zipRight(warning, Clocks.now), (now) =>
        self.execute(request).pipe(
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeoutFail({
            duration,
            onTimeout: () => transport.timedOut(transport.target(request), duration)
          }),
          Disclosure.unlogged,
          Effect.tap((response) =>
            Effect.sync(() => deadline.remember(response, Clocks.period(now, Duration.toMillis(duration))))
          )
        ))
    ),
    Effect.succeed
  )
}

// ---------------------------------------------------------------------------------------------------------------

/** Bytes, as far as they are known before sending. */
const sizeOf = ({ body }: HttpClientRequest.HttpClientRequest): number => {
  switch (body._tag) {
    case "Uint8Array":
      return body.body.length
    case "Raw":
      return measured(body.body) ?? body.contentLength ?? 0
    case "FormData":
      return sizeOfForm(body.formData)
    case "Stream":
      return body.contentLength ?? 0
    case "Empty":
      return 0
  }
}

/** What `fetch` takes for a body, but streams. */
const measured = (body: unknown): number | undefined => {
  if (typeof body === "string") return bytesOf(body)
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return body.byteLength
  if (body instanceof Blob) return body.size
  if (body instanceof URLSearchParams) return body.toString().length
  if (body instanceof FormData) return sizeOfForm(body)
  return undefined
}

const sizeOfForm = (form: FormData): number => {
  let size = 0
  for (const [name, value] of form) {
    size += bytesOf(name) + (typeof value === "string" ? bytesOf(value) : bytesOf(value.name) + value.size)
  }
  return size
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length

const bounded = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<
  HttpClientResponse.HttpClientResponse,
  GenesysError.PayloadTooLarge | GenesysError.ApiTimeout | GenesysError.ApiUnreachable
> =>
  Effect.gen(function*() {
    const target = transport.target(response.request)
    const stated = Option.filter(Option.fromNullable(response.headers["content-length"]), (text) => /^\d+$/.test(text))
    const left = yield* deadline.left(response, Duration.infinity)
    const { bytes, overflow } = yield* body.read(response, limit).pipe(
      Effect.mapError(({ cause }) =>
        transport.unreachable(target, cause, disclosures.forRequest(response.request), true)
      ),
      Effect.timeoutFail({ duration: left, onTimeout: () => transport.timedOut(target, left) }),
      Disclosure.unlogged
    )
    if (overflow) {
      return yield* new GenesysError.PayloadTooLarge({
        direction: "response",
        size: Math.max(limit + 1, Option.match(stated, { onNone: () => 0, onSome: Number })),
        limit
      })
    }
    return HttpClientResponse.fromWeb(
      response.request,
      new Response(bytes.length === 0 ? null : bytes.slice(), {
        status: response.status,
        headers: { ...response.headers }
      })
    )
  })
