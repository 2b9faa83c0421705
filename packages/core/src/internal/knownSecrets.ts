/**
 * Finds the secrets that were sent in a text that came back, whatever encoding the text has them in.
 *
 * **Rule: the text is decoded, not the secret encoded.** Escapes, percent codes, entities, base64 and hex are undone in
 * any order and nesting, and each decoded character remembers where in the text it came from. So one spelling of a
 * secret finds them all, also where it is cut at either end: a piece of {@link piece} characters is enough.
 */
import * as Redacted from "effect/Redacted"

export const mask = "<redacted>"

/** A piece of a secret that is shorter than this is not told from ordinary words. */
const piece = 8

/** Secrets shorter than this are not looked for: they would turn every text into noise. */
const shortest = 4

/** Characters that are looked at in one go. */
const window = 4096

/** What two windows have in common, where all of a text is looked at. */
const overlap = 512

/** Escapes may be escaped again, and base64 may hold base64: to this depth. */
const deepest = 4

/** Characters that no reader sees, or sees as a gap. */
export const invisible =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\s]+/g

/** Those of them that may stand between the letters of a secret: an answer in UTF-16, base64 with line breaks. */
const isGap = (code: number): boolean =>
  code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0xad || (code >= 0x200b && code <= 0x200f) ||
  (code >= 0x2028 && code <= 0x202f) || (code >= 0x2060 && code <= 0x206f) || code >= 0xfff9 || code === 0xfeff

/** A text as it reads after some decoding. `from` and `to` of a character: what it was made of in the first text. */
interface View {
  readonly codes: Array<number>
  readonly from: Array<number>
  readonly to: Array<number>
}

const empty = (): View => ({ codes: [], from: [], to: [] })

const push = (view: View, code: number, from: number, to: number): void => {
  view.codes.push(code)
  view.from.push(from)
  view.to.push(to)
}

const plain = (text: string): View => {
  const view = empty()
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!isGap(code)) push(view, code, i, i + 1)
  }
  return view
}

const escapes = new RegExp(
  "%(?<percent>[0-9a-f]{2})|\\\\+u(?:(?<utf16>[0-9a-f]{4})|\\{(?<point>[0-9a-f]{1,6})\\})|\\\\x(?<byte>[0-9a-f]{2})" +
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
  const text = textOf(view)
  let result: View | undefined
  let at = 0
  const keep = (end: number) => {
    for (; at < end; at++) push(result!, view.codes[at]!, view.from[at]!, view.to[at]!)
  }
  for (const match of text.matchAll(escapes)) {
    result ??= empty()
    keep(match.index)
    const from = view.from[at]!
    at += match[0].length
    const character = escaped(match.groups!)
    for (let i = 0; i < character.length; i++) {
      const code = character.charCodeAt(i)
      if (!isGap(code)) push(result, code, from, view.to[at - 1]!)
    }
  }
  if (result !== undefined) keep(view.codes.length)
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

/** No byte: it stands between two runs, so that no piece of a secret seems to reach over a gap. */
const border = 0x1_0000

/** Bytes out of runs of digits of `bits` bits, each run read from its `shift`th digit. */
const digits = (view: View, digit: (code: number) => number, bits: number, shift: number): View | undefined => {
  const result = empty()
  const { codes, from, to } = view
  for (let at = 0; at < codes.length;) {
    let end = at
    while (end < codes.length && digit(codes[end]!) >= 0) end++
    if ((end - at - shift) * bits >= shortest * 8) {
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
        // a digit that is shared belongs to both bytes
        start = held === 0 ? i + 1 : i
      }
      // what is left of the last digits, and the padding
      let tail = end
      while (bits === 6 && tail < codes.length && codes[tail] === 61 && tail < end + 2) tail++
      if (result.to.length > 0 && (tail > end || held > 0)) result.to[result.to.length - 1] = to[tail - 1]!
      push(result, border, 0, 0)
    }
    at = end + 1
  }
  return result.codes.length === 0 ? undefined : result
}

const textOf = ({ codes }: View): string => {
  let text = ""
  for (const code of codes) text += code === border ? "\ufffd" : String.fromCharCode(code)
  return text
}

/** Every reading of a text. */
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

/** Servers may change the case of what they repeat. */
const fold = (code: number): number => {
  if (code < 0xc0) return code >= 65 && code <= 90 ? code + 32 : code
  const lower = String.fromCharCode(code).toLowerCase()
  return lower.length === 1 ? lower.charCodeAt(0) : code
}

const foldText = (text: string): string => {
  let folded = ""
  for (let i = 0; i < text.length; i++) folded += String.fromCharCode(fold(text.charCodeAt(i)))
  return folded
}

const withoutGaps = (text: string): string =>
  Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).some(isGap)
    ? text.split("").filter((_, i) => !isGap(text.charCodeAt(i))).join("")
    : text

