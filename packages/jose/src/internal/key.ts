// Imports a key that signs, and says what is wrong with one that cannot.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Digest from "effect-bearer/Digest"
import * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import type { Algorithm, Material } from "../SigningKey.js"

/** A key that can sign. */
export interface Imported {
  readonly key: jose.CryptoKey
  readonly alg: Algorithm
  /** From the JWK, if it was one. */
  readonly kid: Option.Option<string>
}

/** What a complaint is about: the options `key` and `alg` below this name. */
export interface Options {
  readonly field: string
  readonly alg: Algorithm | undefined
  /** Whether the key may leave Web Crypto again: only to find its public half. */
  readonly extractable: boolean
}

/** The kind of key an algorithm signs with; other kinds are named as the key names them. */
type Kind = "RSA" | "RSA-PSS" | "P-256" | "P-384" | "P-521" | "Ed25519" | (string & {})

const kinds: Record<Algorithm, ReadonlyArray<Kind>> = {
  RS256: ["RSA"],
  RS384: ["RSA"],
  RS512: ["RSA"],
  PS256: ["RSA", "RSA-PSS"],
  PS384: ["RSA", "RSA-PSS"],
  PS512: ["RSA", "RSA-PSS"],
  ES256: ["P-256"],
  ES384: ["P-384"],
  ES512: ["P-521"],
  EdDSA: ["Ed25519"]
}

const algorithms = Object.keys(kinds) as ReadonlyArray<Algorithm>

const isAlgorithm = (u: unknown): u is Algorithm => typeof u === "string" && Object.hasOwn(kinds, u)

/** RSA keys shorter than this are refused (RFC 7518 §3.3). */
const shortestModulus = 2048

const invalid = (field: string, detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: [field], detail })

const describe = (kind: Kind): string =>
  kind === "RSA" || kind === "RSA-PSS" ? "an RSA key" : kind === "Ed25519" ? "an Ed25519 key" : `an EC ${kind} key`

/** The algorithm to sign with, given what was asked for and what the key is. */
const settle = (
  field: string,
  asked: unknown,
  named: unknown,
  kind: Kind
): Either.Either<Algorithm, TokenError.InvalidConfiguration> => {
  if (asked !== undefined && !isAlgorithm(asked)) {
    return Either.left(invalid(`${field}.alg`, `the algorithm is none of ${algorithms.join(", ")}`))
  }
  if (asked !== undefined && isAlgorithm(named) && named !== asked) {
    return Either.left(invalid(`${field}.alg`, `the key is for ${named}, not for ${asked}`))
  }
  const fitting = algorithms.filter((alg) => kinds[alg].includes(kind))
  if (fitting.length === 0) {
    return Either.left(invalid(`${field}.key`, `a key of this kind (${safe(kind)}) is not supported`))
  }
  const alg = asked ?? (isAlgorithm(named) ? named : fitting.length === 1 ? fitting[0] : undefined)
  if (alg === undefined) {
    return Either.left(
      invalid(`${field}.alg`, `the key does not say its algorithm: set alg, one of ${fitting.join(", ")}`)
    )
  }
  return fitting.includes(alg) ? Either.right(alg) : Either.left(
    invalid(`${field}.alg`, `${alg} does not sign with ${describe(kind)}: use ${fitting.join(" or ")}`)
  )
}

/** A name from outside, if it is one: it could be anything. */
const safe = (name: string): string => /^[\w.-]{1,30}$/.test(name) ? name : "unknown"

// ---------------------------------------------------------------------------------------------------------------
// importing
// ---------------------------------------------------------------------------------------------------------------

/** Makes a key of what was given. No complaint shows anything of it. */
export const load = (
  material: unknown,
  options: Options
): Effect.Effect<Imported, TokenError.InvalidConfiguration> => {
  const { field } = options
  if (isCryptoKey(material)) return fromCryptoKey(material, options)
  if (!Redacted.isRedacted(material)) {
    return Effect.fail(invalid(`${field}.key`, "the key is neither a Redacted PEM or JWK nor a CryptoKey"))
  }
  const value: unknown = Redacted.value(material)
  if (typeof value !== "string") return fromJwk(value, options)
  const text = value.trim()
  if (text === "") return Effect.fail(invalid(`${field}.key`, "the key is blank"))
  if (!text.startsWith("{")) return fromPem(text, options)
  return Effect.suspend(() => {
    try {
      return fromJwk(JSON.parse(text) as unknown, options)
    } catch {
      return Effect.fail(invalid(`${field}.key`, "the key looks like a JWK and is no valid JSON"))
    }
  })
}

