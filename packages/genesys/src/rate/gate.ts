// Lets calls go ahead within the rate limits that Genesys Cloud has told.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Clocks from "effect-bearer/Clocks"
import * as GenesysError from "../GenesysError.js"
import * as believed from "../internal/believed.js"
import * as refusal from "../internal/refusal.js"
import * as pace from "./pace.js"
import * as queue from "./queue.js"
import * as rateScope from "./scope.js"

/**
 * Where calls wait together for a rate limit, that each need not find out for itself.
 *
 * ```
 * call ─ the gate of its resource, if it has one ─ the gate of the token ─ the API
 *            only after a 429 of its own              429, or the headers of any answer
 * ```
 *
 * At a gate they stand in a queue (`queue.ts`). Only the first one looks when it may leave; the others wait for it to be
 * gone. Who gives up steps out of the queue, and who was first is followed by the next.
 *
 * A wait is for what the API has said. While it has said nothing, a few go ahead, and the others wait for an answer of
 * theirs, but for a moment only: an API without a limit must not seem slow, nor one that hangs slower than it is.
 */
export interface Gates {
  readonly all: Gate
  readonly resources: Map<string, Gate>
}

interface Gate {
  readonly pace: pace.Pace
  /** Of a resource: method and path. */
  readonly resource: string | undefined
  readonly line: queue.Line
  /** Calls that have left and are not over, in the order in which they left. */
  readonly underWay: Set<Passage>
  leftAt: number
  /** The wait that was last told of in the log. */
  told: number
  /** Until when a wait is cut that was told of in the log. */
  cutUntil: number
}

/** What a call has to say of itself. */
export interface Call {
  readonly method: string
  readonly url: string
  /** How often it was sent already. */
  readonly sent: number
  /** It waits no longer than this. */
  readonly maxWait: Duration.Duration
}

/** What a call that has left has to report, once. */
export interface Report {
  readonly answered: (rateLimit: GenesysError.RateLimit) => Effect.Effect<void>
  readonly refused: (error: GenesysError.ApiRateLimited, wait: Duration.Duration) => Effect.Effect<void>
}

// ---------------------------------------------------------------------------------------------------------------

const known = new WeakMap<object, Gates>()

/** The gates of a source of tokens: whoever calls with its tokens meets its limits. */
export const of = (tokens: object): Gates => {
  let gates = known.get(tokens)
  if (gates === undefined) known.set(tokens, gates = { all: makeGate(), resources: new Map() })
  return gates
}

const makeGate = (resource?: string): Gate => ({
  pace: pace.make(),
  resource,
  line: queue.make(),
  underWay: new Set(),
  leftAt: -Infinity,
  told: -Infinity,
  cutUntil: -Infinity
})

/** For calls that carry a token of another source. */
export const unguarded: Report = { answered: () => Effect.void, refused: () => Effect.void }

/** A call that was not sent: it would have to wait for longer than it may. */
export class Held extends Data.TaggedClass("Held")<{ readonly error: GenesysError.ApiRateLimited }> {}

