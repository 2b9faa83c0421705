/**
 * Verification of JWT access tokens (RFC 9068) against the public keys of their issuer, a JWK set: for resource
 * servers, and for clients that want to know what they were given before they use it.
 *
 * Keys are matched and signatures checked by the `jose` library. The set is fetched through Effect's `HttpClient` and
 * kept by Effect's `Clock`, rather than by the library's own remote set, so that proxies, TLS settings and `TestClock`
 * apply to it as to every other request of this library. A set is kept for ten minutes, and a token signed with an
 * unknown key has it fetched again, at most every thirty seconds. One fetch serves all who wait for it. While it cannot
 * be fetched again, it is used for another hour.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "effect-bearer/AccessToken"
import * as OwnRequest from "effect-bearer/OwnRequest"
import * as Scopes from "effect-bearer/Scopes"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import * as keyrings from "./internal/keyring.js"
import type * as SigningKey from "./SigningKey.js"

// ---------------------------------------------------------------------------------------------------------------
// options and results
// ---------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Exactly as the `iss` claim spells it. */
  readonly issuer: string
  /** One of these must be in the `aud` claim: the name of the API that asks. */
  readonly audience: string | ReadonlyArray<string>
  /** `https`, or `http` on a loopback host. */
  readonly jwksUri: string | URL
  /** What the issuer signs with. A token says itself how it is signed, so nothing else is believed. */
  readonly algorithms: readonly [SigningKey.Algorithm, ...ReadonlyArray<SigningKey.Algorithm>]
  /** Scopes the token must have, all of them; from `scope` or `scp`. Default none. */
  readonly requiredScopes?: Scopes.Input | undefined
  /**
   * The `typ` of the header. `"at+jwt"` tells access tokens from ID tokens at issuers that follow RFC 9068. Default:
   * not checked.
   */
  readonly typ?: string | undefined
  /** How far the issuer's clock may be off. Default 5 seconds, at most 1 day. */
  readonly clockTolerance?: Duration.DurationInput | undefined
  /** How long a set is used without asking again. Default 10 minutes; `Infinity` for ever. */
  readonly maxAge?: Duration.DurationInput | undefined
  /**
   * How much longer a set is used that is to be fetched again, while that fails: a server that is down for a moment stops
   * no API, and one that has withdrawn a key is not ignored for longer than this. Default 1 hour; 0 for never,
   * `Infinity` for as long as it takes.
   */
  readonly maxStale?: Duration.DurationInput | undefined
  /** The set is not fetched more often than this, whatever tokens come. Default 30 seconds. */
  readonly cooldown?: Duration.DurationInput | undefined
  /** Default 5 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A token that was found to be genuine, and what it says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Verified {
  readonly claims: jose.JWTPayload
  readonly scopes: Scopes.Scopes
  /** What the token is bound to (`cnf`), to be compared with the DPoP proof or the client's certificate. */
  readonly boundTo: {
    /** Thumbprint of a DPoP key (RFC 9449 §6). */
    readonly jkt: Option.Option<string>
    /** Thumbprint of a certificate (RFC 8705 §3.1). */
    readonly x5t: Option.Option<string>
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Verifier {
  readonly verify: (token: AccessToken.AccessToken | Redacted.Redacted) => Effect.Effect<Verified, JwksError>
}

// ---------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------

/**
 * The token was genuine and is not valid any more.
 *
 * @since 0.1.0
 * @category errors
 */
export class TokenExpired extends Data.TaggedError("TokenExpired")<{
  /** Epoch milliseconds. */
  readonly expiredAt: Option.Option<number>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token has expired${
      Option.match(this.expiredAt, { onNone: () => "", onSome: (at) => ` at ${new Date(at).toISOString()}` })
    }.`
  }
}

/**
 * The signature is not that of the key it claims: the token was altered or made up.
 *
 * @since 0.1.0
 * @category errors
 */
export class BadSignature extends Data.TaggedError("BadSignature")<{}> {
  readonly retryable = false as const
  override get message(): string {
    return "The signature of the token does not fit the issuer's key."
  }
}

/**
 * No key of the issuer fits the token. Its name for the key is shown where it can be a name, and is not the token itself.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownKey extends Data.TaggedError("UnknownKey")<{
  readonly kid: Option.Option<string>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The issuer's key set has no key ${
      Option.match(this.kid, { onNone: () => "that fits", onSome: (kid) => `"${kid}"` })
    }.`
  }
}

