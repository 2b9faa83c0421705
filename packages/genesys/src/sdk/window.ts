// Shows the current token to code that looks into the SDK instead of calling it.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "effect-bearer/AccessToken"
import type { TokenEvent } from "effect-bearer/TokenEvent"
import * as TokenSource from "effect-bearer/TokenSource"
import type { ApiClient } from "./contract.js"

/** Where code that looks into the SDK, rather than calling it, sees the current token: `apiClient.authData`. */
export const makeWindow = (apiClient: ApiClient) => {
  let isOpen = false
  let token: AccessToken | undefined
  let shown: string | undefined
  const display = () => {
    if (!isOpen || token === undefined) return
    const value = Redacted.value(token.value)
    if (value === shown) return
    shown = value
    const expiry = Option.getOrElse(token.expiresAt, () => 0)
    apiClient.setAuthData({
      accessToken: value,
      tokenExpiryTime: expiry,
      tokenExpiryTimeString: expiry > 0 && expiry <= 8.64e15 ? new Date(expiry).toUTCString() : ""
    })
  }
  return {
    show: (next: AccessToken) =>
      Effect.sync(() => {
        token = next
        display()
      }),
    /** Whether a request carries the token that the SDK shows, and not one of its own. */
    isShown: (authorization: string | undefined) => shown !== undefined && authorization === `Bearer ${shown}`,
    open: () => {
      isOpen = true
      display()
    },
    close: () => {
      isOpen = false
      token = shown = undefined
      apiClient.clearAccessToken()
    }
  }
}

type Show = (token: AccessToken) => Effect.Effect<void>

export const showCurrent = (tokens: TokenSource.With<unknown>, show: Show): Effect.Effect<void> =>
  Effect.flatMap(
    TokenSource.status(tokens),
    ({ token }) => Option.match(token, { onNone: () => Effect.void, onSome: show })
  )

/** Requests get their token from the source; this is for code that reads the token from the SDK and sends no request. */
export const follow = (tokens: TokenSource.With<unknown>, show: Show, event: TokenEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "TokenAcquired":
    case "TokenShared":
      return showCurrent(tokens, show)
    // no longer served, or no longer renewed: asking for it mends both
    case "TokenRejected":
    case "TokenInactive":
    case "KeyForgotten":
      return Effect.ignore(tokens.get())
    default:
      return Effect.void
  }
}
