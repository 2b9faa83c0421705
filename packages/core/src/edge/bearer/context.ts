// What the parts of one client with a bearer work with.
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import type * as source_ from "../../lifecycle/source.js"
import type * as AccessToken from "../../values/AccessToken.js"
import type { InvalidConfiguration } from "../../values/TokenError.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import type { Checked, Options } from "./options.js"
import type { RenewalGuard } from "./renewalGuard.js"

/** The state of one call, from one attempt to the next. */
export interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly tokenRequest: TokenRequest.TokenRequest | undefined
  /** What the call asks of its token; see `BearerAuth.withMinTtl`. */
  readonly demand: source_.GetOptions | undefined
  /** Whether the one replay after a 401 has been made. */
  replayed: boolean
  retries: number
}

export type Result<E, R> = Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>

/**
 * What a caller gets if nothing is repeated: the response, or the error that was made of it. `kept` is the response with
 * the body that was read meanwhile.
 */
export type Outcome<E> = (kept?: HttpClientResponse.HttpClientResponse) => Result<E, never>

/** `E` and `R` are those of the HTTP client inside, `E2` that of the source, `E3` that of the source as callers see it. */
export interface Context<E, R, E2, E3> {
  readonly self: HttpClient.HttpClient.With<E, R>
  readonly source: source_.With<E2>
  readonly hooks: source_.Hooks
  readonly options: Options
  readonly settings: Checked
  readonly guard: RenewalGuard
  /** Sends what carries a token: `self`, without redirects where they are followed hop by hop (see `redirects`). */
  readonly bearing: HttpClient.HttpClient.With<E, R>
  readonly authorization: (token: AccessToken.AccessToken) => string | undefined
  readonly onTokenError:
    | ((error: E2 | InvalidConfiguration, request: HttpClientRequest.HttpClientRequest) => E3)
    | undefined
  /** Sends the request of a call with a token. */
  readonly send: (call: Call, token: AccessToken.AccessToken) => Result<E | E3, R>
  /** Gets a token and sends the request of a call with it. */
  readonly attempt: (call: Call) => Result<E | E3, R>
}

export const failWith = <E2, E3>(
  { onTokenError }: Pick<Context<never, never, E2, E3>, "onTokenError">,
  error: InvalidConfiguration,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<never, E3> =>
  Effect.fail(onTokenError === undefined ? error as unknown as E3 : onTokenError(error, request))

/** A token of the source, with its errors as callers see them. */
export const fromSource = <E2, E3>(
  { onTokenError }: Pick<Context<never, never, E2, E3>, "onTokenError">,
  token: Effect.Effect<AccessToken.AccessToken, E2>,
  call: Call
): Effect.Effect<AccessToken.AccessToken, E3> =>
  (onTokenError === undefined
    ? token
    : Effect.mapError(token, (error) => onTokenError(error, call.request))) as Effect.Effect<
      AccessToken.AccessToken,
      E3
    >

/** The name of a token request in events. */
export const keyOf = (
  { hooks: { defaults } }: { readonly hooks: Pick<source_.Hooks, "defaults"> },
  request: TokenRequest.TokenRequest | undefined
): string => TokenRequest.hash(request === undefined ? defaults : TokenRequest.withDefaults(request, defaults))
