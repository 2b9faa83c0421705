/** Streams that are open, by caller: each holds a connection for as long as it likes, and connections are few. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Refusal } from "../guard/refusal.js"

export interface Streams {
  /** Whether the caller may open one more. */
  readonly mayOpen: (caller: string | undefined) => boolean
  /** Counts a stream of the caller while it runs. */
  readonly counted: (caller: string | undefined) => <A>(stream: Stream.Stream<A>) => Stream.Stream<A>
}

export const make = (limit: () => number): Streams => {
  const open = new Map<string, number>()
  const add = (caller: string, difference: number) => {
    const count = (open.get(caller) ?? 0) + difference
    if (count > 0) open.set(caller, count)
    else open.delete(caller)
  }
  return {
    mayOpen: (caller = "") => (open.get(caller) ?? 0) < limit(),
    counted: (caller = "") => (stream) =>
      Stream.unwrapScoped(Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => add(caller, 1)),
          () => Effect.sync(() => add(caller, -1))
        ),
        stream
      ))
  }
}

export const tooManyStreams: Refusal = {
  reason: "streams",
  status: 429,
  code: "temporarily_unavailable",
  name: "RateLimited",
  message: "The caller has as many streams open as `limits.streamsPerCaller` allows.",
  retryAfter: 5
}
