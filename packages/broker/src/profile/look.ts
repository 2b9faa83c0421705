/**
 * One look at the token of a profile, within the time a caller may be kept waiting.
 *
 * **The rule.** A caller waits only where no usable token exists, and then as long as the profile says. What it waited for
 * goes on without it. The life that is left is measured by the steady clock.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AccessToken } from "effect-bearer/AccessToken"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"

/** A token that may be handed out. */
export interface Found {
  readonly _tag: "Found"
  readonly token: AccessToken
  /** Milliseconds it still lives. */
  readonly remaining: number
  /** Its successor is on its way, or was to be. */
  readonly refreshing: boolean
}

/** Nothing to hand out yet: the request for a token has begun, and goes on. */
export interface Awaited {
  readonly _tag: "Awaited"
}

/** No token could be had. */
export interface Failed {
  readonly _tag: "Failed"
  readonly error: TokenError.TokenError
}

export type Look = Found | Awaited | Failed

export interface Options {
  /** How long to wait where there is no usable token. */
  readonly wait: Duration.Duration
  /** What a token is taken to live that came without a lifetime. */
  readonly assumeLifetime: Duration.Duration
  /** A token with less left is renewed first. */
  readonly least?: Duration.Duration | undefined
}

type Source = TokenSource.With<TokenError.TokenError>
type Request = TokenRequest.TokenRequest | undefined

const awaited: Look = { _tag: "Awaited" }

const failed = (error: TokenError.TokenError): Look => ({ _tag: "Failed", error })

/** What `source` has for `request`. */
export const look = (source: Source, request: Request, options: Options): Effect.Effect<Look> => {
  const get = options.least === undefined
    ? source.get(request)
    : TokenSource.getWithRemaining(options.least, request)(source)
  const found = (token: AccessToken) =>
    Effect.map(TokenSource.status(source, request), (status) => describe(token, status, options))
  return Effect.flatMap(TokenSource.status(source, request), (status): Effect.Effect<Look> => {
    if (Option.isSome(status.token) && options.least === undefined) {
      return Effect.match(get, {
        onFailure: failed,
        onSuccess: (token): Look => describe(token, status, options)
      })
    }
    return Effect.flatMap(get, found).pipe(
      Effect.catchAll((error) => Effect.succeed(failed(error))),
      Effect.timeoutTo({ duration: options.wait, onSuccess: (look) => look, onTimeout: () => awaited }),
      // if the renewal takes too long the caller gets the present token
      Effect.flatMap((look) =>
        look._tag === "Found"
          ? Effect.succeed(look)
          : Effect.map(TokenSource.status(source, request), (status) =>
            Option.isSome(status.token) ? describe(status.token.value, status, options) : look)
      )
    )
  })
}

const describe = (token: AccessToken, status: TokenSource.Status, options: Options): Found => ({
  _tag: "Found",
  token,
  remaining: Option.match(status.remaining, {
    onNone: () => Duration.toMillis(options.assumeLifetime),
    onSome: Duration.toMillis
  }),
  refreshing: status.refreshing || status.stale
})
