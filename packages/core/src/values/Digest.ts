/**
 * Names made from digests: for a token request in logs, spans, metrics and events, for a namespace and a request in the
 * key of a store, for that key in the name of a file.
 *
 * **The rule.** Where a name stands for a key, it is the SHA-256 of the *whole* key, 128 bits of it (64 where only the
 * operator chooses the keys, 96 in logs): two keys never have the same name, by chance or by intent. A key of several
 * fields is joined so that it can be taken apart again (as JSON, or with the separator encoded inside the fields)
 * before it is digested; a text is never cut, folded or replaced on the way, so case, a final slash, Unicode forms and
 * lone surrogates all make a difference.
 *
 * SHA-256 is written in plain TypeScript because names are needed in synchronous code (an event, a label), and on every
 * runtime: WebCrypto is asynchronous and is missing on pages without TLS. Nothing secret is *verified* with it.
 *
 * @since 0.1.0
 */

/** FIPS 180-4 §4.2.2. */
const constants = new Uint32Array([
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2
])

const rotated = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

/** The message, a one bit, zeros, and the length in bits: whole blocks of 64 bytes. FIPS 180-4 §5.1.1. */
const padded = (message: Uint8Array): DataView => {
  const bytes = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  bytes.set(message)
  bytes[message.length] = 0x80
  const view = new DataView(bytes.buffer)
  view.setUint32(bytes.length - 8, Math.floor(message.length / 0x20000000))
  view.setUint32(bytes.length - 4, message.length << 3)
  return view
}

/**
 * The SHA-256 of some bytes (FIPS 180-4), 32 bytes.
 *
 * @since 0.1.0
 * @category digests
 */
export const sha256 = (message: Uint8Array): Uint8Array<ArrayBuffer> => {
  const blocks = padded(message)
  const state = new Uint32Array([
    0x6a09e667,
    0xbb67ae85,
    0x3c6ef372,
    0xa54ff53a,
    0x510e527f,
    0x9b05688c,
    0x1f83d9ab,
    0x5be0cd19
  ])
  const w = new Uint32Array(64)
  for (let block = 0; block < blocks.byteLength; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = blocks.getUint32(block + 4 * i)
    for (let i = 16; i < 64; i++) {
      const early = w[i - 15]!
      const late = w[i - 2]!
      const s0 = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3)
      const s1 = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10)
      w[i] = w[i - 16]! + s0 + w[i - 7]! + s1
    }
    let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number]
    for (let i = 0; i < 64; i++) {
      const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
      const one = (h + s1 + ((e & f) ^ (~e & g)) + constants[i]! + w[i]!) | 0
      const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + one) | 0
      d = c
      c = b
      b = a
      a = (one + two) | 0
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i]! += word
  }
  const digest = new DataView(new ArrayBuffer(32))
  state.forEach((word, i) => digest.setUint32(4 * i, word))
  return new Uint8Array(digest.buffer)
}

/**
 * The bytes of a text; two texts never have the same bytes. They are UTF-8. For a text that UTF-8 cannot hold (with
 * half a surrogate pair, which an encoder would replace) they are its UTF-16 code units after a byte that UTF-8 never
 * uses.
 *
 * @since 0.1.0
 * @category digests
 */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => {
  // with the `u` flag a whole pair is one character, and only half a pair matches as a surrogate
  if (!/\p{Cs}/u.test(text)) return new TextEncoder().encode(text)
  const view = new DataView(new ArrayBuffer(1 + 2 * text.length))
  view.setUint8(0, 0xff)
  for (let i = 0; i < text.length; i++) view.setUint16(1 + 2 * i, text.charCodeAt(i))
  return new Uint8Array(view.buffer)
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/**
 * The name of a text: its SHA-256, in 64 hexadecimal digits. The first 32 of them are a name too, if it has to be
 * short.
 *
 * @example
 * ```ts
 * import { Digest } from "effect-bearer"
 *
 * // fields that are joined so that they can be taken apart again: "a:b" and "c" are not "a" and "b:c"
 * export const keyOf = (tenant: string, user: string): string => Digest.nameOf(JSON.stringify([tenant, user]))
 * ```
 *
 * @since 0.1.0
 * @category digests
 */
export const nameOf = (text: string): string => {
  let name = ""
  for (const byte of sha256(bytesOf(text))) name += hex[byte]!
  return name
}

/**
 * {@link nameOf}, the first 32 hexadecimal digits: 128 bits.
 *
 * @since 0.1.0
 * @category digests
 */
export const shortNameOf = (text: string): string => nameOf(text).slice(0, 32)
