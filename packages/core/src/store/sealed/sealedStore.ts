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

// The rule: all that is known of a token is inside its envelope, its times too, and the envelope is bound to its place.
// The times outside are for the eyes of the store, which may move all of them to the clock of the machine that reads (a
// store that counts what is left does that) or end a life sooner. They never say more than what is inside.

/** What a store makes of its own counting. Milliseconds. */
const rounding = 1000

/** By how much clocks of machines may differ, and so a store may postpone a life. Beyond that it is an old envelope. */
const mostSkew = 300_000

/** The token by the times of the store that keeps it; on the left why they are not believed. */
const timed = (
  token: AccessToken.AccessToken,
  outer: AccessToken.AccessToken,
  wall: number
): Either.Either<AccessToken.AccessToken, string> => {
  // a store that says nothing of an end has not moved anything
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
    // where the store has moved them, a life that has not begun yet is longer than it was
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

/** A store that hands the one inside nothing but envelopes. */
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
    // no two envelopes are the same: the one inside has to be asked for the one it has
    remove: (key, token) =>
      Effect.flatMap(
        inner.get(key),
        Option.match({
          onNone: () => Effect.void,
          onSome: (outer) =>
            Effect.matchEffect(open(key, outer), {
              // not to be read, so not known to be this one
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
