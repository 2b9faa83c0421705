/** The token that came: its scopes, its audience, its life. Nothing of it is shown but names. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "effect-bearer/AccessToken"
import * as Jwt from "effect-bearer/Jwt"
import * as ScopePolicy from "effect-bearer/ScopePolicy"
import * as Scopes from "effect-bearer/Scopes"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import { finding } from "../findings.js"
import type { Seen } from "../report.js"
import { found } from "../report.js"
import * as wording from "../wording.js"

type Token = AccessToken.AccessToken

export const scopes = (token: Token, profile: BrokerConfig.Profile): Seen => {
  const requested = Scopes.make(profile.scopes)
  const claimed = Option.match(Jwt.decode(token), { onNone: () => Scopes.empty, onSome: ({ scopes }) => scopes })
  const compared = ScopePolicy.compare(requested, token.scopes)
  // some servers say nothing in the answer, and put less into the token
  const inToken = claimed.length === 0 ? Scopes.empty : ScopePolicy.compare(requested, claimed).missing
  const missing = Scopes.make([...compared.missing, ...inToken])
  const renamed = compared.renamed.map(({ granted, requested }) =>
    `${wording.name(requested)} as ${wording.name(granted)}`
  )
  const granted = Scopes.make([...token.scopes, ...claimed])
  const broad = Scopes.make([...requested, ...granted]).filter((scope) =>
    ScopePolicy.defaultBroad.includes(scope.toLowerCase())
  )
  return found("scopes", [
    ...missing.length === 0 ? [] : [
      finding(
        "scope-narrowed",
        `Asked for and not granted: ${wording.names(missing)}. Granted: ${
          wording.names(compared.missing.length > 0 ? token.scopes : claimed) || "none"
        }. The server gave a token all the same.${
          renamed.length === 0 ? "" : ` It seems to write ${renamed.slice(0, 4).join(", ")}.`
        }`,
        "Allow these scopes for the client at the server, or stop asking for them. Where the server writes a scope in another way, ask " +
          "for the name it uses."
      )
    ],
    ...broad.length === 0 ? [] : [
      finding(
        "scope-over-broad",
        `${wording.names(broad)} was ${
          broad.some((scope) => requested.includes(scope)) ? "asked for" : "granted without being asked for"
        }.`,
        "Ask for the scopes that the program needs, by their names, and take the wide ones from the client at the server: whoever gets " +
          "hold of such a token can do everything."
      )
    ]
  ], `${wording.count(token.scopes.length, "scope")} granted`)
}

/** Audiences that the token names, if it is a JWT that can be read. */
const audiencesOf = (token: Token): ReadonlyArray<string> | undefined =>
  Option.getOrUndefined(Option.map(Jwt.decode(token), ({ claims }) => {
    const { aud } = Redacted.value(claims)
    return (Array.isArray(aud) ? aud : [aud]).filter((one) => typeof one === "string")
  }))

const isEncrypted = (token: Token): boolean => Redacted.value(token.value).split(".").length === 5

const without = (url: string): string => url.replace(/\/$/, "")

export const audience = (
  token: Token,
  profile: BrokerConfig.Profile,
  metadata: ServerMetadata.Metadata | undefined,
  /** Whether an API has refused the token, or nothing but the keys of the issuer can tell whether it is good. */
  options: { readonly apiRefused: boolean }
): Seen => {
  const check = "audience and form of the token"
  const wanted = [...profile.audience, ...profile.resource]
  const audiences = audiencesOf(token)
  if (audiences !== undefined) {
    const lacking = wanted.filter((one) => !audiences.some((audience) => without(audience) === without(one)))
    return found(
      check,
      lacking.length === 0 || lacking.length < wanted.length ? [] : [
        finding(
          "audience-or-resource",
          `Asked for ${wording.names(wanted)}; the token is for ${wording.names(audiences) || "nobody by name"}.`,
          "Write the identifier of the API as the server knows it. If the server takes `resource` instead of `audience`, or the other way " +
            "round, use that; some take neither and want a scope that names the API."
        )
      ],
      "a JWT"
    )
  }
  if (isEncrypted(token)) return found(check, [], "an encrypted JWT")
  const keysOnly = metadata !== undefined && Option.isSome(metadata.jwksUri) &&
    Option.isNone(metadata.endpoints.introspection) && profile.introspectionEndpoint === undefined
  const why = keysOnly
    ? "The issuer publishes keys and no introspection endpoint, so APIs can tell good tokens by a signature only"
    : options.apiRefused
    ? "The API refuses it"
    : undefined
  return why === undefined || (wanted.length > 0 && !keysOnly)
    ? found(check, [], "opaque: only the server knows what it is for")
    : found(check, [
      finding(
        "audience-or-resource",
        `The token is opaque, not a JWT. ${why}. Sent: ${
          wanted.length === 0 ? "no audience and no resource" : wording.names(wanted)
        }.`,
        "Name the API in the profile, as `audience` (Auth0 and others) or as `resource` (RFC 8707): without it many servers give a token " +
          "for their own use."
      )
    ])
}

export const lifetime = (token: Token, profile: BrokerConfig.Profile): Seen => {
  const check = "lifetime of the token"
  const life = Option.getOrUndefined(AccessToken.remaining(token, token.issuedAt))
  if (life === undefined) {
    return found(
      check,
      [],
      `the server does not say; ${wording.seconds(Duration.toMillis(profile.assumeLifetime))} are assumed`
    )
  }
  const millis = Duration.toMillis(life)
  const ahead = Duration.toMillis(profile.ahead)
  return found(
    check,
    // as long as that, many servers' tokens live: then it is renewed after three quarters of its life, which is fine
    millis >= ahead ? [] : [
      finding(
        "short-lifetime",
        `The token lives ${wording.seconds(millis)}; \`ahead\` is ${
          wording.seconds(ahead)
        }. It is renewed after three quarters of its life instead.`,
        "Have the lifetime raised at the server, or set `ahead` in the profile to less than a quarter of it, so that what you read there is " +
          "what happens. Each renewal is a token request: very short lives meet rate limits."
      )
    ],
    wording.seconds(millis)
  )
}

export const sameAgain = (check: string, first: Token, second: Token): Seen =>
  found(
    check,
    AccessToken.isSame(first, second) ?
      [
        finding(
          "same-token-again",
          `Two token requests in a row gave the same token${
            Option.match(AccessToken.remaining(second, second.issuedAt), {
              onNone: () => "",
              onSome: (left) => `, the second time with ${wording.seconds(Duration.toMillis(left))} left`
            })
          }.`,
          "A renewal ahead of time gives nothing new until the server makes a new token. Set `ahead` to less than the time before the end at " +
            "which it does, or have it issue a new token for each request. Revoking this token takes it from everybody who has it."
        )
      ] :
      []
  )
