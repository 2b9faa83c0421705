// The errors of a refresh token in a store that is shared.
import * as Option from "effect/Option"
import * as TokenError from "../../../values/TokenError.js"

export const unanswered = (detail: string) =>
  new TokenError.TransportError({ endpoint: "the token store", code: Option.none(), detail })

export const overtaken = unanswered(
  "the lease of this refresh token ran out, and another process has used it since; nothing was sent from here, so " +
    "ask again. If it happens often, make `lease` longer"
)

/**
 * An unreadable record does not count as an empty store: the process would begin again with the configured refresh
 * token, which was spent long ago.
 */
export const unreadable = (key: string, detail: string) =>
  new TokenError.InvalidConfiguration({
    fields: ["TokenStore"],
    detail: `the refresh token under "${key}" cannot be read: ${detail}. It is neither passed over nor replaced, for ` +
      "the one to begin with may be spent. Give this process the key it was sealed with; if it was stored before tokens " +
      "were sealed, load it through the store as it was and save it through this one; or save a new refresh token"
  })
