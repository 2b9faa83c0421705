// Random bytes and names that do not depend on a seed.
import * as Encoding from "effect/Encoding"

export const randomBytes = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length))

/** Never from Effect's `Random`: two processes with the same seed would have the same id. */
export const randomId = (): string => Encoding.encodeHex(randomBytes(16))
