/**
 * The job against servers of its own: an authorization server whose tokens live seconds, and an API that has each
 * token checked there. Being both sides, it can count at the servers what really happened.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Deferred, Duration, Effect, Layer, Option } from "effect"
import { BearerAuth, ClientAuthentication, RetryPolicy, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "../support/AuthorizationServer.js"
import * as ProtectedApi from "../support/ProtectedApi.js"
import * as Report from "./Report.js"
import { Screen } from "./Screen.js"
import type { Settings } from "./Settings.js"
import * as Story from "./Story.js"
import * as Tally from "./Tally.js"
import * as WatchedSource from "./WatchedSource.js"
import * as Workers from "./Workers.js"

const workers = 8
const pause = 150

// --- what a program of yours would have ------------------------------------------------------------------------

/** The token source. Its cache and its renewal stay at their defaults: these fit tokens of seconds and of hours. */
const Tokens = Layer.unwrapEffect(Effect.map(AuthorizationServer.AuthorizationServer, (server) =>
  TokenSource.layer({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret),
    scopes: ["calls:read"],
    // where tokens live seconds, waits of seconds come too late
    retry: RetryPolicy.exponentialJitter({ base: "100 millis", cap: "200 millis", maxRetries: 10 })
  })))

/** The HttpClient that puts the token on requests to the API, and on no others. */
const Client = Layer.unwrapEffect(
  Effect.map(ProtectedApi.ProtectedApi, (api) => BearerAuth.layer({ origins: [api.origin] }))
)

// --- the rest is the stage -------------------------------------------------------------------------------------

const Everything = Client.pipe(
  Layer.provideMerge(WatchedSource.layer),
  Layer.provide(Tokens),
  Layer.provideMerge(ProtectedApi.layer),
  Layer.provide(NodeHttpClient.layerUndici),
  Layer.provideMerge(AuthorizationServer.layer({ lifetime: Story.lifetime, latency: Story.latency })),
  Layer.provideMerge(Tally.layer)
)

const observe = Effect.gen(function*() {
  const server = yield* (yield* AuthorizationServer.AuthorizationServer).seen
  const api = yield* (yield* ProtectedApi.ProtectedApi).seen
  const callers = yield* (yield* Tally.Tally).seen
  return { server, api, callers }
})

type Observed = Effect.Effect.Success<typeof observe>

/** A renewal is due after three quarters of a token's lifetime, or up to a twentieth of it earlier, at random. */
const due = { earliest: Duration.times(Story.lifetime, 0.7), latest: Duration.times(Story.lifetime, 0.75) }

/** How many tokens are due in that time: one at first, one per rotation, one for the revocation. */
const lifecycles = (elapsed: Duration.Duration) => ({
  atLeast: Math.floor(Duration.toMillis(elapsed) / Duration.toMillis(Duration.sum(due.latest, Story.latency))),
  atMost: 2 + Math.ceil(Duration.toMillis(elapsed) / Duration.toMillis(due.earliest))
})

/** Tokens issued although the one before had only just been; the replacement of the revoked one is such a one. */
const early = ({ server }: Observed): number => {
  const gaps = server.tokensIssuedAt.slice(1).map((at, index) => at - server.tokensIssuedAt[index]!)
  return gaps.filter((gap) => gap < Duration.toMillis(due.earliest) / 2).length
}

const rows = (observed: Observed, elapsed: Duration.Duration): ReadonlyArray<Report.Row> => {
  const { api, callers, server } = observed
  const atApi = "counted by the API"
  const atServer = "counted by the authorization server"
  const expected = lifecycles(elapsed)
  const came = callers.failures.get(Workers.answered(401)) ?? 0
  return [
    { what: "API calls answered", number: Report.count(api.calls), by: `${atApi}, in ${Report.seconds(elapsed)}` },
    { what: "  200", number: Report.count(api.statuses[200] ?? 0), by: atApi },
    {
      what: "  401",
      number: Report.count(api.statuses[401] ?? 0),
      by: `${atApi}; ${came} of them came through to a caller`
    },
    { what: "Failures seen by callers", number: Report.count(callers.failed), by: "counted by the callers" },
    { what: "Token requests", number: Report.count(server.tokenRequests), by: atServer },
    { what: "  answered with a token", number: Report.count(server.tokensIssued), by: atServer },
    { what: "  turned away in the outage", number: Report.count(server.tokenStatuses[503] ?? 0), by: atServer },
    {
      what: "Lifecycles due in that time",
      number: `${expected.atLeast} to ${expected.atMost}`,
      by: `each ends ${Report.seconds(due.earliest)} to ${Report.seconds(due.latest)} after it began`
    },
    { what: "Lifecycles seen: tokens that came to the API", number: Report.count(api.tokensAccepted), by: atApi },
    {
      what: "Longest wait for the first token",
      number: Report.millis(callers.longestWait.first),
      by: "measured around the token source"
    },
    {
      what: "Longest wait for a token after the first",
      number: Report.millis(callers.longestWait.steady),
      by: "measured around the token source"
    },
    {
      what: "  after the revocation",
      number: Report.millis(callers.longestWait.revoked),
      by: `a token request takes ${Report.millis(Story.latency)} here`
    }
  ]
}

