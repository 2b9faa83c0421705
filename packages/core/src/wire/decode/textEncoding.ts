/**
 * Turns the bytes of a response into text. UTF-16 and UTF-32 are recognised by their byte order mark, or by the NULs
 * beside the ASCII characters with which every JSON or form response begins (RFC 4627 §3).
 */
export interface Text {
  readonly text: string
  readonly encoding: "UTF-8" | "UTF-16" | "UTF-32"
}

export const read = (bytes: Uint8Array): Text => {
  const [a, b, c, d] = [bytes[0], bytes[1], bytes[2], bytes[3]]
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return utf32(bytes, 4, true)
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return utf32(bytes, 4, false)
  if (a === 0xff && b === 0xfe) return utf16(bytes, 2, true)
  if (a === 0xfe && b === 0xff) return utf16(bytes, 2, false)
  if (bytes.length >= 4) {
    if (a === 0 && b === 0 && c === 0 && d !== 0) return utf32(bytes, 0, false)
    if (a !== 0 && b === 0 && c === 0 && d === 0) return utf32(bytes, 0, true)
  }
  if (bytes.length >= 2) {
    if (a === 0 && b !== 0) return utf16(bytes, 0, false)
    if (a !== 0 && b === 0) return utf16(bytes, 0, true)
  }
  // strips a byte order mark, and turns bytes that are not UTF-8 into U+FFFD
  return { text: new TextDecoder().decode(bytes), encoding: "UTF-8" }
}

/** The text is built in pieces, because a call can have only some ten thousand arguments. */
const chunk = 8192

const joined = (units: number, unit: (index: number) => ReadonlyArray<number>): string => {
  let text = ""
  for (let at = 0; at < units; at += chunk) {
    const codes: Array<number> = []
    for (let i = at; i < Math.min(units, at + chunk); i++) codes.push(...unit(i))
    text += String.fromCharCode(...codes)
  }
  return text
}

const utf16 = (bytes: Uint8Array, from: number, little: boolean): Text => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const units = (bytes.length - from) >> 1
  return { text: joined(units, (i) => [view.getUint16(from + 2 * i, little)]), encoding: "UTF-16" }
}

const utf32 = (bytes: Uint8Array, from: number, little: boolean): Text => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const units = (bytes.length - from) >> 2
  const text = joined(units, (i) => {
    const point = view.getUint32(from + 4 * i, little)
    return point > 0x10ffff
      ? [0xfffd]
      : point > 0xffff
      ? [0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff)]
      : [point]
  })
  return { text, encoding: "UTF-32" }
}
