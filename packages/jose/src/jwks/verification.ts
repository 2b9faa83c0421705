// Verifies one token against the keys of its issuer.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "effect-bearer/AccessToken"
import * as Disclosure from "effect-bearer/Disclosure"
import type * as OwnRequest from "effect-bearer/OwnRequest"
import * as Scopes from "effect-bearer/Scopes"
import * as jose from "jose"
import * as keyrings from "../internal/keyring.js"
import type { Verified } from "./contract.js"
import type { JwksError } from "./errors.js"
import {
  BadSignature,
  ClaimRejected,
  KeysUnavailable,
  MalformedToken,
  MissingScopes,
  TokenExpired,
  UnknownKey,
  WrongAudience,
  WrongIssuer
} from "./errors.js"
import type { Settled } from "./settings.js"

export const verifier = (settled: Settled) => {
  const ring = keyrings.make(settled)
  return (
    token: AccessToken.AccessToken | Redacted.Redacted,
    send: OwnRequest.Send
  ): Effect.Effect<Verified, JwksError> =>
    Effect.gen(function*() {
      const jwt = Redacted.value(AccessToken.isAccessToken(token) ? token.value : token)
      // before any key is fetched: anybody can send anything
      const { kid, named } = yield* header(jwt, settled)
      const keys = yield* ring.current
      const claims = yield* check(jwt, kid, keys.find, settled).pipe(
        // a token that does not name its key is of an unknown one if no key there is has signed it
        Effect.catchIf(
          (error) => error._tag === "UnknownKey" || (error._tag === "BadSignature" && !named),
          (error) =>
            Effect.flatMap(
              ring.newer(keys),
              (newer) => newer === undefined ? Effect.fail(error) : check(jwt, kid, newer.find, settled)
            )
        )
      )
      const granted = scopesOf(claims)
      const missing = Scopes.missing(settled.requiredScopes, granted)
      if (missing.length > 0) {
        return yield* new MissingScopes({ required: settled.requiredScopes, granted, missing })
      }
      return { claims, scopes: granted, boundTo: boundTo(claims) }
    }).pipe(
      Effect.catchTag(
        "Unavailable",
        ({ detail }) => Effect.fail(new KeysUnavailable({ endpoint: settled.endpoint, detail }))
      ),
      Effect.provideService(keyrings.Sender, send)
    )
}

/** No server takes a header that is larger. */
const longestToken = 262_144

interface Header {
  /** To be shown. */
  readonly kid: Option.Option<string>
  /** Whether the token says at all with which key it is signed. */
  readonly named: boolean
}

const header = (jwt: string, { algorithms }: Settled) =>
  Effect.suspend((): Effect.Effect<Header, MalformedToken> => {
    let decoded: jose.ProtectedHeaderParameters
    if (jwt.length > longestToken) {
      return Effect.fail(new MalformedToken({ detail: "it is larger than a token can be" }))
    }
    try {
      decoded = jose.decodeProtectedHeader(jwt)
    } catch {
      return Effect.fail(new MalformedToken({ detail: "it is no signed JWT" }))
    }
    if (jwt.split(".").length !== 3) return Effect.fail(new MalformedToken({ detail: "it is no signed JWT" }))
    return typeof decoded.alg === "string" && algorithms.includes(decoded.alg === "Ed25519" ? "EdDSA" : decoded.alg)
      ? Effect.succeed({
        named: decoded.kid !== undefined,
        kid: Option.filter(Option.liftPredicate(decoded.kid, isName), (kid) => mayBeShown(kid, jwt))
      })
      : Effect.fail(new MalformedToken({ detail: `its algorithm is none of ${algorithms.join(", ")}` }))
  })

/** The name of a key, if it is one: it comes from whoever made the token. */
const isName = (kid: unknown): kid is string => typeof kid === "string" && /^[\w.:+/=-]{1,100}$/.test(kid)

/** Whoever made the token may have put anything there. So what is a part of the token, or looks like a credential, is no name. */
const mayBeShown = (kid: string, jwt: string): boolean =>
  (kid.length < 8 || !jwt.includes(kid)) && Disclosure.make([], { keepsUuids: true }).text(kid) === kid

export const check = (
  jwt: string,
  kid: Option.Option<string>,
  find: keyrings.FindKey,
  settled: Settled
): Effect.Effect<jose.JWTPayload, JwksError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const options: jose.JWTVerifyOptions = {
      algorithms: settled.algorithms.includes("EdDSA") ? [...settled.algorithms, "Ed25519"] : [...settled.algorithms],
      issuer: settled.issuer,
      audience: [...settled.audience],
      clockTolerance: settled.clockTolerance,
      currentDate: new Date(now),
      requiredClaims: ["exp"],
      ...settled.typ === undefined ? {} : { typ: settled.typ }
    }
    return Effect.tryPromise({
      try: () => verifyWith(jwt, find, options),
      catch: (error) => toJwksError(error, kid, settled)
    })
  })

/** Without a `kid` several keys may fit: the first that verifies counts. */
const verifyWith = async (
  jwt: string,
  find: keyrings.FindKey,
  options: jose.JWTVerifyOptions
): Promise<jose.JWTPayload> => {
  try {
    return (await jose.jwtVerify(jwt, find, options)).payload
  } catch (error) {
    if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jose.jwtVerify(jwt, key, options)).payload
      } catch (error) {
        if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new jose.errors.JWSSignatureVerificationFailed()
  }
}

/** Nothing of the original is kept: it holds the claims. */
const toJwksError = (error: unknown, kid: Option.Option<string>, settled: Settled): JwksError => {
  if (error instanceof jose.errors.JWTExpired) {
    const { exp } = error.payload
    return new TokenExpired({
      // the largest date there is
      expiredAt: typeof exp === "number" && Math.abs(exp) <= 8.64e12 ? Option.some(exp * 1000) : Option.none()
    })
  }
  if (error instanceof jose.errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case "aud":
        return new WrongAudience({ expected: settled.audience })
      case "iss":
        return new WrongIssuer({ expected: settled.issuer })
      default:
        return new ClaimRejected({ claim: error.claim })
    }
  }
  if (error instanceof jose.errors.JWSSignatureVerificationFailed) return new BadSignature()
  if (error instanceof jose.errors.JWKSNoMatchingKey) return new UnknownKey({ kid })
  if (error instanceof jose.errors.JWTInvalid || error instanceof jose.errors.JWSInvalid) {
    return new MalformedToken({ detail: "it is no well-formed JWT" })
  }
  return new MalformedToken({ detail: "the issuer's key for it cannot be used here" })
}

/** `scope` is a text with spaces (RFC 8693 §4.2), `scp` that or a list. */
const scopesOf = (claims: jose.JWTPayload): Scopes.Scopes => {
  const value = claims.scope ?? claims.scp
  if (typeof value === "string") return Scopes.make(value)
  return Array.isArray(value)
    ? Scopes.make(value.filter((scope): scope is string => typeof scope === "string"))
    : Scopes.empty
}

export const boundTo = ({ cnf }: jose.JWTPayload): Verified["boundTo"] => {
  const member = (name: string): Option.Option<string> =>
    Predicate.hasProperty(cnf, name) && typeof cnf[name] === "string" ? Option.some(cnf[name]) : Option.none()
  return { jkt: member("jkt"), x5t: member("x5t#S256") }
}
