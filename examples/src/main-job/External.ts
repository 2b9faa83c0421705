/**
 * The job against a server out there: nothing is staged and nothing can be counted at the servers. It keeps the token
 * fresh, tells what happens to it, and calls the API if there is one.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Deferred, Duration, Effect, Layer, Option, Stream } from "effect"
import { BearerAuth, TokenEvent, TokenSource } from "effect-bearer"
import * as Report from "./Report.js"
import { Screen } from "./Screen.js"
import type { Server, Settings } from "./Settings.js"
import * as Tally from "./Tally.js"
import * as WatchedSource from "./WatchedSource.js"
import * as Workers from "./Workers.js"

// a server out there is not ours to load: two workers, one call a second each
const workers = 2
const pause = 1000

/** The token source as the environment describes it. */
const Everything = WatchedSource.layer.pipe(
  Layer.provide(TokenSource.layerConfig()),
  Layer.provideMerge(NodeHttpClient.layerUndici)
)

/**
 * Ends when no token request is under way and every event has been seen. What the job counts is then what the server
 * has issued: a program that leaves while a request is under way gets a token issued that nobody uses.
 */
const untilQuiet = (source: TokenSource.With<unknown>): Effect.Effect<void> =>
  Effect.gen(function*() {
    // an event is published in the same breath as the request ends; its subscriber runs soon after
    for (let calm = 0; calm < 2;) {
      yield* Effect.sleep("20 millis")
      const { refreshing } = yield* TokenSource.status(source)
      calm = refreshing ? 0 : calm + 1
    }
  })

/** One line for a new token. An event never holds the token itself. */
const describe = (event: Extract<TokenEvent.TokenEvent, { readonly _tag: "TokenAcquired" }>): string => {
  const until = Option.match(event.expiresAt, {
    onNone: () => "the API refuses it",
    onSome: (at) => new Date(at).toISOString()
  })
  return `  a token (${event.reason}) after ${Report.millis(event.elapsed)}, good until ${until}`
}

export const run = (settings: Settings, { apiUrl }: Extract<Server, { readonly _tag: "External" }>) =>
  Effect.gen(function*() {
    const screen = yield* Screen
    const tally = yield* Tally.Tally
    const began = Date.now()
    const elapsed = Effect.sync(() => Duration.millis(Date.now() - began))
    let acquired = 0
    let anomalies = 0

    const status = Effect.map(
      Effect.zip(tally.seen, elapsed),
      ([callers, elapsed]) =>
        `${Report.seconds(elapsed).padStart(7)}  ${Report.count(callers.succeeded)} calls  ${callers.failed} failed  ` +
        `${acquired} tokens acquired  ${anomalies} anomalies`
    )

    /** The source lives as long as this; no token is requested after its end. */
    const work = Effect.gen(function*() {
      const source = yield* TokenSource.TokenSource
      // anomalies arrive in the log, too, where the screen shows them
      const events = yield* TokenSource.subscribe(source)
      yield* events.pipe(
        Stream.runForEach((event) => {
          if (TokenEvent.isAnomaly(event)) anomalies++
          if (event._tag !== "TokenAcquired") return Effect.void
          acquired++
          return screen.line(describe(event))
        }),
        Effect.forkScoped
      )
      yield* source.get()
      yield* tally.enter("steady")

      const stop = yield* Deferred.make<void>()
      const calls = Option.match(apiUrl, {
        onNone: () => Deferred.await(stop),
        onSome: (url) =>
          Workers.run({ url, count: workers, pause }, stop).pipe(
            Effect.provide(BearerAuth.layer({ origins: [url.origin] }))
          )
      })
      yield* Effect.all([
        Effect.zipRight(Effect.sleep(settings.duration), Deferred.succeed(stop, undefined)),
        calls
      ], { concurrency: "unbounded", discard: true }).pipe(screen.live(status))
      yield* untilQuiet(source)
    }).pipe(Effect.scoped, Effect.provide(Everything))

    const closing = Effect.gen(function*() {
      const callers = yield* tally.seen
      yield* screen.line(`\n${
        Report.table([
          { what: "Ran for", number: Report.seconds(yield* elapsed), by: "" },
          { what: "Tokens acquired", number: Report.count(acquired), by: "" },
          { what: "Anomalies", number: Report.count(anomalies), by: "" },
          { what: "API calls that succeeded", number: Report.count(callers.succeeded), by: "" },
          { what: "Failures seen by callers", number: Report.count(callers.failed), by: "" },
          { what: "Longest wait for the first token", number: Report.millis(callers.longestWait.first), by: "" },
          {
            what: "Longest wait for a token after the first",
            number: Report.millis(callers.longestWait.steady),
            by: ""
          }
        ])
      }\n`)
      return callers
    })

    yield* Effect.onInterrupt(work, () => closing)
    const callers = yield* closing
    const judged: ReadonlyArray<Report.Judgement> = [{
      name: "no call fails",
      held: callers.failed === 0,
      because: callers.failed === 0
        ? `${Report.count(callers.succeeded)} calls`
        : Array.from(callers.failures, ([why, times]) => `${times} × ${why}`).join(", ")
    }]
    yield* screen.line(Report.verdicts(judged))
    return judged.every(({ held }) => held)
  }).pipe(Effect.provide(Tally.layer))
