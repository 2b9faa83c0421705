/**
 * Joins the pieces in which a body arrives.
 *
 * @since 0.1.0
 */

/**
 * All pieces, one after another, in an array of their own. The pieces may be changed afterwards.
 *
 * @example
 * ```ts
 * import { Bytes } from "effect-bearer"
 *
 * Bytes.concat([new Uint8Array([1, 2]), new Uint8Array([3])]) // Uint8Array [1, 2, 3]
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const concat = (pieces: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
