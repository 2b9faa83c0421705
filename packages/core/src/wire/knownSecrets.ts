/**
 * Finds the secrets that were sent in a text that came back, in whatever encoding.
 *
 * **Rule: the text is decoded, not the secret encoded.** Escapes, percent codes, entities, base64, hex, numbers in a row
 * and letters that stand apart are undone in any order and nesting, every character is brought to its simplest spelling,
 * and each one remembers where in the text it came from. So one spelling of a secret finds it in all encodings, even if
 * it was cut at either end: a piece of {@link piece} characters is enough.
 */
import type { LazyArg } from "effect/Function"
import * as Redacted from "effect/Redacted"
import { readings } from "./knownSecrets/readings.js"
import * as view from "./knownSecrets/view.js"

export const mask = "<redacted>"

/** A shorter piece of a secret cannot be told from ordinary words. */
const piece = 8

/** Shorter secrets would be found inside of too many words and codes. */
const shortest = 4

/** Secrets from this length up to {@link shortest} are found as words, in the text as it stands. */
const shortestWord = 2

/** How many characters are searched at a time. */
const window = 4096

/** How many characters two neighbouring windows have in common when a whole text is searched. */
const overlap = 512

/** Longer texts say nothing useful: they are not searched, and not shown. */
const longestShown = 65_536

/** The beginning of a secret, with gaps and marks, is looked for in this many characters at the end of a text. */
const longestTail = 64

/** Characters that no reader sees, or sees as a gap, or that turn round what stands after them. */
export const invisible =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb\ufffe\uffff\s]+/gu

/** Folds case, because servers may change the case of a secret that they repeat. */
const fold = (code: number): number => {
  if (code < 0xc0) return code >= 65 && code <= 90 ? code + 32 : code
  const lower = String.fromCharCode(code).toLowerCase()
  return lower.length === 1 ? lower.charCodeAt(0) : code
}

const ascii = /^[\u0000-\u007f]*$/
const control = /[\u0000-\u001f\u007f]/g

const foldText = (text: string): string => {
  if (ascii.test(text)) return text.toLowerCase()
  let folded = ""
  for (let i = 0; i < text.length; i++) folded += String.fromCharCode(fold(text.charCodeAt(i)))
  return folded
}

/** A secret in its simplest spelling, as the readings of a text have it. */
const simple = (text: string): string =>
  ascii.test(text) ? text.replace(control, "") : view.textOf(view.simplified(view.of(text)))

/** The bytes of UTF-8, because percent codes and base64 decode to bytes. */
const bytes = (text: string): string =>
  ascii.test(text) ? text : Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("")

const fromItsEnd = (text: string): string => Array.from(text).reverse().join("")

/** Programs repeat a secret with other white space, with none, and from its end. */
const spellings = (secret: string): ReadonlyArray<string> => {
  const all = [secret, bytes(secret)].map(simple).flatMap((text) => {
    const trimmed = text.trim()
    const tight = text.replaceAll(" ", "")
    return [text, trimmed, trimmed.replaceAll(" ", "+"), tight, ...[text, tight].map(fromItsEnd)]
  })
  return Array.from(new Set(all), foldText)
}

interface Known {
  /** Secrets that are long enough to be found by a piece. */
  readonly long: ReadonlyArray<string>
  /** The shorter secrets, by their length. */
  readonly short: ReadonlyMap<number, ReadonlySet<string>>
  /** The shortest secrets, by their length: only a whole word is one of them. */
  readonly words: ReadonlyMap<number, ReadonlySet<string>>
  /** The hashes of all pieces. */
  readonly filter: Uint8Array
}

/** The factor that takes the first character of a piece out of the rolling hash. */
const gone = Array.from({ length: piece }).reduce<number>((product) => Math.imul(product, 0x01000193), 1)

/** The hash of each piece in turn, from that of the piece before: the work does not depend on the length of a piece. */
const eachPiece = (length: number, code: (index: number) => number, take: (hash: number, at: number) => void): void => {
  let sum = 0
  for (let i = 0; i < length; i++) {
    sum = (Math.imul(sum, 0x01000193) + code(i)) | 0
    if (i >= piece) sum = (sum - Math.imul(gone, code(i - piece))) | 0
    if (i >= piece - 1) take((sum ^ (sum >>> 15)) >>> 0, i - piece + 1)
  }
}

const learn = (secrets: ReadonlyArray<Redacted.Redacted>): Known => {
  const all = Array.from(new Set(secrets.map((secret) => Redacted.value(secret)).flatMap(spellings)))
  const long = all.filter((text) => text.length >= piece)
  const size = long.reduce((sum, text) => sum + text.length, 0)
  const filter = new Uint8Array(2 ** Math.min(21, Math.ceil(Math.log2(size * 16 + 1024))))
  for (const text of long) {
    eachPiece(text.length, (index) => text.charCodeAt(index), (hash) => {
      filter[hash & (filter.length - 1)] = 1
    })
  }
  return { long, short: byLength(all, shortest, piece), words: byLength(all, shortestWord, shortest), filter }
}

