// The time of one exchange with the API, and of reading its response.
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Clocks from "effect-bearer/Clocks"

/**
 * The time of one exchange. The body of a response is read after the client has handed it out, and the limit is for
 * both together: so it is remembered as a period of the steady clock, which somebody who sets the time does not change.
 */
const deadlines = new WeakMap<HttpClientResponse.HttpClientResponse, Clocks.Period>()

export const remember = (response: HttpClientResponse.HttpClientResponse, limit: Clocks.Period): void =>
  void deadlines.set(response, limit)

/** What is left of the time for this response; `fallback` for one that did not come from the client here. */
export const left = (
  response: HttpClientResponse.HttpClientResponse,
  fallback: Duration.Duration
): Effect.Effect<Duration.Duration> =>
  Effect.map(Clocks.now, (now) => {
    const limit = deadlines.get(response)
    return limit === undefined ? fallback : Duration.millis(Math.max(1, Clocks.left(limit, now)))
  })

/** The responses that are handed out with a limit, and what they were made from. */
const originals = new WeakMap<HttpClientResponse.HttpClientResponse, HttpClientResponse.HttpClientResponse>()

/** The response without the limit of {@link limited}, for a reader with a limit of its own. */
export const unlimited = (response: HttpClientResponse.HttpClientResponse): HttpClientResponse.HttpClientResponse =>
  originals.get(response) ?? response

/**
 * The same response, but a body that does not come in time fails to be read. Who reads the stream piece by piece may take
 * their time over each: there the whole limit is for each piece.
 */
export const limited = (
  response: HttpClientResponse.HttpClientResponse,
  limit: Duration.Duration
): HttpClientResponse.HttpClientResponse => {
  const result = new Limited(response, limit)
  const period = deadlines.get(response)
  if (period !== undefined) deadlines.set(result, period)
  originals.set(result, response)
  return result
}

/** Not even a reader that cannot be interrupted waits longer. */
const within = <A, E>(
  effect: Effect.Effect<A, E>,
  duration: Duration.Duration,
  onTimeout: () => E
): Effect.Effect<A, E> =>
  effect.pipe(
    Effect.interruptible,
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutFail({ duration, onTimeout })
  )

type Read<A> = Effect.Effect<A, HttpClientError.ResponseError>

class Limited implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly #original: HttpClientResponse.HttpClientResponse
  readonly #limit: Duration.Duration

  constructor(original: HttpClientResponse.HttpClientResponse, limit: Duration.Duration) {
    this.#original = original
    this.#limit = limit
  }

  readonly #late = () =>
    new HttpClientError.ResponseError({
      request: this.#original.request,
      response: this.#original,
      reason: "Decode",
      description: `the body of the response did not come in time: ${
        Duration.format(this.#limit)
      } are its limit (timeout)`
    })

  #inTime<A>(read: Read<A>): Read<A> {
    return Effect.flatMap(left(this.#original, this.#limit), (duration) => within(read, duration, this.#late))
  }

  get request() {
    return this.#original.request
  }
  get status() {
    return this.#original.status
  }
  get headers() {
    return this.#original.headers
  }
  get cookies() {
    return this.#original.cookies
  }
  get remoteAddress() {
    return this.#original.remoteAddress
  }
  get text() {
    return this.#inTime(this.#original.text)
  }
  get json() {
    return this.#inTime(this.#original.json)
  }
  get urlParamsBody() {
    return this.#inTime(this.#original.urlParamsBody)
  }
  get arrayBuffer() {
    return this.#inTime(this.#original.arrayBuffer)
  }
  get formData() {
    return this.#inTime(this.#original.formData)
  }
  get stream() {
    return Stream.fromPull(
      Effect.map(
        Stream.toPull(this.#original.stream),
        (pull) => within(pull, this.#limit, () => Option.some(this.#late()))
      )
    )
  }
  toJSON() {
    return this.#original.toJSON()
  }
  [NodeInspectSymbol]() {
    return this.#original[NodeInspectSymbol]()
  }
}
