/**
 * An OAuth 2.0 access token and what is known about it. Secrets inside are `Redacted`: no rendering shows them.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Scopes from "./Scopes.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-bearer/AccessToken")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * An access token, as callers of the library get it (RFC 6749 §5.1). Times are epoch milliseconds (UTC).
 *
 * @since 0.1.0
 * @category models
 */
export class AccessToken extends Data.TaggedClass("AccessToken")<{
  /** The token itself. `Redacted.value` reveals it; nothing else does. */
  readonly value: Redacted.Redacted
  /** `"Bearer"` for bearer tokens, otherwise the type as the server wrote it, for example `"DPoP"`. */
  readonly tokenType: string
  /** Scopes granted: those the server named, or those requested when it named none (RFC 6749 §5.1). */
  readonly scopes: Scopes.Scopes
  /**
   * When the request for it was sent. Lifetime counts from here, so the time the response takes never makes it longer.
   */
  readonly issuedAt: number
  /** When it stops being valid; `None` when the server gave no usable lifetime. */
  readonly expiresAt: Option.Option<number>
  /** When the server would like it renewed (`refresh_in`), if it said so. */
  readonly refreshAt: Option.Option<number>
  /** The refresh token that came with it, if any (RFC 6749 §1.5). */
  readonly refreshToken: Option.Option<Redacted.Redacted>
  /** Every other member of the response, for example `instance_url` or `id_token`. */
  readonly extra: Redacted.Redacted<Readonly<Record<string, unknown>>>
}> {
  /** A symbol marks a token, so that a token of another copy of this package is recognised too. */
  get [TypeId](): TypeId {
    return TypeId
  }
}

/**
 * What a token is made from. Only `value` is needed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly value: string | Redacted.Redacted
  /** Default `"Bearer"`. */
  readonly tokenType?: string | undefined
  readonly scopes?: Scopes.Input | undefined
  /** Epoch milliseconds; default now, by the clock of the running fiber, or by the system's clock outside of fibers. */
  readonly issuedAt?: number | undefined
  /** Epoch milliseconds; absent means the lifetime is unknown. */
  readonly expiresAt?: number | Option.Option<number> | undefined
  readonly refreshAt?: number | Option.Option<number> | undefined
  readonly refreshToken?: string | Redacted.Redacted | Option.Option<Redacted.Redacted> | undefined
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

const noExtra: Redacted.Redacted<Readonly<Record<string, unknown>>> = Redacted.make({})

/** A program without types may give a number from a JSON text, which is just as secret. */
const redact = (value: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.isRedacted(value) ? value : Redacted.make(typeof value === "number" ? String(value) : value)

const systemClock = Clock.make()

const now = (): number =>
  Option.match(Fiber.getCurrentFiber(), {
    onNone: () => systemClock,
    onSome: (fiber) => Context.get(fiber.currentDefaultServices, Clock.Clock)
  }).unsafeCurrentTimeMillis()

const time = (value: number | Option.Option<number> | undefined): Option.Option<number> =>
  value === undefined ? Option.none() : typeof value === "number" ? Option.some(value) : value

/**
 * Builds a token by hand: for a custom source, or in a test.
 *
 * @example
 * ```ts
 * import { AccessToken } from "effect-bearer"
 * import { Clock, Effect } from "effect"
 *
 * const fromVault = Effect.map(Clock.currentTimeMillis, (now) =>
 *   AccessToken.make({ value: "s3cr3t", issuedAt: now, expiresAt: now + 3_600_000 }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): AccessToken =>
  new AccessToken({
    value: redact(options.value),
    tokenType: options.tokenType ?? "Bearer",
    scopes: options.scopes === undefined ? Scopes.empty : Scopes.make(options.scopes),
    issuedAt: options.issuedAt ?? now(),
    expiresAt: time(options.expiresAt),
    refreshAt: time(options.refreshAt),
    refreshToken: options.refreshToken === undefined
      ? Option.none()
      : Option.isOption(options.refreshToken)
      ? options.refreshToken
      : Option.some(redact(options.refreshToken)),
    extra: options.extra === undefined || Object.keys(options.extra).length === 0
      ? noExtra
      : Redacted.make(options.extra)
  })

/**
 * @since 0.1.0
 * @category guards
 */
export const isAccessToken = (u: unknown): u is AccessToken => Predicate.hasProperty(u, TypeId)

/**
 * How long the token is still valid at `now` (epoch milliseconds): never negative, `None` when unknown.
 *
 * @since 0.1.0
 * @category getters
 */
export const remaining = (self: AccessToken, now: number): Option.Option<Duration.Duration> =>
  Option.map(self.expiresAt, (expiresAt) => Duration.millis(Math.max(0, expiresAt - now)))

/**
 * The value of an `Authorization` header for the token: its scheme and the token, `Bearer …` (RFC 6750 §2.1) or `DPoP …`
 * (RFC 9449 §7.1). It is for what is not an `HttpClient`: an SDK, the metadata of gRPC, the handshake of a WebSocket. It
 * stays `Redacted`: reveal it by `Redacted.value` where it is sent, and nowhere else. `BearerAuth` needs none of this.
 *
 * @example
 * ```ts
 * import { AccessToken, TokenSource } from "effect-bearer"
 * import { Effect, Redacted } from "effect"
 *
 * declare const connect: (metadata: { readonly authorization: string }) => Promise<void>
 *
 * const connected = Effect.flatMap(TokenSource.TokenSource.get(), (token) =>
 *   Effect.tryPromise(() => connect({ authorization: Redacted.value(AccessToken.authorization(token)) })))
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const authorization = (self: AccessToken): Redacted.Redacted =>
  Redacted.make(
    // servers write the name of this scheme in many ways, and some APIs take only this one
    `${self.tokenType.toLowerCase() === "bearer" ? "Bearer" : self.tokenType} ${Redacted.value(self.value)}`
  )

/**
 * Whether two tokens have the same secret value, even if their other fields differ.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSame = (self: AccessToken, that: AccessToken): boolean =>
  self === that || Equal.equals(self.value, that.value)