/**
 * The token is for somebody else.
 *
 * @since 0.1.0
 * @category errors
 */
export class WrongAudience extends Data.TaggedError("WrongAudience")<{
  readonly expected: ReadonlyArray<string>
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token is not for ${this.expected.join(" or ")}: ask for the right audience or resource.`
  }
}

/**
 * The token comes from somebody else.
 *
 * @since 0.1.0
 * @category errors
 */
export class WrongIssuer extends Data.TaggedError("WrongIssuer")<{
  readonly expected: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token was not issued by ${this.expected}.`
  }
}

/**
 * Another claim, or the type in the header, is missing or not as it must be: `exp`, `nbf`, `typ`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ClaimRejected extends Data.TaggedError("ClaimRejected")<{
  readonly claim: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The claim "${this.claim}" of the token is missing or not acceptable.`
  }
}

/**
 * The token lacks scopes.
 *
 * @since 0.1.0
 * @category errors
 */
export class MissingScopes extends Data.TaggedError("MissingScopes")<{
  readonly required: Scopes.Scopes
  readonly granted: Scopes.Scopes
  readonly missing: Scopes.Scopes
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token lacks ${this.missing.join(", ")} (granted: ${few(this.granted) || "none"}).`
  }
}

/** A token may have any number of scopes, of any length. */
const few = (scopes: Scopes.Scopes): string => {
  const text = scopes.slice(0, 20).join(", ").slice(0, 500)
  return scopes.length > 20 ? `${text}, … ${scopes.length} in all` : text
}

/**
 * This is no signed JWT, or it is signed in a way that is not accepted. Opaque tokens are for introspection.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedToken extends Data.TaggedError("MalformedToken")<{
  readonly detail: string
}> {
  readonly retryable = false as const
  override get message(): string {
    return `The token cannot be verified: ${this.detail}.`
  }
}

/**
 * The key set could not be had, so nothing is known about the token.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{
  /** Origin and path. */
  readonly endpoint: string
  readonly detail: string
}> {
  readonly retryable = true as const
  override get message(): string {
    return `The key set of ${this.endpoint} could not be had: ${this.detail}.`
  }
}

/**
 * What verification can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type JwksError =
  | TokenExpired
  | BadSignature
  | UnknownKey
  | WrongAudience
  | WrongIssuer
  | ClaimRejected
  | MissingScopes
  | MalformedToken
  | KeysUnavailable

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

/**
 * A verifier that keeps the keys of one issuer. Make one and keep it: the keys live as long as it does.
 *
 * @example
 * ```ts
 * import { Jwks } from "@effect-bearer/jose"
 * import { Effect } from "effect"
 * import type { Redacted } from "effect"
 *
 * const program = (token: Redacted.Redacted) =>
 *   Effect.gen(function*() {
 *     const verifier = yield* Jwks.make({
 *       issuer: "https://login.example.com",
 *       audience: "https://api.example.com",
 *       jwksUri: "https://login.example.com/.well-known/jwks.json",
 *       algorithms: ["RS256"],
 *       requiredScopes: "users:read"
 *     })
 *     const { claims } = yield* verifier.verify(token)
 *     return claims.sub
 *   }).pipe(Effect.catchTag("TokenExpired", () => Effect.succeed(undefined)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Verifier, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const settled = yield* settle(options)
    const send = yield* OwnRequest.make
    const check = verifier(settled)
    return { verify: (token) => check(token, send) }
  })

/**
 * The same without a step in between: a function that keeps the keys, and takes the `HttpClient` from each call. What is
 * wrong with the options is told by every call.
 *
 * @example
 * ```ts
 * import { Jwks } from "@effect-bearer/jose"
 *
 * const verify = Jwks.verify({
 *   issuer: "https://login.example.com",
 *   audience: "https://api.example.com",
 *   jwksUri: "https://login.example.com/.well-known/jwks.json",
 *   algorithms: ["RS256", "PS256"]
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const verify = (
  options: Options
): (
  token: AccessToken.AccessToken | Redacted.Redacted
) => Effect.Effect<Verified, JwksError | TokenError.InvalidConfiguration, HttpClient.HttpClient> => {
  let check: ReturnType<typeof verifier> | undefined
  return (token) =>
    Effect.flatMap(OwnRequest.make, (send) =>
      check !== undefined
        ? check(token, send)
        : Effect.flatMap(settle(options), (settled) => (check ??= verifier(settled))(token, send)))
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isJwksError = (u: unknown): u is JwksError =>
  u instanceof TokenExpired || u instanceof BadSignature || u instanceof UnknownKey || u instanceof WrongAudience ||
  u instanceof WrongIssuer || u instanceof ClaimRejected || u instanceof MissingScopes ||
  u instanceof MalformedToken || u instanceof KeysUnavailable

// ---------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------

interface Settled extends keyrings.Settings {
  readonly issuer: string
  readonly audience: ReadonlyArray<string>
  readonly algorithms: ReadonlyArray<string>
  readonly requiredScopes: Scopes.Scopes
  readonly typ: string | undefined
  /** Seconds. */
  readonly clockTolerance: number
}

