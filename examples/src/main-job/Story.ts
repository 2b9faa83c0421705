/**
 * What happens to the embedded servers while the workers call: rotations, a revocation, an outage.
 *
 * Each chapter waits for the server to show what it needs, and gives up after a while, so that a library that does
 * not live up to its promises ends in a broken promise and not in a job that hangs.
 */
import type { Option } from "effect"
import { Clock, Duration, Effect } from "effect"
import { TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import { ProtectedApi } from "../support/ProtectedApi.js"
import { Screen } from "./Screen.js"
import type { Settings } from "./Settings.js"
import { Tally } from "./Tally.js"

/** How long a token of the embedded server lives. */
export const lifetime = Duration.seconds(8)

/** How long its token endpoint takes to answer: whoever waits for a token waits at least that long. */
export const latency = Duration.millis(200)

export interface Outage {
  readonly lasted: Duration.Duration
  /** Token requests turned away in it. */
  readonly turnedAway: number
  /** Calls that failed from its beginning to the next token. */
  readonly failures: number
  /** From its end to the next token; `None` when none came. */
  readonly freshTokenAfter: Option.Option<Duration.Duration>
}

export interface Revocation {
  /** Calls the API answered 401 because of it. */
  readonly refused: number
  readonly failures: number
  /** Token requests in its wake. */
  readonly extraRequests: number
  /** From the revocation to the next token; `None` when none came. */
  readonly replacedAfter: Option.Option<Duration.Duration>
}

export interface Told {
  readonly outage: Outage
  readonly revocation: Revocation
}

const { AuthorizationServer: Server } = AuthorizationServer

/** Waits until the server has issued a token more than `than`; `None` when it does not. */
const nextToken = Effect.gen(function*() {
  const server = yield* Server
  const { tokensIssued: before } = yield* server.seen
  return (yield* server.seen.pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: ({ tokensIssued }) => tokensIssued > before }),
    Effect.timed,
    Effect.map(([elapsed]) => elapsed),
    Effect.timeoutOption(Duration.times(lifetime, 2))
  ))
})

const counts = Effect.gen(function*() {
  const { statuses } = yield* (yield* ProtectedApi).seen
  const { failed } = yield* (yield* Tally).seen
  const { tokenRequests, tokenStatuses } = yield* (yield* Server).seen
  return { refused: statuses[401] ?? 0, failed, tokenRequests, turnedAway: tokenStatuses[503] ?? 0 }
})

/** Revokes the token in use, early in its life, so that no rotation is due anywhere near. */
const revocation = Effect.gen(function*() {
  const server = yield* Server
  const tally = yield* Tally
  const screen = yield* Screen
  yield* nextToken
  yield* Effect.sleep("300 millis")
  const before = yield* counts
  yield* tally.enter("revoked")
  yield* screen.line("  story: the token in use is revoked")
  yield* server.revokeAll
  const replacedAfter = yield* nextToken
  yield* Effect.sleep("500 millis")
  yield* tally.enter("steady")
  const after = yield* counts
  return {
    refused: after.refused - before.refused,
    failures: after.failed - before.failed,
    extraRequests: after.tokenRequests - before.tokenRequests,
    replacedAfter
  } satisfies Revocation
})

/** Until the server has turned a token request away; a token's life is more than enough for that. */
const turnedAway = Effect.gen(function*() {
  const server = yield* Server
  const { tokenStatuses: before } = yield* server.seen
  yield* server.seen.pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: ({ tokenStatuses }) => (tokenStatuses[503] ?? 0) > (before[503] ?? 0) }),
    Effect.timeoutOption(lifetime)
  )
})

/** Takes the token endpoint down from before the next rotation is due until well before the token ends. */
const outage = Effect.gen(function*() {
  const server = yield* Server
  const screen = yield* Screen
  yield* nextToken
  yield* Effect.sleep(Duration.times(lifetime, 0.6))
  const before = yield* counts
  const began = yield* Clock.currentTimeMillis
  yield* screen.line("  story: the token endpoint goes down")
  yield* Effect.sleep(Duration.times(lifetime, 0.2)).pipe(
    Effect.zipRight(turnedAway, { concurrent: true }),
    server.whileDown(AuthorizationServer.unavailable())
  )
  yield* screen.line("  story: the token endpoint is back")
  const lasted = Duration.millis((yield* Clock.currentTimeMillis) - began)
  const freshTokenAfter = yield* nextToken
  // long enough for the workers to make use of it
  yield* Effect.sleep("300 millis")
  const after = yield* counts
  return {
    lasted,
    turnedAway: after.turnedAway - before.turnedAway,
    failures: after.failed - before.failed,
    freshTokenAfter
  } satisfies Outage
})

const sabotage = Effect.gen(function*() {
  const api = yield* ProtectedApi
  const screen = yield* Screen
  yield* screen.line("  story: MAIN_JOB_SABOTAGE makes the API refuse every token, good or bad")
  yield* api.whileRefusingEveryToken(Effect.sleep("1 second"))
})

/** Tells the story, and then lets the job run on until its time is over. */
export const tell = (settings: Settings) =>
  Effect.gen(function*() {
    const tally = yield* Tally
    const source = yield* TokenSource.TokenSource
    // the first token: everybody waits for it
    yield* Effect.ignore(source.get())
    yield* tally.enter("steady")
    yield* nextToken
    const revoked = yield* revocation
    const down = yield* outage
    if (settings.sabotage) yield* sabotage
    return { outage: down, revocation: revoked } satisfies Told
  }).pipe(
    // whichever takes longer
    Effect.zipLeft(Effect.sleep(settings.duration), { concurrent: true })
  )