/** Never mind what the runtime says: some of them quote what they could not read. */
const importing = (
  field: string,
  run: () => Promise<jose.CryptoKey | Uint8Array>
): Effect.Effect<jose.CryptoKey, TokenError.InvalidConfiguration> =>
  Effect.tryPromise({
    try: run,
    catch: () =>
      invalid(`${field}.key`, "the key cannot be read: it is cut off, altered, or of a kind this runtime does not know")
  }).pipe(Effect.flatMap((key) =>
    isCryptoKey(key) ? checkUsable(field, key) : Effect.fail(invalid(`${field}.key`, "the key is a shared secret"))
  ))

const checkUsable = (
  field: string,
  key: jose.CryptoKey
): Effect.Effect<jose.CryptoKey, TokenError.InvalidConfiguration> => {
  if (key.type !== "private") {
    return Effect.fail(invalid(`${field}.key`, `this is a ${safe(key.type)} key: signing needs the private one`))
  }
  if (!key.usages.includes("sign")) {
    return Effect.fail(invalid(`${field}.key`, "the key does not permit signing"))
  }
  const { modulusLength } = key.algorithm as { readonly modulusLength?: unknown }
  return typeof modulusLength === "number" && modulusLength < shortestModulus
    ? Effect.fail(
      invalid(`${field}.key`, `the RSA key has ${modulusLength} bits: at least ${shortestModulus} are needed`)
    )
    : Effect.succeed(key)
}

const fromCryptoKey = (key: jose.CryptoKey, { alg, field }: Options) =>
  Effect.flatMap(checkUsable(field, key), (key) => {
    const { hash, name, namedCurve } = key.algorithm as {
      readonly name: string
      readonly namedCurve?: string
      readonly hash?: { readonly name: string }
    }
    const bits = hash?.name.replace("SHA-", "")
    const [kind, named]: readonly [Kind, string | undefined] = name === "RSASSA-PKCS1-v1_5"
      ? ["RSA", `RS${bits}`]
      : name === "RSA-PSS"
      ? ["RSA-PSS", `PS${bits}`]
      : [namedCurve ?? name, undefined]
    return Effect.map(settle(field, alg, named, kind), (alg): Imported => ({ key, alg, kid: Option.none() }))
  })

const fromJwk = (value: unknown, options: Options): Effect.Effect<Imported, TokenError.InvalidConfiguration> => {
  const { alg, extractable, field } = options
  if (!isJwk(value)) return Effect.fail(invalid(`${field}.key`, "the key is no JWK: it has no member kty"))
  if (value.kty === "oct") {
    return Effect.fail(invalid(`${field}.key`, "the JWK is a shared secret: use clientSecretJwt"))
  }
  if (typeof value.d !== "string" || value.d === "") {
    return Effect.fail(invalid(`${field}.key`, "the JWK is a public key: signing needs the private one, with member d"))
  }
  if (value.use !== undefined && value.use !== "sig") {
    return Effect.fail(invalid(`${field}.key`, "the JWK is not for signing: its member use is not \"sig\""))
  }
  if (alg === undefined && value.alg !== undefined && value.alg !== "Ed25519" && !isAlgorithm(value.alg)) {
    return Effect.fail(invalid(`${field}.key`, `the JWK is for an algorithm other than ${algorithms.join(", ")}`))
  }
  const named = value.alg === "Ed25519" ? "EdDSA" : value.alg
  return Effect.flatMap(
    settle(field, alg, named, value.kty === "RSA" ? "RSA" : value.crv ?? value.kty),
    (alg) =>
      Effect.map(
        importing(
          field,
          () => jose.importJWK({ ...value, alg, ext: extractable, key_ops: ["sign"] }, alg, { extractable })
        ),
        (key): Imported => ({
          key,
          alg,
          kid: typeof value.kid === "string" && value.kid !== "" ? Option.some(value.kid) : Option.none()
        })
      )
  )
}

const fromPem = (text: string, options: Options): Effect.Effect<Imported, TokenError.InvalidConfiguration> => {
  const { alg, extractable, field } = options
  // a .env file and many a vault keep line breaks as backslash and n
  const pem = text.replaceAll("\\r", "").replaceAll("\\n", "\n")
  const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(pem)?.[1]
  if (label !== "PRIVATE KEY") return Effect.fail(invalid(`${field}.key`, wrongPem(label)))
  const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END PRIVATE KEY-----/.exec(pem)?.[1]
  const der = Encoding.decodeBase64((body ?? "").replaceAll(/\s/g, ""))
  if (body === undefined || Either.isLeft(der) || der.right.length === 0) {
    return Effect.fail(invalid(`${field}.key`, "the PEM is cut off or is not Base64 between its first and last line"))
  }
  return Effect.flatMap(settle(field, alg, undefined, kindOfPkcs8(der.right)), (alg) =>
    Effect.map(
      importing(
        field,
        () => jose.importPKCS8(`-----BEGIN PRIVATE KEY-----${body}-----END PRIVATE KEY-----`, alg, { extractable })
      ),
      (key): Imported => ({ key, alg, kid: Option.none() })
    ))
}

