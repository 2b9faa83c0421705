import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../AccessToken.js"
import * as envelopes from "./sealedEnvelope.js"
import type { Keys } from "./sealedKeys.js"
import * as storedToken from "./storedToken.js"
import type { Service } from "./tokenStore.js"
import { StoreError } from "./tokenStore.js"

/** A store that hands the one inside nothing but envelopes; only the times of a token are outside, for its eyes. */
export const make = (inner: Service, keys: Keys): Service => {
  const open = (key: string, outer: AccessToken.AccessToken): Effect.Effect<AccessToken.AccessToken, string> =>
    Effect.flatMap(
      envelopes.open(Redacted.value(outer.value), keys, key),
      (text) =>
        Either.map(storedToken.decode(text), (token) =>
          // the store may have moved the times to this machine's clock
          new AccessToken.AccessToken({
            ...token,
            issuedAt: outer.issuedAt,
            expiresAt: outer.expiresAt,
            refreshAt: outer.refreshAt
          }))
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
