// Reads the body of a refused response before the token is renewed, and keeps it for the case that it is the answer.
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../../values/Bytes.js"
import * as Disclosure from "../../wire/Disclosure.js"

type Response = HttpClientResponse.HttpClientResponse

/** A body up to this many bytes is kept. */
const mostKept = 1024 * 1024

/** A body that says it is no longer than this is read in one piece. */
const short = 64 * 1024

/** Of a longer body so many bytes are read, so that its connection can be used again. */
const mostRead = 8 * 1024 * 1024

/** How long the rest of a body is waited for when the new token is there. */
const patience = "2 seconds"

/** How long a body may take: the token request may be waiting for its connection. */
const longest = "5 seconds"

/** The bytes of a body; `"dropped"` if it was too long or too slow, or broke off. */
type Kept = ArrayBuffer | "dropped"

/**
 * The response for a rule of the user's, and whether the rule has read its body. Such a body is not read again: some
 * clients give nothing the second time, and some never end. What the rule has read as `text` or `json` stays readable.
 */
export const watched = (response: Response): { readonly response: Response; readonly wasRead: () => boolean } => {
  let read = false
  const seen = withBody(response, (name) => {
    read = true
    return response[name]
  })
  return { response: seen, wasRead: () => read }
}

/**
 * Runs `renewal` while the body of `response` is read. **The rule: no body stays unread while a token is asked for.** An
 * unread body keeps its connection; where a client has a bounded number of connections to one origin, the token request
 * would wait for a connection that the refused responses keep.
 *
 * If the renewal succeeds, the body is read to its end, or its connection is given up, before `use` runs. `use` can ask
 * for the response with the body that was kept; it is made only then, for most callers get another response.
 */
export const whileReading = <A, E, B, E2, R>(
  response: Response,
  renewal: Effect.Effect<A, E>,
  use: (value: A, kept: () => Response) => Effect.Effect<B, E2, R>
): Effect.Effect<B, E | E2, R> =>
  // a daemon: the caller's fiber must not wait for a body that cannot be interrupted
  Effect.flatMap(startReading(response), (reading) =>
    Effect.flatMap(
      // a failure of the renewal is the caller's answer: the connection of this one is given up
      Effect.onExit(renewal, (exit) => Exit.isSuccess(exit) ? Effect.void : Fiber.interruptFork(reading)),
      (value) => {
        const exit = reading.unsafePoll()
        return exit !== null
          ? use(value, () => keeping(response, Exit.getOrElse(exit, () => "dropped" as const)))
          : Effect.flatMap(rest(reading), (bytes) => use(value, () => keeping(response, bytes)))
      }
    ))

const startReading = (response: Response): Effect.Effect<Fiber.RuntimeFiber<Kept>> =>
  Effect.flatMap(Effect.forkDaemon(Effect.interruptible(read(response))), (reading) => {
    const limit = Effect.delay(Fiber.interruptFork(reading), longest)
    return Effect.map(Effect.forkDaemon(Effect.interruptible(limit)), (limiting) => {
      reading.addObserver(() => limiting.unsafeInterruptAsFork(reading.id()))
      return reading
    })
  })

/** A body that is too slow loses its connection: the interruption of its reader aborts the request. */
const rest = (reading: Fiber.RuntimeFiber<Kept>): Effect.Effect<Kept> =>
  Effect.interruptible(Fiber.await(reading)).pipe(
    Effect.map(Exit.getOrElse(() => "dropped" as const)),
    Effect.disconnect,
    Effect.timeoutOption(patience),
    Effect.onInterrupt(() => Fiber.interruptFork(reading)),
    Effect.flatMap(Option.match({
      onNone: () => Effect.as(Fiber.interruptFork(reading), "dropped" as const),
      onSome: Effect.succeed
    }))
  )

const read = (response: Response): Effect.Effect<Kept> =>
  Effect.suspend((): Effect.Effect<Kept, unknown> => isShort(response) ? response.arrayBuffer : readStream(response))
    .pipe(
      Effect.catchAllCause(() => Effect.succeed("dropped" as const)),
      Disclosure.unlogged
    )

/** Whether the server has said that the body is short. A compressed body can be longer than that. */
const isShort = ({ headers }: Response): boolean => {
  const length = headers["content-length"]
  return length !== undefined && Number(length) <= short && headers["content-encoding"] === undefined
}

const readStream = (response: Response): Effect.Effect<Kept, HttpClientError.ResponseError> => {
  const chunks: Array<Uint8Array> = []
  return Effect.map(
    Stream.runFoldWhile(response.stream, 0, (size) => size < mostRead, (size, chunk) => {
      if (size + chunk.length <= mostKept) chunks.push(chunk)
      else chunks.length = 0
      return size + chunk.length
    }),
    (size) => size > mostKept ? "dropped" : Bytes.concat(chunks).buffer
  )
}

/** The response with a body from memory, or with one whose reading fails and says why. */
const keeping = (response: Response, bytes: Kept): Response => {
  if (bytes === "dropped") {
    const lost = Effect.suspend(() => Effect.fail(lostError(response)))
    return withBody(response, (name) => name === "stream" ? Stream.fromEffect(lost) : lost)
  }
  const body = HttpClientResponse.fromWeb(
    response.request,
    new Response(bytes, { headers: { "content-type": response.headers["content-type"] ?? "" } })
  )
  return withBody(response, (name) => body[name])
}

const lostError = (response: Response) =>
  new HttpClientError.ResponseError({
    request: response.request,
    response,
    reason: "Decode",
    description: "the body of this refused answer was read before the token was renewed, and was not kept: it has " +
      `more than ${mostKept} bytes, broke off, or did not come in time`
  })

export const bodies = ["arrayBuffer", "formData", "json", "stream", "text", "urlParamsBody"] as const

export const others = ["cookies", "headers", "remoteAddress", "request", "status"] as const

/** The response with another body. All else is asked of the response itself, for its class may have private fields. */
const withBody = (response: Response, body: (name: typeof bodies[number]) => unknown): Response =>
  Object.create(response, {
    ...getters(bodies, body),
    ...getters(others, (name) => response[name]),
    toJSON: { value: () => response.toJSON() },
    toString: { value: () => response.toString() },
    [NodeInspectSymbol]: { value: () => response[NodeInspectSymbol]() }
  })

export const getters = <K extends string>(names: ReadonlyArray<K>, get: (name: K) => unknown): PropertyDescriptorMap =>
  Object.fromEntries(names.map((name) => [name, { get: () => get(name) }]))
