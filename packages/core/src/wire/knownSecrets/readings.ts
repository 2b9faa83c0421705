// Every reading of a text that undoes encodings: escapes, base64, numbers, letters that stand apart.
import type { View } from "./view.js"
import { border, empty, of, push, simplified, textOf } from "./view.js"

/** How many nested encodings are undone: escapes may be escaped again, and base64 may hold base64. */
const deepest = 4

/** Bytes are read at fewer depths, because each reading of them is several. */
const deepestBytes = 2

/** Letters that stand apart, and numbers in a row, are read at the first depths only. */
const deepestRows = 1

/** An encoding of fewer characters is not undone: they are no secret. */
const shortest = 4

const escapes = new RegExp(
  "%(?<percent>[0-9a-f]{2})|\\\\{1,16}u(?:(?<utf16>[0-9a-f]{4})|\\{(?<point>[0-9a-f]{1,6})\\})|\\\\x(?<byte>[0-9a-f]{2})" +
    "|\\\\(?<itself>[\\\\/\"'])|&#(?:x(?<hexEntity>[0-9a-f]{1,6})|(?<entity>\\d{1,7}));?" +
    "|&(?<named>amp|lt|gt|quot|apos);",
  "gi"
)

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const lastPoint = 0x10ffff

const escaped = (groups: Readonly<Record<string, string | undefined>>): string => {
  const { byte, entity, hexEntity, itself, named, percent, point, utf16 } = groups
  if (itself !== undefined) return itself
  if (named !== undefined) return entities[named.toLowerCase()]!
  const code = entity !== undefined
    ? Number(entity)
    : Number.parseInt(percent ?? utf16 ?? point ?? byte ?? hexEntity ?? "", 16)
  return code <= lastPoint ? String.fromCodePoint(code) : "\ufffd"
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
    for (let i = 0; i < character.length; i++) push(result, character.charCodeAt(i), from, view.to[at - 1]!)
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
        push(result, (value >> held) & 0xff, from[start]!, to[i]!)
        value &= (1 << held) - 1
        // a digit that two bytes share belongs to both
        start = held === 0 ? i + 1 : i
      }
      // the rest of the last digits, and the padding, belong to the last byte
      let tail = end
      while (bits === 6 && tail < length && codes[tail] === 61 && tail < end + 2) tail++
      if (tail > end || held > 0) result.to[result.length - 1] = to[tail - 1]!
      push(result, border, 0, 0)
    }
    at = end + 1
  }
  return result
}

/** Bytes that are UTF-8 become characters; other bytes stay as they are. */
const utf8 = (view: View): View => {
  const { codes, from, length, to } = view
  const continues = (at: number) => at < length && codes[at]! >= 0x80 && codes[at]! < 0xc0
  let result: View | undefined
  for (let i = 0; i < length; i++) {
    const lead = codes[i]!
    const more = lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0
    let end = i
    while (end < i + more && continues(end + 1)) end++
    if (more === 0 || end < i + more) {
      if (result !== undefined) push(result, lead, from[i]!, to[i]!)
      continue
    }
    if (result === undefined) {
      result = empty(length)
      for (let k = 0; k < i; k++) push(result, codes[k]!, from[k]!, to[k]!)
    }
    let point = lead & (0x3f >> more)
    for (let k = i + 1; k <= end; k++) point = (point << 6) | (codes[k]! & 0x3f)
    pushPoint(result, Math.min(point, lastPoint), from[i]!, to[end]!)
    i = end
  }
  return result ?? view
}

const pushPoint = (view: View, point: number, from: number, to: number): void => {
  if (point <= 0xffff) return push(view, point, from, to)
  push(view, 0xd800 + ((point - 0x10000) >> 10), from, to)
  push(view, 0xdc00 + ((point - 0x10000) & 0x3ff), from, to)
}

const isWordly = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)

/** Between two numbers of a row there are no more characters than these. */
const widest = 32

/** The digits of a number of each base: of more digits it is not a character. Base 16 may have several bytes in a row. */
const longestNumber: Readonly<Record<number, number>> = { 2: 8, 8: 3, 10: 7, 16: 64 }