const wrongPem = (label: string | undefined): string => {
  switch (label) {
    case "RSA PRIVATE KEY":
    case "EC PRIVATE KEY":
      return `the PEM is a "${label}", not PKCS#8: convert it with openssl pkcs8 -topk8 -nocrypt -in key.pem`
    case "ENCRYPTED PRIVATE KEY":
      return "the PEM is encrypted: decrypt it with openssl pkcs8 -in key.pem"
    case "PUBLIC KEY":
    case "RSA PUBLIC KEY":
    case "CERTIFICATE":
      return "the PEM is public: signing needs the private key"
    default:
      return "the key is no PEM: it does not contain -----BEGIN PRIVATE KEY-----"
  }
}

/** Object identifiers as they stand in the AlgorithmIdentifier of PKCS#8, the curve being part of it. */
const identifiers: ReadonlyArray<readonly [der: string, kind: Kind]> = [
  ["06092a864886f70d010101", "RSA"],
  ["06092a864886f70d01010a", "RSA-PSS"],
  ["06082a8648ce3d030107", "P-256"],
  ["06052b81040022", "P-384"],
  ["06052b81040023", "P-521"],
  ["06052b8104000a", "secp256k1"],
  ["06032b6570", "Ed25519"],
  ["06032b6571", "Ed448"]
]

const kindOfPkcs8 = (der: Uint8Array): Kind => {
  const head = Encoding.encodeHex(der.subarray(0, 40))
  return identifiers.find(([identifier]) => head.includes(identifier))?.[1] ?? "unknown"
}

// ---------------------------------------------------------------------------------------------------------------
// telling keys apart
// ---------------------------------------------------------------------------------------------------------------

export const isCryptoKey = (u: unknown): u is jose.CryptoKey =>
  Predicate.isObject(u) && Object.prototype.toString.call(u) === "[object CryptoKey]"

const isJwk = (u: unknown): u is jose.JWK & { readonly kty: string } =>
  Predicate.hasProperty(u, "kty") && typeof u.kty === "string"

/** The name by which keys are compared: a digest, from which the key cannot be computed. */
const digestOf = (...parts: ReadonlyArray<unknown>): Redacted.Redacted =>
  Redacted.make(Digest.nameOf(JSON.stringify(parts)))

/** Members of a JWK that change what is signed, or with what. */
const essential = ["kty", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "alg", "kid", "use"] as const

const ofJwk = (jwk: Readonly<Record<string, unknown>>): Redacted.Redacted =>
  digestOf("jwk", ...essential.map((name) => jwk[name] ?? null))

/** Signed with a key of which nothing else can be seen, if its algorithm gives the same signature each time. */
const probe = new TextEncoder().encode("effect-bearer: is this the same key?")

/**
 * Keys of Web Crypto have no value. One that can be exported is told by what it is made of; one that cannot, by a
 * signature, where its algorithm signs the same text the same way each time. Others cannot be told apart.
 */
const ofCryptoKey = async (key: jose.CryptoKey): Promise<Option.Option<Redacted.Redacted>> => {
  try {
    if (key.extractable) return Option.some(ofJwk({ ...await jose.exportJWK(key), alg: key.algorithm }))
    const { name } = key.algorithm
    if (name !== "RSASSA-PKCS1-v1_5" && name !== "Ed25519") return Option.none()
    const signature = await crypto.subtle.sign(name, key, probe)
    return Option.some(digestOf("signature", key.algorithm, Encoding.encodeHex(new Uint8Array(signature))))
  } catch {
    return Option.none()
  }
}

const known = new WeakMap<object, Promise<Option.Option<Redacted.Redacted>>>()

/**
 * Equal for equal keys, however often they are read and whatever object holds them, so that one is imported once and a
 * changed one is noticed; none where that cannot be told.
 */
export const identity = (material: Material): Effect.Effect<Option.Option<Redacted.Redacted>> => {
  if (isCryptoKey(material)) {
    let found = known.get(material)
    if (found === undefined) known.set(material, found = ofCryptoKey(material))
    const identity = found
    return Effect.promise(() => identity)
  }
  const value = Redacted.value(material as Redacted.Redacted<unknown>)
  return Effect.succeed(Option.some(typeof value === "string" ? ofText(value) : ofValue(value)))
}

const ofText = (text: string): Redacted.Redacted => {
  const jwk = text.trimStart().startsWith("{") ? parsed(text) : undefined
  // line breaks of a PEM are written in many ways
  return jwk === undefined ? digestOf("text", text.replace(/\\[rn]|\s/g, "")) : ofValue(jwk)
}

const ofValue = (value: unknown): Redacted.Redacted =>
  Predicate.isRecord(value) ? ofJwk(value) : digestOf("value", typeof value)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
