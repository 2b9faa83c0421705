import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"

/** SHA-256. Fails, with what to tell the user, where WebCrypto is missing: in a browser, on a page without TLS. */
export const sha256 = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<Uint8Array, string> =>
  Effect.map(
    Effect.tryPromise({
      try: () => crypto.subtle.digest("SHA-256", bytes),
      catch: () => "this runtime offers no WebCrypto here"
    }),
    (digest) => new Uint8Array(digest)
  )

/** A name that two texts never share, fit for a file: 64 hexadecimal digits. */
export const nameOf = (text: string): Effect.Effect<string, string> =>
  Effect.map(sha256(new TextEncoder().encode(text)), Encoding.encodeHex)

export const randomBytes = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length))

/** Never from Effect's `Random`: two processes with the same seed would take themselves for one. */
export const randomId = (): string => Encoding.encodeHex(randomBytes(16))
