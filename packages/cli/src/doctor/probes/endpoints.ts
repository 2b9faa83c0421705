/** Introspection and revocation, where the profile or the metadata names them: one request each. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import type * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Introspection from "effect-bearer/Introspection"
import * as Revocation from "effect-bearer/Revocation"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found } from "../report.js"
import * as wording from "../wording.js"
import * as failures from "./failures.js"

export interface Options {
  readonly profile: BrokerConfig.Profile
  readonly authentication: ClientAuthentication.ClientAuthentication
  readonly observer: Observer
  readonly environment: Environment
}

const clientOf = ({ authentication, profile }: Options) => ({
  clientId: profile.clientId,
  authentication,
  timeout: profile.timeout,
  allowInsecure: profile.allowInsecure
})

const said = (error: TokenError.RequestError): string =>
  error._tag === "OAuthError" || error._tag === "RejectedByEndpoint" || error._tag === "MalformedResponse" ||
    error._tag === "EndpointUnavailable" || error._tag === "RateLimited"
    ? `answered ${error.status}${error._tag === "MalformedResponse" ? `, but ${wording.name(error.detail, 120)}` : ""}`
    : error._tag === "EndpointTimeout"
    ? "did not answer in time"
    : error._tag === "TlsError"
    ? `could not be reached (${error.code})`
    : error._tag === "TransportError"
    ? `could not be reached${error.code._tag === "Some" ? ` (${error.code.value})` : ""}`
    : error._tag === "InvalidConfiguration"
    ? `cannot be used: ${wording.name(error.detail, 300)}`
    : "gave no answer"

/** Failures of a proxy are told as such, everything else as what does not work. */
const failure = (
  code: "introspection-unavailable" | "revocation-unavailable",
  error: TokenError.RequestError,
  url: URL,
  { environment, observer }: Options,
  fix: string
): Finding => {
  const place = code === "introspection-unavailable" ? "introspection" : "revocation"
  const way = failures.ofWay(error, {
    url,
    place: `the ${place} endpoint`,
    environment,
    answer: observer.answers(place).at(-1)
  })
  return way !== undefined && (way.code.startsWith("proxy-") || way.code === "redirect")
    ? way
    : finding(code, `The ${place} endpoint ${wording.place(url)} ${said(error)}.`, fix)
}

export const introspection = (url: URL, token: AccessToken.AccessToken, options: Options): Effect.Effect<Seen> => {
  const check = "introspection"
  const fix =
    "Check the URL, and allow this client to introspect: many servers let only registered APIs ask. Without introspection a " +
    "program finds out that a token was revoked when an API refuses it."
  return Effect.flatMap(
    Introspection.make({ ...clientOf(options), endpoint: url }),
    (introspection) => introspection.check(token)
  ).pipe(
    Effect.provideService(HttpClient.HttpClient, options.observer.at("introspection")),
    Effect.either,
    Effect.map((result) =>
      Either.isLeft(result)
        ? found(check, [failure("introspection-unavailable", result.left, url, options, fix)])
        : found(
          check,
          result.right.active ? [] : [
            finding(
              "introspection-unavailable",
              `The introspection endpoint ${
                wording.place(url)
              } says that the token which was just issued is not active.`,
              "It answers so to clients that may not know: allow this client to introspect its own tokens. Or it belongs to another server " +
                "than the token endpoint does."
            )
          ],
          "says that the token is active"
        )
    )
  )
}

/** A token that does not exist is revoked: the server has to say yes (RFC 7009 §2.2), and no token is lost. */
const madeUp = Effect.map(
  Effect.all(Array.from({ length: 4 }, () => Random.nextIntBetween(0, 0x1000000))),
  (parts) => Redacted.make(`effect-bearer-doctor-${parts.map((part) => part.toString(16)).join("")}`)
)

export const revocation = (url: URL, options: Options): Effect.Effect<Seen> => {
  const check = "revocation"
  const fix =
    "Check the URL, and allow this client to revoke its tokens. Without revocation a token that has leaked is good until its end."
  return Effect.flatMap(
    Revocation.make({ ...clientOf(options), endpoint: url }),
    (revocation) => Effect.flatMap(madeUp, (token) => revocation.revoke(token))
  ).pipe(
    Effect.provideService(HttpClient.HttpClient, options.observer.at("revocation")),
    Effect.either,
    Effect.map((result) =>
      Either.isRight(result)
        ? found(check, [], "answers")
        : found(check, [failure("revocation-unavailable", result.left, url, options, fix)])
    )
  )
}
