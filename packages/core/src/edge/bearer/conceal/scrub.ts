// Takes the token out of a text, in whatever encoding, within a limit of work.
import * as Redacted from "effect/Redacted"
import * as knownSecrets from "../../../wire/knownSecrets.js"
import * as hiding from "../hiding.js"

/** How many renderings of the program's objects are tried. Others are searched only when they are shown. */
const mostRenderings = 1_000

/** Shorter tokens are searched for only together with their scheme: alone they would match in too many texts. */
export const shortest = 8

/**
 * A token of at least this length is also found by a part of it, in any encoding; a shorter token may be made of plain
 * words.
 */
export const longToken = 20

/** How many characters are searched for the token in any encoding: of one text, and of all texts together. */
export const mostOfOne = 16_384

export const mostOfAll = 524_288

/**
 * The last two hidden values (a token, and perhaps a proof), because in an outage many calls with the same token fail.
 */
let last: ReadonlyArray<{ readonly token: string; readonly hide: (text: string) => string }> = []

const hiderOf = (token: string): (text: string) => string => {
  const known = last.find((one) => one.token === token)
  if (known !== undefined) return known.hide
  const { all: hide } = knownSecrets.hider([Redacted.make(token)])
  last = [{ token, hide }, ...last.slice(0, 1)]
  return hide
}

export type Hide = (text: string) => string

export interface Scrub {
  (text: string): string
  /** Whether one more rendering may be tried. */
  readonly mayRender: () => boolean
}

export const scrubber = (header: string): Scrub => {
  const token = header.slice(header.indexOf(" ") + 1)
  const encoded = encodeURIComponent(token)
  const secrets = [header, ...token.length < shortest ? [] : [token, ...encoded === token ? [] : [encoded]]]
  const inAnyEncoding = token.length < longToken ? undefined : hiderOf(token)
  const known = new Map<string, string>()
  let left = mostOfAll
  let renderings = mostRenderings
  const scrub = (text: string): string => {
    if (text.length < shortest) return text
    const before = known.get(text)
    if (before !== undefined) return before
    let out = text
    for (const secret of secrets) if (out.includes(secret)) out = out.replaceAll(secret, hiding.mask)
    // the frames of a stack trace name places in code and are not searched
    const frames = out.indexOf("\n    at ")
    const length = frames < 0 ? out.length : frames
    if (inAnyEncoding === undefined || length > mostOfOne || length > left) return out
    left -= length
    out = inAnyEncoding(out.slice(0, length)) + out.slice(length)
    known.set(text, out)
    return out
  }
  return Object.assign(scrub, {
    mayRender: () => left > 0 && renderings-- > 0
  })
}

/** A name shorter than this cannot have been made from the token, so it is not searched. */
export const textOfKey = (key: PropertyKey): string => {
  const name = typeof key === "symbol" ? key.description ?? "" : String(key)
  return name.length < longToken ? "" : name
}

export const text = (value: unknown, scrub: Hide): unknown =>
  typeof value === "string" ? scrub(value) : typeof value === "symbol" ? scrubSymbol(value, scrub) : value

const scrubSymbol = (symbol: symbol, scrub: Hide): symbol => {
  const name = symbol.description ?? ""
  const shown = scrub(name)
  return shown === name ? symbol : Symbol(shown)
}

export const shownKey = (key: PropertyKey, scrub: Hide): PropertyKey =>
  textOfKey(key) === "" ? key : typeof key === "symbol" ? scrubSymbol(key, scrub) : scrub(String(key))
