/**
 * Finds the secrets that were sent in a text that came back, in whatever encoding.
 *
 * **Rule: the text is decoded, not the secret encoded.** Escapes, percent codes, entities, base64 and hex are undone in
 * any order and nesting, and each decoded character remembers where in the text it came from. So one spelling of a
 * secret finds it in all encodings, even if it was cut at either end: a piece of {@link piece} characters is enough.
 */
import type { LazyArg } from "effect/Function"
import * as Redacted from "effect/Redacted"

export const mask = "<redacted>"

/** A shorter piece of a secret cannot be told from ordinary words. */
const piece = 8

/** Secrets shorter than this are not searched for: they would match in too many texts. */
const shortest = 4

/** How many characters are searched at a time. */
const window = 4096

/** How many characters two neighbouring windows have in common when a whole text is searched. */
const overlap = 512

/** Longer texts say nothing useful: they are not searched, and not shown. */
const longestShown = 65_536

/** How many nested encodings are undone: escapes may be escaped again, and base64 may hold base64. */
const deepest = 4

/** Characters that no reader sees, or sees as a gap, or that turn round what stands after them. */
export const invisible =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb\ufffe\uffff\s]+/gu

/**
 * The invisible characters that may stand between the letters of a secret: in UTF-16, or in base64 with line breaks.
 */
const isGap = (code: number): boolean =>
  code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0xad || (code >= 0x200b && code <= 0x200f) ||
  (code >= 0x2028 && code <= 0x202f) || (code >= 0x2060 && code <= 0x206f) || code >= 0xfff9 || code === 0xfeff ||
  (code >= 0x034f && isFiller(code))

/** Letter marks, fillers and selectors of single scripts. */
const isFiller = (code: number): boolean =>
  code === 0x034f || code === 0x061c || code === 0x115f || code === 0x1160 || (code >= 0x17b4 && code <= 0x17b5) ||
  (code >= 0x180b && code <= 0x180f) || code === 0x3164 || (code >= 0xfe00 && code <= 0xfe0f) || code === 0xffa0

/** A text after some decoding. `from` and `to` of a character: the part of the original text it was made from. */
interface View {
  length: number
  readonly codes: Int32Array
  readonly from: Int32Array
  readonly to: Int32Array
}

/** An empty view; decoding never makes a text longer, so `capacity` is the length of the text. */
const empty = (capacity: number): View => ({
  length: 0,
  codes: new Int32Array(capacity),
  from: new Int32Array(capacity),
  to: new Int32Array(capacity)
})

const push = (view: View, code: number, from: number, to: number): void => {
  view.codes[view.length] = code
  view.from[view.length] = from
  view.to[view.length++] = to
}

const plain = (text: string): View => {
  const view = empty(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!isGap(code)) push(view, code, i, i + 1)
  }
  return view
}

const escapes = new RegExp(
  "%(?<percent>[0-9a-f]{2})|\\\\{1,16}u(?:(?<utf16>[0-9a-f]{4})|\\{(?<point>[0-9a-f]{1,6})\\})|\\\\x(?<byte>[0-9a-f]{2})" +
    "|\\\\(?<itself>[\\\\/\"'])|&#(?:x(?<hexEntity>[0-9a-f]{1,6})|(?<entity>\\d{1,7}));?" +
    "|&(?<named>amp|lt|gt|quot|apos);",
  "gi"
)

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const escaped = (groups: Readonly<Record<string, string | undefined>>): string => {
  const { byte, entity, hexEntity, itself, named, percent, point, utf16 } = groups
  if (itself !== undefined) return itself
  if (named !== undefined) return entities[named.toLowerCase()]!
  const code = entity !== undefined
    ? Number(entity)
    : Number.parseInt(percent ?? utf16 ?? point ?? byte ?? hexEntity ?? "", 16)
  return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd"
}

const unescape = (view: View): View | undefined => {
  let result: View | undefined
  let at = 0
  const keep = (end: number) => {
    for (; at < end; at++) push(result!, view.codes[at]!, view.from[at]!, view.to[at]!)
  }
  for (const match of textOf(view).matchAll(escapes)) {
    result ??= empty(view.length)
    keep(match.index)
    const from = view.from[at]!
    at += match[0].length
    const character = escaped(match.groups!)
    for (let i = 0; i < character.length; i++) {
      const code = character.charCodeAt(i)
      if (!isGap(code)) push(result, code, from, view.to[at - 1]!)
    }
  }
  if (result !== undefined) keep(view.length)
  return result
}

const sextet = (code: number): number =>
  code >= 65 && code <= 90
    ? code - 65
    : code >= 97 && code <= 122
    ? code - 71
    : code >= 48 && code <= 57
    ? code + 4
    : code === 43 || code === 45
    ? 62
    : code === 47 || code === 95
    ? 63
    : -1

const nibble = (code: number): number =>
  code >= 48 && code <= 57
    ? code - 48
    : code >= 97 && code <= 102
    ? code - 87
    : code >= 65 && code <= 70
    ? code - 55
    : -1

