// The schemas of all events of a source.
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Events from "../../values/TokenEvent.js"
import { built } from "./built.js"
import type { Encoded, Fields } from "./encoded.js"
import { flag, named, number, optional, text, time } from "./parts.js"
import { scopes } from "./scopes.js"

const reason = Schema.Literal("cold", "ahead", "expired", "rejected")

type Tag = Events.TokenEvent["_tag"]

type EventOf<T extends Tag> = Extract<Events.TokenEvent, { readonly _tag: T }>

const events: { readonly [T in Tag]: Fields<EventOf<T>, "_tag" | "key" | "at"> } = {
  AcquisitionStarted: { reason },
  TokenAcquired: {
    reason,
    elapsed: number,
    scopes,
    expiresAt: optional(time),
    refreshAt: optional(time)
  },
  RefreshFailed: {
    reason,
    error: text,
    message: text,
    elapsed: number,
    failures: number,
    stillServing: flag,
    retryAt: time
  },
  RequestAbandoned: { reason, elapsed: number },
  RetryScheduled: { error: text, message: text, status: optional(number), attempt: number, delay: number },
  TokenRejected: { age: number },
  RevokedEarly: { age: number, remaining: optional(number) },
  ClientUsedElsewhere: { refused: number },
  TokenInactive: { age: number, remaining: optional(number) },
  FreshTokenRejected: { origin: text },
  SentWithoutToken: { origin: text, allowed: text },
  ScopeDrift: { requested: scopes, granted: scopes, missing: scopes },
  OverBroadScope: { scopes },
  NoProgress: { retryAt: optional(time) },
  LifetimeUnknown: {},
  KeyForgotten: { idle: number },
  CircuitOpened: { failures: number, retryAt: time },
  CircuitClosed: {},
  Throttled: { delay: number },
  TokenShared: { age: number, expiresAt: optional(time) },
  RefreshingElsewhere: { stillServing: flag },
  LeaseLost: {},
  StoreFailed: {
    operation: text,
    reason: Schema.Literal("unavailable", "timeout", "unreadable"),
    detail: text
  },
  StoreRecovered: { elapsed: number }
}

const event = ([tag, fields]: [string, Schema.Struct.Fields]) =>
  built(
    tag,
    `what happened to a token: ${tag}`,
    Schema.Struct({ _tag: Schema.Literal(tag), key: text, at: time, ...fields }) as
      & Schema.Schema<object, object>
      & { readonly fields: Schema.Struct.Fields },
    (u): u is object => Predicate.isRecord(u) && u._tag === tag,
    // like the values that the constructors of `TokenEvent` make: compared by content
    Data.struct
  ).encoded

export const tokenEvent: Schema.Schema<Events.TokenEvent, Encoded<Events.TokenEvent>> = Schema.Union(
  ...Object.entries(events).map(event)
).annotations(named("TokenEvent", "what happened to a token")) as never