/**
 * Numbers in a row, one for each character: `[115, 51, 99]` as JSON writes a `Buffer`, `73:33:63`, `0x73 0x33`,
 * `U+0073`.
 */
const numbers = (view: View, base: number): View | undefined => {
  const { codes, from, length, to } = view
  const result = empty(length)
  let row = 0
  let longest = 0
  const end = () => {
    if (row > 0) push(result, border, 0, 0)
    row = 0
  }
  for (let at = 0; at < length;) {
    let start = at
    while (start < length && !isWordly(codes[start]!)) start++
    let next = start
    while (next < length && isWordly(codes[next]!)) next++
    if (start - at > widest) end()
    at = next
    const first = codes[start]!
    const second = codes[start + 1]!
    if (isMark(first, base) && base === 16) start++
    else if (next - start > 2 && first === 48 && isMark(second, base)) start += 2
    if (start === next) continue
    const before = result.length
    let value = 0
    let isNumber = next - start <= longestNumber[base]! &&
      (base !== 16 || next - start === 1 || (next - start) % 2 === 0)
    for (let i = start; i < next && isNumber; i++) {
      const digit = nibble(codes[i]!)
      isNumber = digit >= 0 && digit < base
      if (base === 16) value = ((value << 4) | digit) & 0xff
      else value = value * base + digit
      const isByte = base === 16 && (next - start === 1 || (i - start) % 2 === 1)
      if (isNumber && isByte) push(result, value, from[Math.max(start, i - 1)]!, to[i]!)
    }
    isNumber &&= value <= lastPoint
    if (isNumber && base !== 16) pushPoint(result, value, from[start]!, to[next - 1]!)
    if (!isNumber) result.length = before
    if (isNumber) longest = Math.max(longest, ++row, base === 16 ? (next - start) / 2 : 0)
    else end()
  }
  return longest >= shortest ? result : undefined
}

/** The letters that say of which base a number is: `0x`, `\x`, `\u`, `U+`, `0o`, `0b`. */
const marks: Readonly<Record<number, string>> = { 2: "bB", 8: "oO", 10: "", 16: "xXuU" }

const isMark = (code: number, base: number): boolean => marks[base]!.includes(String.fromCharCode(code))

/** The text without white space. */
const squeezed = (view: View): View | undefined => {
  const { codes, from, length, to } = view
  let result: View | undefined
  for (let i = 0; i < length; i++) {
    if (codes[i] === 0x20) {
      if (result !== undefined) continue
      result = empty(length)
      for (let k = 0; k < i; k++) push(result, codes[k]!, from[k]!, to[k]!)
    } else if (result !== undefined) {
      push(result, codes[i]!, from[i]!, to[i]!)
    }
  }
  return result
}

/** Single letters with the same few characters between each two of them: `a-b-c-d`, `["a","b","c","d"]`. */
const apart = /([^])([^A-Za-z0-9]{1,6}?)(?:[^]\2){2,}[^]/g

const letters = (view: View): View | undefined => {
  let result: View | undefined
  for (const match of textOf(view).matchAll(apart)) {
    result ??= empty(view.length)
    const step = 1 + match[2]!.length
    for (let at = match.index; at < match.index + match[0].length; at += step) {
      push(result, view.codes[at]!, view.from[at]!, view.to[at]!)
    }
    push(result, border, 0, 0)
  }
  return result
}

/** Every reading of a text that undoes at most {@link deepest} encodings. */
export const readings = (text: string): ReadonlyArray<View> => {
  const found: Array<View> = []
  const read = (view: View, depth: number) => {
    found.push(view)
    if (depth === deepest) return
    const next = [unescape(view)]
    if (depth <= deepestBytes) {
      next.push(
        ...[0, 1, 2, 3].map((shift) => digits(view, sextet, 6, shift)),
        ...[0, 1].map((shift) => digits(view, nibble, 4, shift))
      )
    }
    if (depth <= deepestRows) {
      const tight = squeezed(view)
      next.push(
        tight,
        letters(view),
        tight === undefined ? undefined : letters(tight),
        ...[2, 8, 10, 16].map((base) => numbers(view, base))
      )
    }
    for (const view of next) if (view !== undefined) read(simplified(utf8(view)), depth + 1)
  }
  read(simplified(of(text)), 0)
  return found
}
