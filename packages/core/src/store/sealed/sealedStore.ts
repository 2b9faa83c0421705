// A store that keeps its tokens sealed in another store.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../../values/AccessToken.js"
import type { Service } from "../contract.js"
import { StoreError } from "../contract.js"
import * as storedToken from "../storedToken.js"
import * as envelopes from "./envelope.js"
import type { Keys } from "./keys.js"

// The rule: all fields of a token are inside its envelope, its times too, and the envelope is bound to its place. The
// times outside are for the store, which may move all of them to the clock of the machine that reads (as a store does
// that counts the remaining life) or end the token's life sooner. They never give a longer life than the times inside.

/** By how much a store may round times, in milliseconds. */
const rounding = 1000

/**
 * By how many milliseconds the clocks of machines may differ, so a store may move times later by so much. If they are
 * moved further, it is an old envelope.
 */
const mostSkew = 300_000

/** The token with the times that the store outside gives it; on the left why these times are not accepted. */
const timed = (
  token: AccessToken.AccessToken,
  outer: AccessToken.AccessToken,
  wall: number
): Either.Either<AccessToken.AccessToken, string> => {
  // a store that gives no end has not moved any time
  if (Option.isSome(token.expiresAt) && Option.isNone(outer.expiresAt)) return Either.right(token)
  const shift = outer.issuedAt - token.issuedAt
  const isLater = (outside: Option.Option<number>, inside: Option.Option<number>, otherwise: boolean) =>
    Option.match(inside, {
      onNone: () => otherwise && Option.isSome(outside),
      onSome: (inside) => Option.exists(outside, (outside) => outside > inside + shift + rounding)
    })
  const isForged = !Number.isFinite(shift) ||
    isLater(outer.expiresAt, token.expiresAt, false) ||
    isLater(outer.refreshAt, token.refreshAt, true) ||
    // if the store has moved the times, a life that begins in the future would be longer than it was
    (shift > 0 && (outer.issuedAt > wall + rounding || shift > mostSkew))
  return isForged ? Either.left("its times are not those it was sealed with") : Either.right(
    new AccessToken.AccessToken({
      ...token,
      issuedAt: outer.issuedAt,
      expiresAt: outer.expiresAt,
      refreshAt: outer.refreshAt
    })
  )
}

/** A store that gives only envelopes to the store inside. */
export const make = (inner: Service, keys: Keys): Service => {
  const open = (key: string, outer: AccessToken.AccessToken): Effect.Effect<AccessToken.AccessToken, string> =>
    Effect.flatMap(
      Effect.zip(envelopes.open(Redacted.value(outer.value), keys, key), Clock.currentTimeMillis),
      ([text, wall]) => Either.flatMap(storedToken.decode(text), (token) => timed(token, outer, wall))
    )

  return {
    get: (key) =>
      Effect.flatMap(
        inner.get(key),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (outer) =>
            Effect.asSome(open(key, outer)).pipe(
              Effect.mapError((detail) => new StoreError({ operation: "get", reason: "unreadable", detail }))
            )
        })
      ),
    put: (token, lease) =>
      Effect.flatMap(
        Effect.mapError(
          envelopes.seal(storedToken.encode(token), keys, lease.key),
          () => new StoreError({ operation: "put", reason: "unavailable", detail: "the token could not be sealed" })
        ),
        (value) =>
          inner.put(
            AccessToken.make({
              value,
              tokenType: storedToken.sealedType,
              issuedAt: token.issuedAt,
              expiresAt: token.expiresAt,
              refreshAt: token.refreshAt
            }),
            lease
          )
      ),
    acquire: inner.acquire,
    release: inner.release,
    // no two envelopes are the same, so the envelope to remove has to be read from the store inside
    remove: (key, token) =>
      Effect.flatMap(
        inner.get(key),
        Option.match({
          onNone: () => Effect.void,
          onSome: (outer) =>
            Effect.matchEffect(open(key, outer), {
              // it cannot be read, so it is not known to be this token
              onFailure: () => Effect.void,
              onSuccess: (stored) => AccessToken.isSame(stored, token) ? inner.remove(key, outer) : Effect.void
            })
        })
      ).pipe(
        Effect.mapError(({ detail, reason }) => new StoreError({ operation: "remove", reason, detail }))
      ),
    changes: inner.changes
  }
}