/** Not a byte: it marks the gap between two runs, so that no piece of a secret is found across a gap. */
const border = 0

/** Decodes runs of digits of `bits` bits into bytes; each run is read from its `shift`th digit on. */
const digits = (view: View, digit: (code: number) => number, bits: number, shift: number): View | undefined => {
  const { codes, from, length, to } = view
  let result: View | undefined
  for (let at = 0; at < length;) {
    let end = at
    while (end < length && digit(codes[end]!) >= 0) end++
    if ((end - at - shift) * bits >= shortest * 8) {
      result ??= empty(length)
      let value = 0
      let held = 0
      let start = at + shift
      for (let i = at + shift; i < end; i++) {
        value = (value << bits) | digit(codes[i]!)
        held += bits
        if (held < 8) continue
        held -= 8
        const code = (value >> held) & 0xff
        value &= (1 << held) - 1
        if (!isGap(code)) push(result, code, from[start]!, to[i]!)
        // a digit that two bytes share belongs to both
        start = held === 0 ? i + 1 : i
      }
      // the rest of the last digits, and the padding, belong to the last byte
      let tail = end
      while (bits === 6 && tail < length && codes[tail] === 61 && tail < end + 2) tail++
      if (result.length > 0 && (tail > end || held > 0)) result.to[result.length - 1] = to[tail - 1]!
      push(result, border, 0, 0)
    }
    at = end + 1
  }
  return result
}

const textOf = ({ codes, length }: View): string => String.fromCharCode(...codes.subarray(0, length))

/** Every reading of a text that undoes at most {@link deepest} encodings. */
const readings = (text: string): ReadonlyArray<View> => {
  const found: Array<View> = []
  const read = (view: View, depth: number) => {
    found.push(view)
    if (depth === deepest) return
    const next = [
      unescape(view),
      ...(depth > 2 ? [] : [0, 1, 2, 3].map((shift) => digits(view, sextet, 6, shift))),
      ...(depth > 2 ? [] : [0, 1].map((shift) => digits(view, nibble, 4, shift)))
    ]
    for (const view of next) if (view !== undefined) read(view, depth + 1)
  }
  read(plain(text), 0)
  return found
}

/** Folds case, because servers may change the case of a secret that they repeat. */
const fold = (code: number): number => {
  if (code < 0xc0) return code >= 65 && code <= 90 ? code + 32 : code
  const lower = String.fromCharCode(code).toLowerCase()
  return lower.length === 1 ? lower.charCodeAt(0) : code
}

const ascii = /^[\u0000-\u007f]*$/

const foldText = (text: string): string => {
  if (ascii.test(text)) return text.toLowerCase()
  let folded = ""
  for (let i = 0; i < text.length; i++) folded += String.fromCharCode(fold(text.charCodeAt(i)))
  return folded
}

const withoutGaps = (text: string): string => {
  let from = 0
  let result = ""
  for (let i = 0; i < text.length; i++) {
    if (!isGap(text.charCodeAt(i))) continue
    result += text.slice(from, i)
    from = i + 1
  }
  return from === 0 ? text : result + text.slice(from)
}

/** The bytes of UTF-8, because percent codes and base64 decode to bytes. */
const bytes = (text: string): string =>
  ascii.test(text) ? text : Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("")

const spellings = (secret: string): ReadonlyArray<string> => {
  const all = [secret, bytes(secret)].map(withoutGaps).flatMap((
    text
  ) => [text, text.trim(), text.trim().replaceAll(" ", "+")])
  return Array.from(new Set(all), foldText)
}

interface Known {
  /** Secrets that are long enough to be found by a piece. */
  readonly long: ReadonlyArray<string>
  /** The shorter secrets, by their length. */
  readonly short: ReadonlyMap<number, ReadonlySet<string>>
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
  const short = new Map<number, Set<string>>()
  for (const text of all) {
    if (text.length < shortest || text.length >= piece) continue
    const alike = short.get(text.length) ?? new Set()
    short.set(text.length, alike.add(text))
  }
  return { long, short, filter }
}

/** Which characters of the text belong to a secret. */
const marksOf = (text: string, { filter, long, short }: Known): Uint8Array => {
  const marks = new Uint8Array(text.length)
  const suspects = new Map<string, Array<readonly [from: number, to: number]>>()
  for (const view of readings(text)) {
    const { codes, from, length, to } = view
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
    const folded = short.size === 0 ? "" : textOf(view)
    for (const [size, secrets] of short) {
      for (let at = 0; at + size <= folded.length; at++) {
        if (secrets.has(folded.slice(at, at + size))) marks.fill(1, from[at]!, to[at + size - 1]!)
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
  const folded = foldText(body!)
  for (let length = Math.min(piece - 1, folded.length); length >= shortest; length--) {
    const end = folded.slice(-length)
    const begins = (secret: string) => secret.startsWith(end)
    if (long.some(begins) || Array.from(short.values()).some((secrets) => Array.from(secrets).some(begins))) {
      return `${body!.slice(0, -length)}${mask}${dots ?? ""}`
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
