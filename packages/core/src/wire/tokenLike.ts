// A token as a parameter: an AccessToken, a Redacted or a string.
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../values/AccessToken.js"
import { isAccessToken } from "../values/AccessToken.js"

/** A token in any form that a program may have. */
export type TokenLike = AccessToken | Redacted.Redacted | string

export const redacted = (token: TokenLike): Redacted.Redacted =>
  isAccessToken(token) ? token.value : Redacted.isRedacted(token) ? token : Redacted.make(token)
