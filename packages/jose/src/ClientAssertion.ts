/**
 * Client authentication with a signed assertion (RFC 7523 §2.2): `private_key_jwt` with the key of a pair,
 * `client_secret_jwt` with the shared secret. What travels is a signature that is good for one request and a minute,
 * never the key.
 *
 * Every attempt has an assertion of its own, with a new `jti`: retries and DPoP's second try included. The `jti` comes
 * from the runtime's cryptographic random numbers and not from Effect's `Random`, because a guessed one could be used
 * up at the server beforehand. Times come from Effect's `Clock`.
 *
 * @since 0.1.0
 */

import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import * as Disclosure from "effect-bearer/Disclosure"
import * as Secret from "effect-bearer/Secret"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import * as assertions from "./internal/assertions.js"
import * as keys from "./internal/key.js"
import type * as SigningKey from "./SigningKey.js"

/**
 * What an assertion says, whatever it is signed with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The `aud` claim, always one plain string: the URL of the token endpoint (`"tokenEndpoint"`, the default), the
   * issuer (`"issuer"`), or a text of your own. Newer servers want the issuer.
   */
  readonly audience?: "tokenEndpoint" | "issuer" | (string & {}) | undefined
  /**
   * The issuer of the authorization server, exactly as its metadata spell it. Needed for the audience `"issuer"` where
   * the endpoint was not found by discovery.
   */
  readonly issuer?: string | undefined
  /** How long an assertion is good for, from 1 second to 1 day. Default 60 seconds. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /**
   * `iat` and `nbf` lie this far in the past, for servers whose clock is behind this machine's. Default 10 seconds.
   */
  readonly backdate?: Duration.DurationInput | undefined
  /**
   * Further members of the header, such as `x5t#S256` (Microsoft Entra ID) or `typ`. `alg` and `kid` have options of
   * their own.
   */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PrivateKeyJwtOptions extends Options {
  /** The private key, or an effect that yields it. */
  readonly key: SigningKey.SigningKey
  /**
   * The signature algorithm. Needed for RSA keys that do not say it, PEM above all; other keys know theirs.
   */
  readonly alg?: SigningKey.Algorithm | undefined
  /** The name the server knows the key by. Default: that of the JWK, if it has one. */
  readonly kid?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ClientSecretJwtOptions extends Options {
  /** The shared secret, or an effect that yields it: at least 32, 48 or 64 bytes, as the algorithm demands. */
  readonly secret: ClientAuthentication.Secret
  /** Default `"HS256"`. */
  readonly alg?: "HS256" | "HS384" | "HS512" | undefined
  readonly kid?: string | undefined
}

/**
 * `private_key_jwt`: the client signs with a private key, the server knows the public one.
 *
 * A static key that cannot work (bad PEM, an algorithm that does not fit, too few bits) is found when the endpoint or
 * the source is made; one from an effect, when it is first used.
 *
 * @example
 * ```ts
 * import { ClientAssertion } from "@effect-bearer/jose"
 * import { Config } from "effect"
 * import { TokenSource } from "effect-bearer"
 *
 * const Tokens = TokenSource.layer({
 *   tokenEndpoint: "https://login.example.com/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAssertion.privateKeyJwt({
 *     key: Config.redacted("CLIENT_KEY"), // PEM or JWK, read anew for every token request
 *     alg: "RS256",
 *     kid: "2026-01"
 *   })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const privateKeyJwt = (options: PrivateKeyJwtOptions): ClientAuthentication.ClientAuthentication => {
  const { key } = options
  const isPlain = !Effect.isEffect(key)
  const read = Effect.suspend(() =>
    isPlain ? Effect.succeed(key) : Secret.guarded(key, { field: "authentication.key", name: "the signing key" })
  )
  let last: { readonly identity: Redacted.Redacted; readonly signer: Signer } | undefined
  const identityOf = (material: unknown) => isMaterial(material) ? keys.identity(material) : Effect.succeedNone
  const signer = Effect.gen(function*() {
    const material = yield* read
    const identity = Option.getOrUndefined(yield* identityOf(material))
    if (last !== undefined && identity !== undefined && Redacted.value(last.identity) === Redacted.value(identity)) {
      return last.signer
    }
    const imported = yield* keys.load(material, { field: "authentication", alg: options.alg, extractable: false })
    const signer: Signer = {
      key: imported.key,
      alg: imported.alg,
      kid: options.kid ?? Option.getOrUndefined(imported.kid),
      madeFrom: identity,
      secrets: []
    }
    if (identity !== undefined) last = { identity, signer }
    return signer
  })
  return make({
    method: "private_key_jwt",
    options,
    signer,
    checkSigner: isPlain ? signer : Effect.void,
    current: Effect.flatMap(read, identityOf),
    advice: "An assertion signed with the private key was sent: register its public key, with the same kid, at the " +
      "server, check the audience (some servers want the issuer: audience: \"issuer\"), and check the clock of this " +
      "machine."
  })
}

/**
 * `client_secret_jwt`: the client signs with the shared secret (HMAC), so that the secret itself never travels.
 *
 * @example
 * ```ts
 * import { ClientAssertion } from "@effect-bearer/jose"
 * import { Config } from "effect"
 *
 * const authentication = ClientAssertion.clientSecretJwt({
 *   secret: Config.redacted("CLIENT_SECRET"),
 *   audience: "issuer",
 *   issuer: "https://login.example.com"
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const clientSecretJwt = (options: ClientSecretJwtOptions): ClientAuthentication.ClientAuthentication => {
  const { alg = "HS256", secret } = options
  const isPlain = !Effect.isEffect(secret)
  const read = Effect.flatMap(
    isPlain
      ? Effect.succeed(secret)
      : Secret.guarded(secret, { field: "authentication.secret", name: "the client secret" }),
    (secret) => validSecret(secret, alg)
  )
  return make({
    method: "client_secret_jwt",
    options,
    signer: Effect.map(read, (secret): Signer => ({
      key: new TextEncoder().encode(Redacted.value(secret)),
      alg,
      kid: options.kid,
      madeFrom: secret,
      secrets: [secret]
    })),
    checkSigner: isPlain ? read : Effect.void,
    current: Effect.map(read, Option.some),
    advice:
      "An assertion signed with the client secret was sent: if the secret is right, the server may want another " +
      "alg or another audience, or the secret itself (ClientAuthentication.basic or ClientAuthentication.post)."
  })
}

// ---------------------------------------------------------------------------------------------------------------

/** The value of `client_assertion_type`. */
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

interface Signer {
  readonly key: jose.CryptoKey | Uint8Array
  readonly alg: string
  readonly kid: string | undefined
  /** Equal to `current` as long as the key is still the same. */
  readonly madeFrom: Redacted.Redacted | undefined
  /** What a server might echo. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
}

/** A program without types can hand over anything. */
const isMaterial = (u: unknown): u is SigningKey.Material => Redacted.isRedacted(u) || keys.isCryptoKey(u)

const invalid = (field: string, detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: [`authentication.${field}`], detail })

/** An HMAC key is at least as long as the hash (RFC 7518 §3.2). */
const shortest = { HS256: 32, HS384: 48, HS512: 64 }

const validSecret = (
  secret: unknown,
  alg: keyof typeof shortest
): Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration> => {
  if (!Object.hasOwn(shortest, alg)) {
    return Effect.fail(invalid("alg", `the algorithm is none of ${Object.keys(shortest).join(", ")}`))
  }
  if (!Redacted.isRedacted(secret) || typeof Redacted.value(secret) !== "string") {
    return Effect.fail(invalid("secret", "the client secret is not a Redacted string"))
  }
  const value = Redacted.value(secret) as string
  if (value.trim() === "") return Effect.fail(invalid("secret", "the client secret is blank"))
  return new TextEncoder().encode(value).length < shortest[alg]
    ? Effect.fail(invalid("secret", `the client secret is too short for ${alg}: at least ${shortest[alg]} bytes`))
    : Effect.succeed(secret as Redacted.Redacted)
}

interface Claims {
  /** Seconds. */
  readonly expiresIn: number
  readonly backdate: number
  readonly audience: string
  readonly header: Readonly<Record<string, unknown>>
}

const settle = (
  options: Options & { readonly kid?: string | undefined },
  context: ClientAuthentication.Context
): Effect.Effect<Claims, TokenError.InvalidConfiguration> => {
  const { audience = "tokenEndpoint", header = {}, issuer = context.issuer } = options
  const problems = Settings.problems(ranges, options, "authentication").map(({ detail, field }) => ({
    field,
    detail: field.endsWith("expiresIn") ? `${detail}: an assertion is good for a second at least` : detail
  }))
  if (problems.length > 0) return Effect.fail(Settings.toError(problems))
  const seconds = (name: keyof typeof ranges) => Math.floor(Settings.value(ranges[name], options[name]) / 1000)
  if (typeof audience !== "string" || audience.trim() === "") {
    return Effect.fail(invalid("audience", "the audience must be \"tokenEndpoint\", \"issuer\" or a text of your own"))
  }
  if (audience === "issuer" && (typeof issuer !== "string" || issuer.trim() === "")) {
    return Effect.fail(invalid("issuer", "the audience \"issuer\" needs the issuer of the authorization server"))
  }
  if (options.kid !== undefined && (typeof options.kid !== "string" || options.kid.trim() === "")) {
    return Effect.fail(invalid("kid", "the kid is blank"))
  }
  if ("alg" in header || "kid" in header || "crit" in header || "b64" in header) {
    return Effect.fail(invalid("header", "alg and kid have options of their own; crit and b64 cannot be set"))
  }
  return Effect.succeed({
    expiresIn: seconds("expiresIn"),
    backdate: seconds("backdate"),
    header,
    audience: audience === "tokenEndpoint" ? context.endpoint.href : audience === "issuer" ? issuer as string : audience
  })
}

const ranges = {
  expiresIn: Settings.duration("60 seconds", { least: "1 second", most: "1 day" }),
  backdate: Settings.duration("10 seconds", { most: "1 day" })
}

const make = (parts: {
  readonly method: string
  readonly options: Options & { readonly kid?: string | undefined }
  readonly signer: Effect.Effect<Signer, TokenError.RequestError>
  readonly checkSigner: Effect.Effect<unknown, TokenError.RequestError>
  readonly current: ClientAuthentication.ClientAuthentication["current"]
  readonly advice: string
}): ClientAuthentication.ClientAuthentication => {
  const sign = (context: ClientAuthentication.Context, claims: Claims, signer: Signer) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const time = Math.floor(now / 1000)
      return Effect.tryPromise({
        try: () =>
          new jose.SignJWT({
            iss: context.clientId,
            sub: context.clientId,
            aud: claims.audience,
            jti: crypto.randomUUID(),
            iat: time - claims.backdate,
            nbf: time - claims.backdate,
            exp: time + claims.expiresIn
          }).setProtectedHeader({
            ...claims.header,
            alg: signer.alg,
            ...signer.kid === undefined ? {} : { kid: signer.kid }
          }).sign(signer.key),
        catch: (error) =>
          invalid("key", `the assertion could not be signed (${Disclosure.errorName(error, "unknown failure")})`)
      })
    })

  const assertion = (context: ClientAuthentication.Context) =>
    Effect.flatMap(
      Effect.zip(settle(parts.options, context), parts.signer),
      ([claims, signer]) => Effect.map(sign(context, claims, signer), (jwt) => ({ jwt, signer }))
    )

  const again = (context: ClientAuthentication.Context): assertions.Again =>
    Effect.map(assertion(context), ({ jwt }) => jwt)

  return ClientAuthentication.make({
    method: parts.method,
    identity: "",
    advice: parts.advice,
    current: parts.current,
    check: (context) => Effect.zipRight(settle(parts.options, context), Effect.asVoid(parts.checkSigner)),
    credentials: (context) =>
      Effect.map(assertion(context), ({ jwt, signer }) => {
        assertions.remember(jwt, again(context))
        return {
          headers: [],
          parameters: [
            // not needed (RFC 7523 §3), and asked for by many servers all the same
            ["client_id", context.clientId],
            ["client_assertion_type", assertionType],
            ["client_assertion", Redacted.make(jwt)]
          ],
          secrets: signer.secrets,
          hint: Option.none(),
          madeFrom: signer.madeFrom
        }
      })
  })
}