const settle = (options: Options): Effect.Effect<Settled, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const invalid = (field: string, detail: string) => new TokenError.InvalidConfiguration({ fields: [field], detail })
    const { algorithms, issuer } = options
    if (typeof issuer !== "string" || issuer.trim() === "") return yield* invalid("issuer", "the issuer is blank")
    const audience = typeof options.audience === "string" ? [options.audience] : [...options.audience ?? []]
    if (audience.length === 0 || audience.some((one) => typeof one !== "string" || one.trim() === "")) {
      return yield* invalid("audience", "the audience is blank: any token of the issuer would do")
    }
    if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every((alg) => known.has(alg))) {
      return yield* invalid("algorithms", `name those the issuer signs with, of ${Array.from(known).join(", ")}`)
    }
    const text = String(options.jwksUri)
    if (!URL.canParse(text)) return yield* invalid("jwksUri", "this is no absolute URL")
    const url = new URL(text)
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
      return yield* invalid("jwksUri", "the keys must come over https (http: is for loopback only)")
    }
    if (url.username !== "" || url.password !== "") {
      return yield* invalid("jwksUri", "a user name or password in the URL is not used")
    }
    yield* Settings.report(Settings.problems(ranges, options))
    const millis = (name: keyof typeof ranges) => Settings.value(ranges[name], options[name])
    return {
      issuer,
      audience,
      algorithms,
      requiredScopes: options.requiredScopes === undefined ? Scopes.empty : Scopes.make(options.requiredScopes),
      typ: options.typ,
      url,
      endpoint: url.origin + url.pathname,
      clockTolerance: Math.floor(millis("clockTolerance") / 1000),
      maxAge: millis("maxAge"),
      cooldown: millis("cooldown"),
      maxStale: millis("maxStale"),
      timeout: millis("timeout")
    }
  })

const ranges = {
  clockTolerance: Settings.duration("5 seconds", { most: "1 day" }),
  maxAge: Settings.duration("10 minutes", { unlimited: true }),
  maxStale: Settings.duration("1 hour", { unlimited: true }),
  cooldown: Settings.duration("30 seconds"),
  timeout: Settings.duration("5 seconds", { least: 1, most: "1 day" })
}

/** Key pairs only: with a shared secret, whoever verifies could also sign. */
const known: ReadonlySet<string> = new Set<SigningKey.Algorithm>([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA"
])

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" ||
  /^127\.\d+\.\d+\.\d+$/.test(hostname)

// ---------------------------------------------------------------------------------------------------------------
// verification
// ---------------------------------------------------------------------------------------------------------------

const verifier = (settled: Settled) => {
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
        // no part of the token itself is a name
        kid: Option.filter(Option.liftPredicate(decoded.kid, isName), (kid) => kid.length < 8 || !jwt.includes(kid))
      })
      : Effect.fail(new MalformedToken({ detail: `its algorithm is none of ${algorithms.join(", ")}` }))
  })

/** The name of a key, if it is one: it comes from whoever made the token. */
const isName = (kid: unknown): kid is string => typeof kid === "string" && /^[\w.:+/=-]{1,100}$/.test(kid)

const check = (
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

const boundTo = ({ cnf }: jose.JWTPayload): Verified["boundTo"] => {
  const member = (name: string): Option.Option<string> =>
    Predicate.hasProperty(cnf, name) && typeof cnf[name] === "string" ? Option.some(cnf[name]) : Option.none()
  return { jkt: member("jkt"), x5t: member("x5t#S256") }
}