const byLength = (texts: ReadonlyArray<string>, least: number, below: number): Map<number, Set<string>> => {
  const found = new Map<number, Set<string>>()
  for (const text of texts) {
    if (text.length < least || text.length >= below) continue
    const alike = found.get(text.length) ?? new Set()
    found.set(text.length, alike.add(text))
  }
  return found
}

const partOfWord = /[\p{L}\p{N}]/u

/** Whether what stands from `at` to `end` is no part of a longer word. */
const isApart = (text: string, at: number, end: number): boolean =>
  !partOfWord.test(text.charAt(at - 1)) && !partOfWord.test(text.charAt(end))

/** Which characters of the text belong to a secret. */
const marksOf = (text: string, { filter, long, short, words }: Known): Uint8Array => {
  const marks = new Uint8Array(text.length)
  const suspects = new Map<string, Array<readonly [from: number, to: number]>>()
  for (const [index, reading] of readings(text).entries()) {
    const { codes, from, length, to } = reading
    for (let i = 0; i < length; i++) codes[i] = fold(codes[i]!)
    if (long.length > 0) {
      eachPiece(length, (index) => codes[index]!, (hash, at) => {
        if (filter[hash & (filter.length - 1)] === 0) return
        const key = String.fromCharCode(...codes.subarray(at, at + piece))
        const places = suspects.get(key) ?? []
        if (places.length === 0) suspects.set(key, places)
        // up to the end of the last character, so that gaps in between are hidden as well
        places.push([from[at]!, to[at + piece - 1]!])
      })
    }
    // decoded at random, any text has words of two letters
    const wanted = index === 0 ? [...short, ...words] : [...short]
    const folded = wanted.length === 0 ? "" : view.textOf(reading)
    for (const [size, secrets] of wanted) {
      for (let at = 0; at + size <= folded.length; at++) {
        if (secrets.has(folded.slice(at, at + size)) && (size >= shortest || isApart(folded, at, at + size))) {
          marks.fill(1, from[at]!, to[at + size - 1]!)
        }
      }
    }
  }
  for (const secret of long) {
    for (let i = 0; suspects.size > 0 && i + piece <= secret.length; i++) {
      const key = secret.slice(i, i + piece)
      const places = suspects.get(key)
      if (places === undefined) continue
      suspects.delete(key)
      for (const [from, to] of places) marks.fill(1, from, to)
    }
  }
  return marks
}

/**
 * If the text ends with the beginning of a secret, that part is replaced by a mask of fixed length, so that its length
 * is not shown.
 */
const withoutBeginning = (text: string, { long, short }: Known): string => {
  const [, body, dots] = /^([^]*?)(…|\.{3})?$/.exec(text)!
  const tail = Math.max(0, body!.length - longestTail)
  const last = view.simplified(view.of(body!.slice(tail)))
  const folded = foldText(view.textOf(last))
  for (let length = Math.min(piece - 1, folded.length); length >= shortest; length--) {
    const end = folded.slice(-length)
    const begins = (secret: string) => secret.startsWith(end)
    if (long.some(begins) || Array.from(short.values()).some((secrets) => Array.from(secrets).some(begins))) {
      return `${body!.slice(0, tail + last.from[folded.length - length]!)}${mask}${dots ?? ""}`
    }
  }
  return text
}

const masked = (text: string, marks: Uint8Array): string => {
  let result = ""
  for (let i = 0; i < text.length;) {
    const start = i
    const hidden = marks[i]
    while (i < text.length && marks[i] === hidden) i++
    const piece = text.slice(start, i)
    result += hidden === 1 ? piece.replace(/\S[^]*\S|\S/, mask) : piece
  }
  return result
}

export interface Hider {
  /** The beginning of a text, up to {@link window} characters, without secrets and without pieces of them. */
  readonly beginning: (text: string) => string
  /** A whole text without secrets; nothing of a text that is too long to be searched. */
  readonly all: (text: string) => string
}

/** Secrets are prepared when the first text is hidden, because most requests succeed. */
export const hider = (
  secrets: ReadonlyArray<Redacted.Redacted> | LazyArg<ReadonlyArray<Redacted.Redacted>>
): Hider => {
  let learnt: Known | undefined
  const known = () => learnt ??= learn(typeof secrets === "function" ? secrets() : secrets)
  return {
    beginning: (whole) => {
      const text = whole.slice(0, window)
      const shown = masked(text, marksOf(text, known()))
      return whole.length > window || /(?:…|\.{3})$/.test(text) ? withoutBeginning(shown, known()) : shown
    },
    all: (text) => {
      if (text.length > longestShown) return mask
      const marks = new Uint8Array(text.length)
      // windows overlap by more than the length of a piece in any encoding
      for (let at = 0; at < text.length; at += window - overlap) {
        const found = marksOf(text.slice(at, at + window), known())
        for (let i = 0; i < found.length; i++) marks[at + i]! |= found[i]!
      }
      return masked(text, marks)
    }
  }
}