/** As the bytes of UTF-8, for percent codes and base64 give bytes. */
const bytes = (text: string): string =>
  /[^\u0000-\u007f]/.test(text)
    ? Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("")
    : text

const spellings = (secret: string): ReadonlyArray<string> =>
  [secret, bytes(secret)].flatMap((text) => [text, text.trim(), text.trim().replaceAll(" ", "+")])

interface Known {
  /** Long enough to be known by a piece. */
  readonly long: ReadonlyArray<string>
  readonly short: ReadonlyArray<string>
  /** Which hashes the pieces have. */
  readonly filter: Uint8Array
}

const hashOf = (code: (index: number) => number, at: number): number => {
  let hash = 0
  for (let i = at; i < at + piece; i++) hash = Math.imul(hash, 0x01000193) ^ code(i)
  return (hash ^ (hash >>> 15)) >>> 0
}

const learn = (secrets: ReadonlyArray<Redacted.Redacted>): Known => {
  const all = new Set(
    secrets.map((secret) => Redacted.value(secret)).flatMap(spellings).map((text) => foldText(withoutGaps(text)))
  )
  const long = Array.from(all).filter((text) => text.length >= piece)
  const size = long.reduce((sum, text) => sum + text.length, 0)
  const filter = new Uint8Array(2 ** Math.min(20, Math.ceil(Math.log2(size * 16 + 1024))))
  for (const text of long) {
    for (let i = 0; i + piece <= text.length; i++) {
      filter[hashOf((index) => text.charCodeAt(index), i) & (filter.length - 1)] = 1
    }
  }
  return { long, short: Array.from(all).filter((text) => text.length >= shortest && text.length < piece), filter }
}

/** Which characters of the text belong to a secret. */
const marksOf = (text: string, { filter, long, short }: Known): Uint8Array => {
  const marks = new Uint8Array(text.length)
  const suspects = new Map<string, Array<readonly [from: number, to: number]>>()
  for (const view of readings(text)) {
    const codes = view.codes.map(fold)
    const code = (index: number) => codes[index]!
    for (let i = 0; i + piece <= codes.length; i++) {
      if (filter[hashOf(code, i) & (filter.length - 1)] === 0) continue
      const key = String.fromCharCode(...codes.slice(i, i + piece))
      const places = suspects.get(key) ?? []
      if (places.length === 0) suspects.set(key, places)
      // to the end of the last, so that gaps in between are hidden as well
      places.push([view.from[i]!, view.to[i + piece - 1]!])
    }
    if (short.length === 0) continue
    const folded = foldText(textOf(view))
    for (const secret of short) {
      for (let at = folded.indexOf(secret); at >= 0; at = folded.indexOf(secret, at + 1)) {
        marks.fill(1, view.from[at]!, view.to[at + secret.length - 1]!)
      }
    }
  }
  for (const secret of suspects.size === 0 ? [] : long) {
    for (let i = 0; i + piece <= secret.length; i++) {
      const key = secret.slice(i, i + piece)
      const places = suspects.get(key)
      if (places === undefined) continue
      suspects.delete(key)
      for (const [from, to] of places) marks.fill(1, from, to)
    }
  }
  return marks
}

/** Where the text ends in the beginning of a secret, that is left out: how long it was is nobody's business. */
const withoutBeginning = (text: string, { long, short }: Known): string => {
  const [, body, dots] = /^([^]*?)(…|\.{3})?$/.exec(text)!
  const folded = foldText(body!)
  for (let length = Math.min(piece - 1, folded.length); length >= shortest; length--) {
    const end = folded.slice(-length)
    if ([...long, ...short].some((secret) => secret.startsWith(end))) {
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
  /** The beginning of a text, which is not looked at beyond {@link window}, without secrets and without pieces of them. */
  readonly beginning: (text: string) => string
  /** All of a text. */
  readonly all: (text: string) => string
}

/** Secrets are prepared when the first text is hidden: most requests end well. */
export const hider = (secrets: ReadonlyArray<Redacted.Redacted>): Hider => {
  let learnt: Known | undefined
  const known = () => learnt ??= learn(secrets)
  return {
    beginning: (whole) => {
      const text = whole.slice(0, window)
      const shown = masked(text, marksOf(text, known()))
      return whole.length > window || /(?:…|\.{3})$/.test(text) ? withoutBeginning(shown, known()) : shown
    },
    all: (text) => {
      const marks = new Uint8Array(text.length)
      // windows overlap by more than a piece can take up in any encoding
      for (let at = 0; at < text.length; at += window - overlap) {
        const found = marksOf(text.slice(at, at + window), known())
        for (let i = 0; i < found.length; i++) marks[at + i]! |= found[i]!
      }
      return masked(text, marks)
    }
  }
}
