import type { Cause, Duration } from "effect"
import { Clock, Effect, Option } from "effect"
import type { TokenRequest } from "../../src/index.js"
import { AccessToken, TokenError, TokenSource } from "../../src/index.js"

export const endpoint = "https://login.example/token"

export const unavailable = (retryAfter?: Duration.Duration) =>
  new TokenError.EndpointUnavailable({
    endpoint,
    status: 503,
    retryAfter: Option.fromNullable(retryAfter),
    description: Option.none()
  })

export const refused = (error = "invalid_client") =>
  new TokenError.OAuthError({
    endpoint,
    error,
    description: Option.none(),
    uri: Option.none(),
    status: 401,
    advice: Option.none()
  })

/** A source that counts its calls and answers as the test says; time is that of the Clock. */
export class Scripted {
  calls: Array<{ readonly at: number; readonly request: TokenRequest.TokenRequest }> = []
  /** Milliseconds; undefined: the answer names no lifetime. */
  lifetime: number | undefined = 3_600_000
  latency = 0
  /** The results of the next calls, first to last; after them `failing` counts. */
  script: Array<TokenError.RequestError | Cause.Cause<never> | "ok"> = []
  failing: TokenError.RequestError | undefined = undefined
  /** Overrides the answer of a call. */
  answer: ((n: number, now: number) => AccessToken.AccessToken) | undefined = undefined

  get count() {
    return this.calls.length
  }

  readonly fetch = (
    request: TokenRequest.TokenRequest
  ): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> =>
    Effect.gen(this, function*() {
      const at = yield* Clock.currentTimeMillis
      this.calls.push({ at, request })
      const n = this.count
      const next = this.script.shift() ?? this.failing ?? "ok"
      if (this.latency > 0) yield* Effect.sleep(this.latency)
      if (next !== "ok") {
        return yield* "_tag" in next && "retryable" in next
          ? Effect.fail(next)
          : Effect.failCause(next)
      }
      if (this.answer !== undefined) return this.answer(n, at)
      return AccessToken.make({
        value: `token-${n}`,
        issuedAt: at,
        scopes: request.scopes,
        ...(this.lifetime === undefined ? {} : { expiresAt: at + this.lifetime })
      })
    })

  readonly source: Effect.Effect<TokenSource.With<TokenError.RequestError>> = TokenSource.make(this.fetch)
}
