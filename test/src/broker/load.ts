/** Connections that ask one thing after the other, and what became of each request. */
import * as Http from "node:http"
import { Effect } from "effect"

/** What became of one request: whole, cut in its answer, or never answered. */
export interface Outcome {
  readonly end: "whole" | "cut" | "unanswered"
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  /** The system's word where there was no answer: ECONNREFUSED, ECONNRESET. */
  readonly code: string
}

export interface Request {
  readonly method?: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export const send = (origin: string, { body, headers, method = "GET", path }: Request, agent?: Http.Agent) =>
  Effect.async<Outcome>((resume) => {
    const request = Http.request(new URL(path, origin), { method, headers, agent: agent ?? false }, (response) => {
      let text = ""
      let isWhole = false
      response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
      response.on("end", () => (isWhole = true)).on("error", () => {})
      response.on("close", () =>
        resume(Effect.succeed({
          end: isWhole && response.complete ? "whole" : "cut",
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          code: ""
        })))
    })
    request.on(
      "error",
      (error: NodeJS.ErrnoException) =>
        resume(
          Effect.succeed({ end: "unanswered", status: 0, headers: {}, text: "", code: error.code ?? error.message })
        )
    )
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

/** So many connections that ask until they are told to end, or nobody listens any more. */
export const load = (
  origin: string,
  request: Request,
  { connections, isKept }: { readonly connections: number; readonly isKept: boolean }
) =>
  Effect.gen(function*() {
    const outcomes: Array<Outcome> = []
    let isOver = false
    const fiber = yield* Effect.forkScoped(Effect.forEach(
      Array.from({ length: connections }),
      () =>
        Effect.gen(function*() {
          const agent = isKept ? new Http.Agent({ keepAlive: true, maxSockets: 1 }) : undefined
          while (!isOver) {
            const outcome = yield* send(origin, request, agent)
            outcomes.push(outcome)
            if (outcome.code === "ECONNREFUSED") break
          }
          agent?.destroy()
        }),
      { concurrency: "unbounded", discard: true }
    ))
    return {
      /** So far. */
      outcomes: Effect.sync(() => outcomes.slice()),
      /** Lets each connection finish what it asked last; gives everything. */
      finish: Effect.suspend(() => {
        isOver = true
        return Effect.as(Effect.fromFiber(fiber), outcomes)
      }),
      /** Waits until nobody listens; gives everything. */
      end: Effect.as(Effect.fromFiber(fiber), outcomes)
    }
  })
