// The keys that seal tokens, and the names that tell them apart.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Digest from "../../values/Digest.js"
import * as random from "../../values/random.js"
import * as TokenError from "../../values/TokenError.js"

export type Material = Redacted.Redacted<string> | Redacted.Redacted<Uint8Array>

export interface Named {
  readonly id: string
  readonly key: Material
}

export interface Ring {
  readonly current: Material | Named
  readonly previous?: ReadonlyArray<Material | Named> | undefined
}

/** A key as WebCrypto holds it: its bytes cannot be read again. */
export interface Key {
  readonly id: string
  readonly crypto: CryptoKey
}

export interface Keys {
  readonly current: Key
  readonly byId: ReadonlyMap<string, Key>
}

const keyLength = 32

export const id = /^[A-Za-z0-9_-]{1,64}$/

const invalid = (field: string, detail: string) =>
  new TokenError.InvalidConfiguration({ fields: [field], detail: `TokenStore.encrypted: ${detail}` })

/**
 * Hexadecimal, base64, or base64url: 32 bytes have a different length in each form. Messages show nothing of the key.
 */
const bytesOf = (material: Material, field: string): Either.Either<Uint8Array, TokenError.InvalidConfiguration> => {
  if (!Redacted.isRedacted(material)) return Either.left(invalid(field, "a key has to be Redacted"))
  const value: unknown = Redacted.value<string | Uint8Array>(material)
  if (value instanceof Uint8Array) {
    return value.length === keyLength
      ? Either.right(value)
      : Either.left(invalid(field, `a key has ${keyLength} bytes, this one has more or fewer`))
  }
  if (typeof value !== "string") return Either.left(invalid(field, "a key is a text or bytes"))
  const text = value.trim()
  const decoded = /^[0-9a-fA-F]{64}$/.test(text)
    ? Encoding.decodeHex(text.toLowerCase())
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(text)
    ? Encoding.decodeBase64Url(text.replaceAll("+", "-").replaceAll("/", "_").replace("=", ""))
    : Either.left(undefined)
  return Either.isRight(decoded) && decoded.right.length === keyLength ? Either.right(decoded.right) : Either.left(
    invalid(
      field,
      `a key is ${keyLength} random bytes as base64 (44 characters, or 43), or hexadecimal (64 digits); this one is neither`
    )
  )
}

const isNamed = (key: Material | Named): key is Named => Predicate.hasProperty(key, "key")

const imported = (key: Material | Named, field: string): Effect.Effect<Key, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    // a copy: the caller's array may change
    const bytes = new Uint8Array(yield* bytesOf(isNamed(key) ? key.key : key, field))
    const noCrypto = (detail: string) => invalid(field, detail)
    // `make` reports two keys with the same name
    const named = isNamed(key) ? key.id : Encoding.encodeHex(Digest.sha256(bytes).subarray(0, 4))
    if (!id.test(named)) {
      return yield* invalid(field, "the id of a key has 1 to 64 letters, digits, - or _")
    }
    const crypto_ = yield* Effect.tryPromise({
      try: () => crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]),
      catch: () => noCrypto("this runtime offers no AES-GCM by WebCrypto here")
    })
    return { id: named, crypto: crypto_ }
  })

export const make = (given: Material | Named | Ring): Effect.Effect<Keys, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const ring: Ring = Predicate.hasProperty(given, "current") ? given as Ring : { current: given as Material | Named }
    const current = yield* imported(ring.current, "key")
    const old: unknown = ring.previous ?? []
    if (!Array.isArray(old)) return yield* invalid("previous", "the previous keys are a list")
    const previous = yield* Effect.forEach(
      old as ReadonlyArray<Material | Named>,
      (key, i) => imported(key, `previous[${i}]`)
    )
    const byId = new Map([...previous, current].map((key) => [key.id, key]))
    if (byId.size <= previous.length) {
      return yield* invalid("key", "two keys have the same id, or are the same key")
    }
    return { current, byId }
  })

export const generate: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(Encoding.encodeBase64Url(random.randomBytes(keyLength)))
)
