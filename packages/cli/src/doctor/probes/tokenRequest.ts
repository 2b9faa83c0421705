/** Token requests as the library sends them: one, and one more to compare. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as TokenEndpoint from "effect-bearer/TokenEndpoint"
import type * as TokenError from "effect-bearer/TokenError"
import * as TokenRequest from "effect-bearer/TokenRequest"
import type { Answer, Observer } from "../observing.js"
import type { Client } from "./client.js"

export type Result = Either.Either<AccessToken.AccessToken, TokenError.RequestError>

/** What came of one token request. */
export interface Asked {
  readonly result: Result
  /** Status and headers, if there was an answer. */
  readonly answer: Answer | undefined
}

/** So many token requests are sent without `--try`, and why not more. */
export const planned = ({ grant }: BrokerConfig.Profile): { readonly most: 0 | 1 | 2; readonly why: string } => {
  switch (grant.type) {
    case "client_credentials":
      return { most: 2, why: "" }
    case "jwt_bearer":
      return { most: 1, why: "an assertion may be good for one request only" }
    case "refresh_token":
      return {
        most: 0,
        why: "a refresh token may be good for one request only, and the next one would have to be kept"
      }
  }
}

/** Sends one token request. Nothing is kept, nothing is tried again. */
export const request = (
  profile: BrokerConfig.Profile,
  url: URL,
  client: Pick<Client, "authentication" | "grant">,
  observer: Observer
): Effect.Effect<Asked> =>
  Effect.suspend(() => {
    const before = observer.answers("token").length
    return Effect.map(send(profile, url, client, observer), (result) => ({
      result,
      answer: observer.answers("token").at(before)
    }))
  })

const send = (
  profile: BrokerConfig.Profile,
  url: URL,
  { authentication, grant }: Pick<Client, "authentication" | "grant">,
  observer: Observer
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const endpoint = yield* TokenEndpoint.make({
      tokenEndpoint: url,
      clientId: profile.clientId,
      authentication,
      timeout: profile.timeout,
      allowInsecure: profile.allowInsecure
    })
    const { audience, parameters, resource, scopes } = profile
    return yield* endpoint.request(
      grant,
      TokenRequest.make({ scopes, audience, resource, parameters })
    )
  }).pipe(
    Effect.provideService(HttpClient.HttpClient, observer.at("token")),
    // what the library would warn of is among the findings
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.tap((token) => Effect.sync(() => observer.hide(token.value))),
    Effect.either
  )
