// A token that a caller in this process needs, and which other token is better than the one it has.
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import { isSame } from "../../values/AccessToken.js"
import type * as TokenRequest from "../../values/TokenRequest.js"

/** A token that a caller in this process needs. */
export interface Want<E> {
  readonly request: TokenRequest.TokenRequest
  /** The token to replace; it may still be good. */
  readonly current: AccessToken | undefined
  /** Whether an API refused `current`: this process cannot go on serving it. */
  readonly isRefused: boolean
  /** Whether a stored token that is still valid is acceptable. */
  readonly accepts: (token: AccessToken) => boolean
  readonly fetch: Effect.Effect<AccessToken, E>
  /** `fetch` without the rate limit, for a caller that has already taken room for one request. */
  readonly fetchAtOnce: Effect.Effect<AccessToken, E>
}

/** Whether `token` is another token than `current`, and lives longer if both ends are known. */
export const isBetter = (token: AccessToken, current: AccessToken): boolean =>
  !isSame(token, current) &&
  Option.getOrElse(
    Option.zipWith(token.expiresAt, current.expiresAt, (its, that) => its > that),
    () => true
  )