/** Runs `send` once the call may leave. */
export const pass = <A, E, R>(
  gates: Gates,
  call: Call,
  send: (report: Report) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Held, R> =>
  Effect.flatMap(Clocks.now, ({ steady: since }) => {
    const own = gates.resources.size === 0 ? undefined : gates.resources.get(rateScope.resourceOf(call))
    const passages = (own === undefined ? [gates.all] : [own, gates.all]).map((gate): Passage => ({
      gate,
      leftAt: undefined
    }))
    const report = reportTo(gates, passages, call)
    return Effect.forEach(passages, (passage) => enter(passage, call, since), { discard: true }).pipe(
      // not when it is interrupted: that says nothing of the API
      Effect.zipRight(Effect.tapError(Effect.suspend(() => send(report)), () => report.ended)),
      Effect.ensuring(Effect.sync(() => passages.forEach(end)))
    )
  })

interface Passage {
  readonly gate: Gate
  /** When the call left, if it has. */
  leftAt: number | undefined
}

const leave = (passage: Passage, at: number): void => {
  const { gate } = passage
  passage.leftAt = gate.leftAt = at
  gate.underWay.add(passage)
  gate.pace.leave()
}

const end = (passage: Passage): void => {
  const { gate } = passage
  if (!gate.underWay.delete(passage)) return
  gate.pace.end()
  queue.ring(gate.line)
}

/** A call that was sent this long ago does not count as under way any more: its caller may be gone. */
const longestCall = pace.period

/** Forgets calls and waiters that vanished without an interruption. */
const tidy = (gate: Gate, now: number): void => {
  for (const passage of gate.underWay) {
    if (now - (passage.leftAt ?? now) <= longestCall) break
    end(passage)
  }
  queue.tidy(gate.line, now)
}

// ---------------------------------------------------------------------------------------------------------------
// the queue
// ---------------------------------------------------------------------------------------------------------------

/**
 * When nobody was allowed to leave for a while, each leaves a little later than the one before: up to a quarter of what
 * an even pace would be, so that a crowd is gone after an eighth of the period.
 */
const spacingOf = ({ pace: { stated } }: Gate): number => pace.period / (stated()?.allowed ?? usual) / 4

/** What Genesys Cloud allows a token in a minute unless it was told otherwise. */
const usual = 300

/** A call that may not wait for a limit still has this much for its turn. */
const shortest = 1000

const enter = (passage: Passage, call: Call, since: number): Effect.Effect<void, Held> =>
  Effect.flatMap(Clocks.now, ({ steady }) => {
    const { gate } = passage
    tidy(gate, steady)
    if (gate.line.length === 0 && gate.pace.verdict(steady, steady)._tag === "Go") {
      return Effect.sync(() => leave(passage, steady))
    }
    const latest = since + Duration.toMillis(call.maxWait)
    const expected = gate.pace.expected(steady, gate.line.length)
    // a wait of zero is no wait, however short the longest allowed wait is
    if (expected > Math.max(latest, steady)) return held(gate, call, expected)
    return Effect.withSpan(
      queue.stand(gate.line, steady + Math.max(latest - steady, shortest), {
        first: (now, random) => decide(passage, call, { since: steady, latest, random }, now),
        impatient: (now) => impatient(passage, call, now)
      }),
      "GenesysCloud.wait",
      { captureStackTrace: false, attributes: attributesOf(gate) }
    )
  })

/** Has waited as long as it may: fails where the gate is closed, and leaves where others were only before it. */
const impatient = (passage: Passage, call: Call, { steady }: Clocks.Now): Effect.Effect<void, Held> => {
  const { gate } = passage
  const { _tag } = gate.pace.verdict(steady, steady)
  return _tag === "Closed" || _tag === "UsedUp"
    ? held(gate, call, gate.pace.expected(steady, gate.line.length))
    : Effect.sync(() => leave(passage, steady))
}

/** The first of the queue: it leaves or fails, or looks again at a time. */
const decide = (
  passage: Passage,
  call: Call,
  { latest, random, since }: { readonly since: number; readonly latest: number; readonly random: number },
  { steady }: Clocks.Now
): queue.Decision<Held> => {
  const { gate } = passage
  tidy(gate, steady)
  const verdict = gate.pace.verdict(steady, since)
  switch (verdict._tag) {
    case "Go": {
      const early = gate.leftAt + random * spacingOf(gate) - steady
      if (early > 0 && steady < gate.told + pace.period) return queue.again(steady + early)
      leave(passage, steady)
      return queue.done
    }
    case "Busy":
      return queue.again(verdict.until)
    case "UsedUp":
      // others may have read the same
      gate.pace.close(verdict.until + Math.ceil(1000 * random))
      return queue.again(steady)
    case "Closed": {
      const { said = verdict.until, until } = verdict
      return said > latest
        ? queue.ended(held(gate, call, said))
        : queue.again(until, tell(gate, until - steady, until))
    }
  }
}

/** Once for all who wait. */
const tell = (gate: Gate, millis: number, until: number): Effect.Effect<void> => {
  if (gate.told === until) return Effect.void
  gate.told = until
  const wait = Math.ceil(millis)
  const whose = gate.resource === undefined ? "Calls of Genesys Cloud wait" : `Calls of ${gate.resource} wait`
  return Effect.annotateLogs(Effect.logInfo(`${whose} ${wait} ms for a rate limit`), { wait, ...attributesOf(gate) })
}

/** Logs that the wait of the API is not believed; once for all calls that got the same wait. */
const tellOfCut = (gate: Gate, wait: Duration.Duration, opens: number, now: number): Effect.Effect<void> => {
  const isTold = now < gate.cutUntil
  gate.cutUntil = opens
  const whose = gate.resource === undefined ? "all calls of Genesys Cloud" : gate.resource
  const seconds = Math.round((opens - now) / 1000)
  return isTold ? Effect.void : Effect.annotateLogs(
    Effect.logWarning(
      `The API wants ${whose} to wait ${Math.ceil(Duration.toSeconds(wait))} s. That is too long to be ` +
        `believed: one call tries again in ${seconds} s.`
    ),
    attributesOf(gate)
  )
}

const attributesOf = ({ resource }: Gate): Readonly<Record<string, string>> =>
  resource === undefined ? {} : { "genesys.resource": resource }

/** What those were told who asked before; `until` is when this call could have left. */
const held = (gate: Gate, call: Call, until: number): Effect.Effect<never, Held> =>
  Effect.flatMap(Clocks.now, ({ steady, wall }) => {
    const wait = Math.max(0, Math.ceil(until - steady))
    const error = new GenesysError.ApiRateLimited({
      ...(gate.pace.why() ?? { ...unsaid, rateLimit: rateLimitOf(gate.pace.stated(), wait) }),
      method: call.method,
      url: call.url,
      status: 429,
      attempts: call.sent,
      retryAfter: Option.some(Duration.millis(wait)),
      retryAt: Option.some(Math.ceil(wall) + wait)
    })
    return Effect.fail(new Held({ error }))
  })

const unsaid = { ...refusal.nothing, contextId: Option.none(), correlationId: Option.none() }

const rateLimitOf = (stated: pace.Stated | undefined, wait: number): GenesysError.RateLimit => ({
  key: Option.none(),
  count: Option.fromNullable(stated?.count),
  allowed: Option.fromNullable(stated?.allowed),
  reset: Option.some(Duration.millis(wait))
})

// ---------------------------------------------------------------------------------------------------------------
// answers
// ---------------------------------------------------------------------------------------------------------------

/** Calls with the same wait do not come back at the same time: up to a tenth is added, as in `RetryPolicy`. */
const spread = 0.1
const longestSpread = 30_000

const reportTo = (
  gates: Gates,
  passages: ReadonlyArray<Passage>,
  call: Call
): Report & { readonly ended: Effect.Effect<void> } => {
  let reported = false
  const each = (at: number, report: (gate: Gate, leftAt: number) => void): void => {
    reported = true
    for (const { gate, leftAt = at } of passages) report(gate, leftAt)
  }
  return {
    answered: (rateLimit) =>
      Effect.map(Clocks.now, ({ steady }) =>
        each(steady, (gate, leftAt) => {
          // the headers are about the token
          gate.pace.answered(steady, leftAt, gate === gates.all ? statedIn(rateLimit) : undefined)
        })),
    refused: (error, wait) =>
      Effect.flatten(Effect.zipWith(Clocks.now, Random.next, ({ steady }, random) => {
        const isOfAll = rateScope.of(error, wait) === "all"
        const refusing = isOfAll ? gates.all : ownGate(gates, rateScope.resourceOf(call), steady)
        const after = (wait: Duration.Duration): number => {
          const millis = Duration.toMillis(wait)
          return steady + millis + Math.min(millis * spread, longestSpread) * random
        }
        // a caller that allows a longer wait has asked for it
        const kept = Duration.min(wait, Duration.max(believed.longest, call.maxWait))
        const opens = after(kept)
        const isCut = Duration.lessThan(kept, wait)
        refusing.pace.refused(
          Math.max(opens, after(believed.sensible(wait))),
          error,
          isOfAll ? allowedIn(error.rateLimit) : undefined,
          isCut ? opens : undefined
        )
        each(steady, (gate, leftAt) => {
          if (gate !== refusing) gate.pace.answered(steady, leftAt)
        })
        return isCut ? tellOfCut(refusing, wait, opens, steady) : Effect.void
      })),
    /** The call has failed: if nothing was reported, it had no answer. */
    ended: Effect.map(Clocks.now, ({ steady }) => {
      if (!reported) each(steady, (gate, leftAt) => gate.pace.unanswered(steady, leftAt))
    })
  }
}

/** Resources that have a gate. With more of them the one that was refused least recently is not waited for any more. */
const mostGates = 256

const ownGate = (gates: Gates, resource: string, now: number): Gate => {
  const { resources } = gates
  const gate = resources.get(resource) ?? makeGate(resource)
  resources.delete(resource)
  for (const [name, gate] of resources) {
    tidy(gate, now)
    if (gate.line.length === 0 && gate.pace.isIdle(now)) resources.delete(name)
  }
  for (const oldest of resources.keys()) {
    if (resources.size < mostGates) break
    resources.delete(oldest)
  }
  resources.set(resource, gate)
  return gate
}

/** What makes no sense for a limit by the minute is as good as not said. */
const statedIn = ({ allowed, count, reset }: GenesysError.RateLimit): pace.Stated | undefined =>
  Option.getOrUndefined(
    Option.filter(
      Option.all({ allowed, count, reset: Option.map(reset, Duration.toMillis) }),
      ({ allowed, reset }) => allowed > 0 && reset <= 2 * pace.period
    )
  )

const allowedIn = ({ allowed }: GenesysError.RateLimit): number | undefined =>
  Option.getOrUndefined(Option.filter(allowed, (allowed) => allowed > 0))
