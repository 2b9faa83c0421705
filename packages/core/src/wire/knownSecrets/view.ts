// A text after some decoding, whose characters remember where in the text they came from; and its simplest spelling.

/** `from` and `to` of a character: the part of the original text it was made from. */
export interface View {
  length: number
  readonly codes: Int32Array
  readonly from: Int32Array
  readonly to: Int32Array
}

/** Not a character: it marks the gap between two parts, so that no piece of a secret is found across it. */
export const border = -1

/** An empty view; no decoding makes a text longer, so `capacity` is the length of the text. */
export const empty = (capacity: number): View => ({
  length: 0,
  codes: new Int32Array(capacity),
  from: new Int32Array(capacity),
  to: new Int32Array(capacity)
})

export const push = (view: View, code: number, from: number, to: number): void => {
  view.codes[view.length] = code
  view.from[view.length] = from
  view.to[view.length++] = to
}

export const of = (text: string): View => {
  const view = empty(text.length)
  for (let i = 0; i < text.length; i++) push(view, text.charCodeAt(i), i, i + 1)
  return view
}

/** A function takes a limited number of arguments. */
const mostArguments = 8192

export const textOf = ({ codes, length }: View): string => {
  let text = ""
  for (let at = 0; at < length; at += mostArguments) {
    text += String.fromCharCode(...codes.subarray(at, Math.min(length, at + mostArguments)))
  }
  return text
}

// ---------------------------------------------------------------------------------------------------------------
// the simplest spelling
// ---------------------------------------------------------------------------------------------------------------

/** Characters that may stand between the letters of a secret, or on them, and are no part of it. */
const gap = /[\p{M}\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufff9-\ufffd]/gu

/** A character that stands for more characters than this is a word or a sign, and no spelling of a letter. */
const longestForm = 4

/** The simplest spelling of each character of the basic plane that was met. */
const forms: Array<string | undefined> = []

/**
 * **The rule.** Unicode knows which characters are spellings of another one (full-width, mathematical, accented): the
 * compatibility decomposition undoes them. Marks and characters that nobody sees are left out.
 */
const formOf = (code: number): string => {
  const known = forms[code]
  if (known !== undefined) return known
  const character = String.fromCodePoint(code)
  const simple = character.normalize("NFKD").replace(gap, "")
  const form = simple.length > longestForm ? character : simple
  if (code <= 0xffff) forms[code] = form
  return form
}

const isHigh = (code: number): boolean => code >= 0xd800 && code < 0xdc00
const isLow = (code: number): boolean => code >= 0xdc00 && code < 0xe000

const isSimple = (code: number): boolean => (code >= 0x20 && code < 0x7f) || code === border

/** Every character in its simplest spelling. The work is linear. */
export const simplified = (view: View): View => {
  const { codes, from, length, to } = view
  let at = 0
  while (at < length && isSimple(codes[at]!)) at++
  if (at === length) return view
  const result = empty(length * longestForm)
  for (let i = 0; i < length; i++) {
    const code = codes[i]!
    if (isSimple(code)) {
      push(result, code, from[i]!, to[i]!)
      continue
    }
    const isPair = isHigh(code) && i + 1 < length && isLow(codes[i + 1]!)
    const form = formOf(isPair ? ((code - 0xd800) << 10) + (codes[i + 1]! - 0xdc00) + 0x10000 : code)
    const start = from[i]!
    if (isPair) i++
    for (let k = 0; k < form.length; k++) push(result, form.charCodeAt(k), start, to[i]!)
  }
  return result
}
