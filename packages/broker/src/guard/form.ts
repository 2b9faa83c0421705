/** Reads the body of a request within its limits: bytes, and time. */
import type { IncomingMessage } from "node:http"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Form } from "./credentials.js"
import { toForm } from "./credentials.js"
import type { Refusal } from "./refusal.js"
import { badRequest, otherType, refuse } from "./refusal.js"

type Request = HttpServerRequest.HttpServerRequest

/** Parameters that may come more than once (RFC 8693 §2.1, RFC 8707 §2); no other may (RFC 6749 §3.2). */
const repeatable: ReadonlySet<string> = new Set(["audience", "resource"])

const unreadable = badRequest("The body could not be read.")

export const readForm = (
  request: Request,
  limit: number,
  sending: Duration.Duration
): Effect.Effect<Form, Refusal> =>
  isOfType(request, "application/x-www-form-urlencoded")
    ? Effect.flatMap(readText(request, limit, sending), (text) => {
      const form = toForm(text)
      for (const [name, values] of form) {
        if (values.length > 1 && !repeatable.has(name)) {
          return Effect.fail(badRequest("A parameter stands in the body more than once."))
        }
      }
      return Effect.succeed(form)
    })
    : Effect.fail(otherType("application/x-www-form-urlencoded"))

export const readJson = (
  request: Request,
  limit: number,
  sending: Duration.Duration
): Effect.Effect<unknown, Refusal> =>
  isOfType(request, "application/json")
    ? Effect.flatMap(readText(request, limit, sending), (text) =>
      Effect.try({
        try: (): unknown => JSON.parse(text),
        catch: () => badRequest("The body is not JSON.")
      }))
    : Effect.fail(otherType("application/json"))

const isOfType = ({ headers }: Request, type: string): boolean =>
  (headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase() === type

const readText = (request: Request, limit: number, sending: Duration.Duration): Effect.Effect<string, Refusal> => {
  const length = Number(request.headers["content-length"] ?? 0)
  if (length > limit) return Effect.fail(refuse.size)
  if (request.headers["content-encoding"] !== undefined) {
    return Effect.fail(badRequest("The body is compressed; send it as it is."))
  }
  return collect(request.source as IncomingMessage, limit, sending)
}

/**
 * The body, if it is not longer than that and comes in time. What comes beyond it is dropped, so that the client can read the
 * answer. The timer is the socket's, in real time: a fiber for each body would cost more than the rest of the request.
 */
const collect = (body: IncomingMessage, limit: number, sending: Duration.Duration): Effect.Effect<string, Refusal> =>
  Effect.async<string, Refusal>((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const stop = () => {
      clearTimeout(timer)
      body.off("data", onData).off("end", onEnd).off("close", onLost)
    }
    const end = (result: Effect.Effect<string, Refusal>) => {
      stop()
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) chunks.push(chunk)
      else end(Effect.fail(refuse.size))
    }
    const onEnd = () => end(Effect.succeed(Buffer.concat(chunks).toString("utf8")))
    const onLost = () => end(Effect.fail(unreadable))
    const timer = setTimeout(() => end(Effect.fail(refuse.slow)), Duration.toMillis(sending))
    // an error is followed by close
    body.on("data", onData).on("end", onEnd).on("close", onLost).on("error", () => {})
    return Effect.sync(stop)
  })
