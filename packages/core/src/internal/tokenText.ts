import * as Redacted from "effect/Redacted"
import { AccessToken } from "../AccessToken.js"

/** A token in any form a program may hold it. */
export type TokenLike = AccessToken | Redacted.Redacted | string

export const redacted = (token: TokenLike): Redacted.Redacted =>
  token instanceof AccessToken ? token.value : Redacted.isRedacted(token) ? token : Redacted.make(token)
