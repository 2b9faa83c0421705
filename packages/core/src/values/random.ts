// Random bytes and names that no seed repeats.
import * as Encoding from "effect/Encoding"

export const randomBytes = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length))

/** Never from Effect's `Random`: two processes with the same seed would take themselves for one. */
export const randomId = (): string => Encoding.encodeHex(randomBytes(16))
