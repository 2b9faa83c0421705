/** The callers: they know a URL and an HttpClient, and nothing of tokens. */
import { HttpClient } from "@effect/platform"
import { Deferred, Effect, Option } from "effect"
import { BearerAuth } from "effect-bearer"
import { Tally } from "./Tally.js"

export interface Options {
  readonly url: string | URL
  readonly count: number
  /** How long each rests between two calls. */
  readonly pause: number
}

/** What the tally says of a call that was answered with a status of failure. */
export const answered = (status: number): string => `the API answered ${status}`

/** One call. It never fails: what went wrong goes into the tally, as the caller saw it. */
const call = (url: string | URL) =>
  Effect.gen(function*() {
    const tally = yield* Tally
    const response = yield* HttpClient.get(url)
    // read it even if nobody wants it: an unread body keeps its connection busy
    yield* response.text
    yield* response.status < 300 ? tally.succeeded : tally.failed(answered(response.status))
  }).pipe(
    Effect.timeout("10 seconds"),
    Effect.catchAll((error) =>
      Effect.flatMap(Tally, (tally) => tally.failed(Option.getOrElse(BearerAuth.tokenErrorOf(error), () => error)._tag))
    )
  )

/** Calls the API until `stop` is done; calls under way are finished. */
export const run = (options: Options, stop: Deferred.Deferred<void>) => {
  const worker = Effect.zipRight(call(options.url), Effect.sleep(options.pause)).pipe(
    Effect.repeat({ until: () => Deferred.isDone(stop) })
  )
  // not all at once: workers that rest equally long would keep calling in step
  const started = (index: number) => Effect.delay(worker, (index * options.pause) / options.count)
  return Effect.forEach(Array.from({ length: options.count }, (_, index) => index), started, {
    concurrency: "unbounded",
    discard: true
  })
}
