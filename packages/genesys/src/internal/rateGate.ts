import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as GenesysError from "../GenesysError.js"
import * as pace from "./pace.js"
import * as rateScope from "./rateScope.js"
import * as refusal from "./refusal.js"

/**
 * Where calls wait together for a rate limit, that each need not find out for itself.
 *
 * ```
 * call ─ the gate of its resource, if it has one ─ the gate of the token ─ the API
 *            only after a 429 of its own              429, or the headers of any answer
 * ```
 *
 * At a gate they stand in a queue. Only the first one looks when it may leave; the others wait for it to be gone. Who
 * gives up steps out of the queue, and who was first is followed by the next.
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
  /** Whoever has it is the first of the queue. */
  readonly door: Effect.Semaphore
  /** Opened when a call is over. */
  readonly bell: Effect.Latch
  waiting: number
  leftAt: number
  /** The wait that was last told of in the log. */
  told: number
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
  door: Effect.unsafeMakeSemaphore(1),
  bell: Effect.unsafeMakeLatch(false),
  waiting: 0,
  leftAt: -Infinity,
  told: -Infinity
})

/** For calls that carry a token of somebody else. */
export const unguarded: Report = { answered: () => Effect.void, refused: () => Effect.void }

/** A call that was not sent: it would have to wait for longer than it may. */
export class Held extends Data.TaggedClass("Held")<{ readonly error: GenesysError.ApiRateLimited }> {}

