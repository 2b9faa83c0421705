/** What the status page shows: everything about profiles and callers but tokens and secrets. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Schemas from "effect-bearer/Schemas"
import * as TokenSource from "effect-bearer/TokenSource"
import type { Caller } from "../policy/callers.js"
import type { Registry } from "../profile/registry.js"
import type { Activity } from "./activity.js"
import type { Journal } from "./journal.js"

const Minute = { askedLastMinute: Schema.Number, refusedLastMinute: Schema.Number }

/** One profile. Times are epoch milliseconds, durations milliseconds. */
export const ProfileStatus = Schema.Struct({
  name: Schema.String,
  clientId: Schema.String,
  required: Schema.Boolean,
  usable: Schema.Boolean,
  /** Life left; null without a token, or if it is unknown. */
  remaining: Schema.NullOr(Schema.Number),
  /** All of its life; null as above. */
  lifetime: Schema.NullOr(Schema.Number),
  refreshing: Schema.Boolean,
  /** Whether the moment of its renewal has come. */
  stale: Schema.Boolean,
  lastRenewal: Schema.NullOr(Schema.Number),
  nextRenewal: Schema.NullOr(Schema.Number),
  /** Which process asks for the token, or asked last: this one, another that shares the store, or none yet. */
  askedBy: Schema.Literal("this", "another", "nobody"),
  scopes: Schemas.Scopes,
  /** What is wrong, and what to do about it; null while all is well. */
  problem: Schema.NullOr(Schema.Struct({
    since: Schema.Number,
    error: Schema.String,
    message: Schema.String,
    retryAt: Schema.NullOr(Schema.Number)
  })),
  /** Why the shared store cannot be used; null while it can, and without one. */
  store: Schema.NullOr(Schema.Struct({ since: Schema.Number, detail: Schema.String })),
  ...Minute
})

/** What the status page shows. */
export const Snapshot = Schema.Struct({
  now: Schema.Number,
  startedAt: Schema.Number,
  draining: Schema.Boolean,
  auditLinesLost: Schema.Number,
  /** Requests refused since the start, by reason, the most frequent first. */
  refusals: Schema.Array(Schema.Struct({ reason: Schema.String, count: Schema.Number })),
  profiles: Schema.Array(ProfileStatus),
  callers: Schema.Array(Schema.Struct({
    id: Schema.String,
    profiles: Schema.Array(Schema.String),
    permissions: Schema.Array(Schema.String),
    limit: Schema.Number,
    interval: Schema.Number,
    ...Minute
  })),
  events: Schema.Array(Schema.Struct({
    at: Schema.Number,
    profile: Schema.NullOr(Schema.String),
    kind: Schema.String,
    isAnomaly: Schema.Boolean,
    detail: Schema.String
  }))
}).annotations({ identifier: "StatusSnapshot" })

export type Snapshot = typeof Snapshot.Type

export const snapshot = (options: {
  readonly registry: Registry
  readonly callers: () => ReadonlyArray<Caller>
  readonly activity: Activity
  readonly journal: Journal
  readonly startedAt: number
  readonly isDraining: () => boolean
  readonly auditLinesLost: () => number
}): Effect.Effect<Snapshot> =>
  Effect.gen(function*() {
    const { activity, journal, registry } = options
    const now = yield* Clock.currentTimeMillis
    const minute = (kind: "profile" | "caller", name: string) => {
      const { asked, refused } = activity.lastMinute(kind, name)
      return { askedLastMinute: asked, refusedLastMinute: refused }
    }
    const profiles = yield* Effect.forEach(registry.all(), ({ config, name, own }) =>
      Effect.map(TokenSource.status(own), ({ refreshing, remaining, stale, token }) => {
        const known = journal.of(name)
        return {
          name,
          clientId: config.clientId,
          required: config.required,
          usable: Option.isSome(token),
          remaining: Option.getOrNull(Option.map(remaining, (left) =>
            Math.floor(Duration.toMillis(left)))),
          lifetime: Option.getOrNull(
            Option.flatMap(token, ({ expiresAt, issuedAt }) => Option.map(expiresAt, (end) => end - issuedAt))
          ),
          refreshing,
          stale,
          lastRenewal: known.lastRenewal,
          nextRenewal: Option.isSome(token) ? known.nextRenewal : null,
          askedBy: known.askedBy,
          scopes: Option.match(token, {
            onNone: () => config.scopes,
            onSome: ({ scopes }) => scopes
          }),
          problem: known.problem,
          store: known.store,
          ...minute("profile", name)
        }
      }))
    return {
      now,
      startedAt: options.startedAt,
      draining: options.isDraining(),
      auditLinesLost: options.auditLinesLost(),
      refusals: activity.refusals(),
      profiles,
      callers: options.callers().map(({ grants, id, permissions, rate }) => ({
        id,
        profiles: Array.from(grants.keys()),
        permissions: Array.from(permissions),
        limit: rate.limit,
        interval: rate.interval,
        ...minute("caller", id)
      })),
      events: activity.events().map((event) => ({ ...event, profile: event.profile ?? null })).reverse()
    }
  })
