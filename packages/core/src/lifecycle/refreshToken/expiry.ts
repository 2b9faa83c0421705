// When a refresh token ends.
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../../values/AccessToken.js"
import * as Clocks from "../../values/Clocks.js"
import * as expiresIn from "../../wire/expiresIn.js"
import type { Stored } from "./contract.js"

/** `refresh_expires_in` (Keycloak) or `refresh_token_expires_in`, in seconds; 0 is Keycloak's "never". */
export const refreshExpiry = (token: AccessToken): Option.Option<number> => {
  const extra = Redacted.value(token.extra)
  return expiresIn.seconds(extra.refresh_expires_in ?? extra.refresh_token_expires_in).pipe(
    Option.filter((seconds) => seconds > 0),
    Option.map((seconds) => token.issuedAt + seconds * 1000)
  )
}

export type Watch = ReturnType<typeof makeWatch>

/** Remembers the life of the refresh token that this process received last. */
export const makeWatch = () => {
  // The life of the refresh token that this process received last, by the steady clock: a wall clock that is put
  // forward must not end a login.
  let heard: { readonly token: Redacted.Redacted; readonly life: Clocks.Period } | undefined
  const received = (
    next: Redacted.Redacted,
    token: AccessToken,
    expiresAt: Option.Option<number>
  ): Effect.Effect<void> =>
    Option.isNone(expiresAt) ? Effect.void : Effect.map(Clocks.now, (now) => {
      heard = { token: next, life: Clocks.period(now, expiresAt.value - token.issuedAt) }
    })

  const hasExpired = ({ expiresAt, token }: Stored, now: Clocks.Now): boolean =>
    Option.exists(expiresAt, (end) => end <= now.wall) &&
    (heard === undefined || !Equal.equals(heard.token, token) || Clocks.isOver(heard.life, now))

  return { received, hasExpired }
}
