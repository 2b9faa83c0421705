// Seals a text with AES-GCM, bound to its place.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Digest from "../../values/Digest.js"
import * as random from "../../values/random.js"
import type { Key, Keys } from "./keys.js"
import { id } from "./keys.js"

// v1.<key id>.<nonce>.<ciphertext and tag>, the latter two in base64url. The place the envelope belongs to, the version
// and the key id are authenticated with it: an envelope that was moved or relabelled doesn't open.

const version = "v1"

/** The nonce length that AES-GCM is designed for (NIST SP 800-38D): 96 bits, random each time. */
const nonceLength = 12
const tagLength = 16

const associated = (key: Key, place: string) => Digest.bytesOf(`${version}.${key.id}.${place}`)

/** The failure has no reason, because WebCrypto gives none. */
export const seal = (text: string, keys: Keys, place: string): Effect.Effect<string, void> =>
  Effect.suspend(() => {
    const key = keys.current
    const iv = random.randomBytes(nonceLength)
    const additionalData = associated(key, place)
    return Effect.map(
      Effect.tryPromise({
        try: () =>
          crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key.crypto, new TextEncoder().encode(text)),
        catch: () => undefined
      }),
      (sealed) =>
        [version, key.id, Encoding.encodeBase64Url(iv), Encoding.encodeBase64Url(new Uint8Array(sealed))].join(".")
    )
  })

/** Fails with the problem in words; of the envelope only the id of its key is shown. */
export const open = (envelope: string, keys: Keys, place: string): Effect.Effect<string, string> =>
  Effect.suspend(() => {
    const [head, keyId = "", nonce = "", sealed = "", ...rest] = envelope.split(".")
    if (head !== version) return Effect.fail("it is not sealed, or in a way this version doesn't know")
    const iv = decode(nonce)
    const data = decode(sealed)
    if (rest.length > 0 || !id.test(keyId) || iv?.length !== nonceLength || (data?.length ?? 0) < tagLength) {
      return Effect.fail("the envelope is damaged")
    }
    const key = keys.byId.get(keyId)
    if (key === undefined) return Effect.fail(`it is sealed with the key of id ${keyId}, which is not known here`)
    return Effect.map(
      Effect.tryPromise({
        try: () =>
          crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: associated(key, place) }, key.crypto, data!),
        catch: () => `the key of id ${keyId} does not open it: it was changed or moved, or the id names another key`
      }),
      (text) => new TextDecoder().decode(text)
    )
  })

/**
 * Accepts only the canonical spelling of the bytes: the last character has unused bits, and decoders accept other
 * variations.
 */
const decode = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  const bytes = Either.getOrUndefined(Encoding.decodeBase64Url(text))
  return bytes === undefined || Encoding.encodeBase64Url(bytes) !== text ? undefined : new Uint8Array(bytes)
}