/** Runs `send` once the call may leave. */
export const pass = <A, E, R>(
  gates: Gates,
  call: Call,
  send: (report: Report) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Held, R> =>
  Effect.flatMap(now, ({ steady: since }) => {
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
  passage.leftAt = passage.gate.leftAt = at
  passage.gate.pace.leave()
}

const end = ({ gate, leftAt }: Passage): void => {
  if (leftAt === undefined) return
  gate.pace.end()
  gate.bell.unsafeOpen()
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
  Effect.flatMap(now, ({ steady }) => {
    const { gate } = passage
    if (gate.waiting === 0 && gate.pace.verdict(steady, steady)._tag === "Go") {
      return Effect.sync(() => leave(passage, steady))
    }
    const latest = since + Duration.toMillis(call.maxWait)
    const expected = gate.pace.expected(steady, gate.waiting)
    // what is expected at once is no wait, however short the longest is
    if (expected > Math.max(latest, steady)) return held(gate, call, expected)
    const through = gate.door.withPermits(1)(first(passage, call, steady, latest)).pipe(
      Effect.timeoutOption(Duration.millis(Math.ceil(Math.max(latest - steady, shortest)))),
      Effect.flatMap((through) => Option.isSome(through) ? Effect.void : impatient(passage, call))
    )
    return Effect.withSpan(
      Effect.acquireUseRelease(
        Effect.sync(() => gate.waiting++),
        () => through,
        () => Effect.sync(() => gate.waiting--)
      ),
      "GenesysCloud.wait",
      { captureStackTrace: false, attributes: attributesOf(gate) }
    )
  })

/** Has waited as long as it may: fails where the gate is closed, and leaves where others were only before it. */
const impatient = (passage: Passage, call: Call): Effect.Effect<void, Held> =>
  Effect.flatMap(now, ({ steady }) => {
    const { gate } = passage
    // time ran out as it left
    if (passage.leftAt !== undefined) return Effect.void
    const { _tag } = gate.pace.verdict(steady, steady)
    return _tag === "Closed" || _tag === "UsedUp"
      ? held(gate, call, gate.pace.expected(steady, gate.waiting))
      : Effect.sync(() => leave(passage, steady))
  })

/** The first of the queue waits until it may leave. */
const first = (
  passage: Passage,
  call: Call,
  since: number,
  latest: number
): Effect.Effect<void, Held> =>
  Effect.gen(function*() {
    const { gate } = passage
    const random = yield* Random.next
    while (passage.leftAt === undefined) {
      const { steady } = yield* now
      const verdict = gate.pace.verdict(steady, since)
      switch (verdict._tag) {
        case "Go": {
          const early = gate.leftAt + random * spacingOf(gate) - steady
          if (early > 0 && steady < gate.told + pace.period) yield* Effect.sleep(Math.ceil(early))
          else leave(passage, steady)
          break
        }
        case "Busy": {
          gate.bell.unsafeClose()
          yield* Effect.timeoutOption(gate.bell.await, Math.ceil(verdict.until - steady))
          break
        }
        case "UsedUp":
          // others may have read the same
          gate.pace.close(verdict.until + Math.ceil(1000 * (yield* Random.next)))
          break
        case "Closed": {
          if (verdict.until > latest) return yield* held(gate, call, verdict.until)
          yield* tell(gate, verdict.until - steady, verdict.until)
          yield* Effect.sleep(Math.ceil(verdict.until - steady))
          break
        }
      }
    }
  })

/** Once for all who wait. */
const tell = (gate: Gate, millis: number, until: number): Effect.Effect<void> => {
  if (gate.told === until) return Effect.void
  gate.told = until
  const wait = Math.ceil(millis)
  const whose = gate.resource === undefined ? "Calls of Genesys Cloud wait" : `Calls of ${gate.resource} wait`
  return Effect.annotateLogs(Effect.logInfo(`${whose} ${wait} ms for a rate limit`), { wait, ...attributesOf(gate) })
}

const attributesOf = ({ resource }: Gate): Readonly<Record<string, string>> =>
  resource === undefined ? {} : { "genesys.resource": resource }

/** What those were told who asked before; `until` is when this call could have left. */
const held = (gate: Gate, call: Call, until: number): Effect.Effect<never, Held> =>
  Effect.flatMap(now, ({ steady, wall }) => {
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

/** Those who were told the same time do not come back at the same time: a tenth of it, as in `RetryPolicy`. */
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
      Effect.map(now, ({ steady }) =>
        each(steady, (gate, leftAt) => {
          // the headers are about the token
          gate.pace.answered(steady, leftAt, gate === gates.all ? statedIn(rateLimit) : undefined)
        })),
    refused: (error, wait) =>
      Effect.zipWith(now, Random.next, ({ steady }, random) => {
        const isOfAll = rateScope.of(error, wait) === "all"
        const refusing = isOfAll ? gates.all : ownGate(gates, rateScope.resourceOf(call), steady)
        const millis = Math.min(Duration.toMillis(wait), Number.MAX_SAFE_INTEGER)
        const until = steady + millis + Math.min(millis * spread, longestSpread) * random
        refusing.pace.refused(until, error, isOfAll ? allowedIn(error.rateLimit) : undefined)
        each(steady, (gate, leftAt) => {
          if (gate !== refusing) gate.pace.answered(steady, leftAt)
        })
      }),
    /** It has failed: if nothing was reported, it had no answer. */
    ended: Effect.map(now, ({ steady }) => {
      if (!reported) each(steady, (gate, leftAt) => gate.pace.unanswered(steady, leftAt))
    })
  }
}

const ownGate = (gates: Gates, resource: string, now: number): Gate => {
  const found = gates.resources.get(resource)
  if (found !== undefined) return found
  for (const [name, gate] of gates.resources) {
    if (gate.waiting === 0 && gate.pace.isIdle(now)) gates.resources.delete(name)
  }
  const gate = makeGate(resource)
  gates.resources.set(resource, gate)
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

// ---------------------------------------------------------------------------------------------------------------

/** Waits are measured by a clock that nobody sets; what people are told is the time of day. */
const now: Effect.Effect<{ readonly wall: number; readonly steady: number }> = Clock.clockWith((clock) =>
  Effect.succeed({
    wall: clock.unsafeCurrentTimeMillis(),
    steady: Number(clock.unsafeCurrentTimeNanos() / 1000n) / 1000
  })
)