const promises = (
  observed: Observed,
  elapsed: Duration.Duration,
  { outage, revocation }: Story.Told
): ReadonlyArray<Report.Judgement> => {
  const { api, callers, server } = observed
  const turnedAway = server.tokenStatuses[503] ?? 0
  const unused = server.tokensIssued - api.tokensAccepted
  const unanswered = server.tokenRequests - server.tokensIssued - turnedAway
  const tooEarly = early(observed) - (Option.isSome(revocation.replacedAfter) ? 1 : 0)
  return [
    {
      name: "no call fails",
      held: callers.failed === 0 && callers.succeeded > 0,
      because: callers.failed === 0
        ? `${Report.count(callers.succeeded)} calls, all answered`
        : Array.from(callers.failures, ([why, times]) => `${times} × ${why}`).join(", ")
    },
    {
      name: "one token request per lifecycle",
      // at the end, one token may not have been used yet, or its request may still be under way
      held: unused + unanswered <= 1 && tooEarly <= 0 && server.tokensIssued <= lifecycles(elapsed).atMost,
      because: `${server.tokensIssued} tokens issued, ${api.tokensAccepted} of them came to the API, ` +
        `${Math.max(0, tooEarly)} before their time`
    },
    {
      name: "nobody waits while there is a token",
      held: Duration.lessThan(callers.longestWait.steady, Story.latency),
      because: `${Report.millis(callers.longestWait.steady)} at most, where a token request takes ${
        Report.millis(Story.latency)
      }`
    },
    {
      name: "an outage shorter than the token's life is not felt",
      held: outage.failures === 0 && outage.turnedAway > 0 && Option.isSome(outage.freshTokenAfter),
      because:
        `down for ${Report.seconds(outage.lasted)}, ${Report.times(outage.turnedAway, "token request")} turned away, ` +
        `${Report.times(outage.failures, "call")} failed, ${
          Option.match(outage.freshTokenAfter, {
            onNone: () => "no token afterwards",
            onSome: (after) => `a fresh token ${Report.seconds(after)} after it was back`
          })
        }`
    },
    {
      name: "a revoked token is replaced once, unnoticed",
      held: revocation.failures === 0 && revocation.refused > 0 && revocation.extraRequests === 1 &&
        Option.isSome(revocation.replacedAfter),
      because:
        `${Report.times(revocation.refused, "call")} answered 401, ${
          Report.times(revocation.failures, "call")
        } failed, ` +
        Report.times(revocation.extraRequests, "extra token request")
    }
  ]
}

const status = (elapsed: Effect.Effect<Duration.Duration>) =>
  Effect.gen(function*() {
    const { api, callers, server } = yield* observe
    const lastIssued = server.tokensIssuedAt.at(-1)
    const age = lastIssued === undefined ? 0 : (Date.now() - lastIssued) / Duration.toMillis(Story.lifetime)
    const bar = "#".repeat(Math.max(0, Math.round(10 * (1 - age)))).padEnd(10, ".")
    return [
      Report.seconds(yield* elapsed).padStart(7),
      `${Report.count(api.calls)} calls`,
      `${callers.failed} failed`,
      `${server.tokensIssued} tokens issued`,
      `${api.statuses[401] ?? 0} × 401`,
      `${server.tokenStatuses[503] ?? 0} × 503`,
      `token [${bar}]`
    ].join("  ")
  })

export const run = (settings: Settings) =>
  Effect.gen(function*() {
    const screen = yield* Screen
    const server = yield* AuthorizationServer.AuthorizationServer
    yield* screen.line(
      `${workers} workers call an API for at least ${Report.seconds(settings.duration)}. Its tokens live ` +
        `${Report.seconds(Story.lifetime)}; they come from ${server.tokenEndpoint} (oidc-provider, in this process).`
    )
    const began = Date.now()
    const elapsed = Effect.sync(() => Duration.millis(Date.now() - began))
    const stop = yield* Deferred.make<void>()
    const api = yield* ProtectedApi.ProtectedApi
    const closing = Effect.flatMap(
      Effect.zip(observe, elapsed),
      ([observed, elapsed]) => screen.line(`\n${Report.table(rows(observed, elapsed))}\n`)
    )

    const [told] = yield* Effect.all([
      Effect.ensuring(Story.tell(settings), Deferred.succeed(stop, undefined)),
      Workers.run({ url: api.callsUrl, count: workers, pause }, stop)
    ], { concurrency: "unbounded" }).pipe(
      screen.live(status(elapsed)),
      Effect.onInterrupt(() => Effect.zipRight(closing, screen.line("  stopped before its end: no verdict")))
    )

    yield* closing
    const judged = promises(yield* observe, yield* elapsed, told)
    yield* screen.line(Report.verdicts(judged))
    return judged.every(({ held }) => held)
  }).pipe(Effect.provide(Everything))
