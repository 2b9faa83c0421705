// Turns the body of a response into members, or says what kind of text it is.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as json from "../values/json.js"
import * as pageTitle from "./decode/pageTitle.js"
import * as textEncoding from "./decode/textEncoding.js"

/**
 * A body, decoded as far as possible. Of a body that is not understood only its kind is kept, so there is no text that
 * an error could quote. Members are own properties only, so no name reaches a prototype.
 */
export type Decoded =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Members"; readonly members: ReadonlyMap<string, unknown>; readonly form: string }
  | { readonly _tag: "Other"; readonly kind: Kind; readonly form: string }

/** The kind of a body without members. */
export type Kind = "html" | "xml" | "broken json" | "json" | "text" | "compressed"

/**
 * The first character decides, not the content type: JSON comes as `text/plain`, forms as `text/html`, and often
 * there is no content type at all.
 */
export const decode = (bytes: Uint8Array): Decoded => {
  const compression = compressed(bytes)
  if (compression !== undefined) return other("compressed", `compressed (${compression})`)
  const { encoding, text } = textEncoding.read(bytes)
  const decoded = fromText(text.replace(/^\ufeff/, "").trim())
  return decoded._tag === "Empty" || encoding === "UTF-8"
    ? decoded
    : { ...decoded, form: `${decoded.form}, in ${encoding}` }
}

const other = (kind: Kind, form: string): Decoded => ({
  _tag: "Other",
  kind,
  form
})

const fromText = (text: string): Decoded => {
  if (text === "") return { _tag: "Empty" }
  if (text.startsWith("{") || text.startsWith("[")) return fromJson(text)
  if (text.startsWith("<")) return markup(text)
  return scalar(text) ?? form(text)
}

const fromJson = (text: string): Decoded => {
  const value = json.parse(text)
  if (Option.isNone(value)) return other("broken json", /[}\]]$/.test(text) ? "broken JSON" : "JSON cut off")
  return Predicate.isRecord(value.value)
    ? { _tag: "Members", members: new Map(Object.entries(value.value)), form: `JSON: an object${names(value.value)}` }
    : other("json", "JSON: a list")
}

/**
 * Names of members that show what a response is. Any other name may be a token, because an object may have tokens as
 * keys.
 */
const known: ReadonlySet<string> = new Set((
  "accesstoken token idtoken refreshtoken jwt bearer tokentype expiresin expires expiresat scope scopes active data result " +
  "response payload body content value values auth authentication credentials session user error errors errordescription " +
  "errorcode code message status statuscode success ok detail details title type description reason path timestamp items " +
  "issuer jwksuri tokenendpoint authorizationendpoint keys leaseduration leaseid renewable requestid wrapinfo warnings " +
  "metadata clientid clientsecret access refresh links meta autheduser"
).split(" "))

const mostNames = 8

const names = (object: object): string => {
  const all = Object.keys(object)
  const shown = all.filter((name) => name.length <= 40 && known.has(name.replace(/[_-]/g, "").toLowerCase())).slice(
    0,
    mostNames
  )
  const more = all.length - shown.length
  const list = [
    ...shown,
    ...(more === 0 ? [] : [`${more} ${shown.length === 0 ? "" : "other "}member${more === 1 ? "" : "s"}`])
  ]
  return list.length === 0 ? " without members" : ` with ${list.join(", ")}`
}

/** A JSON text that is neither an object nor a list. */
const scalar = (text: string): Decoded | undefined => {
  if (text.startsWith("\"")) return Option.isSome(json.parse(text)) ? other("json", "JSON: a string") : undefined
  if (/^-?\d[\d.eE+-]*$/.test(text) && Option.isSome(json.parse(text))) return other("json", "JSON: a number")
  if (text === "true" || text === "false") return other("json", "JSON: a boolean")
  return text === "null" ? other("json", "JSON: null") : undefined
}

const markup = (text: string): Decoded => {
  const start = text.slice(0, 1024)
  if (/^<\?xml|^<(?!!doctype html|html)[a-z][\w.-]*:/i.test(start) && !/<html\b/i.test(start)) {
    return other("xml", "XML")
  }
  const title = pageTitle.shown(text)
  return other("html", title === "" ? "HTML" : `HTML with the title "${title}"`)
}

const form = (text: string): Decoded => {
  if (!/^[\w.~%+-]+=/.test(text)) return other("text", "text")
  const members = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (!members.has(name)) members.set(name, value)
  }
  // only these two names tell an OAuth form from a line of text with an equals sign
  return members.has("access_token") || members.has("error")
    ? { _tag: "Members", members, form: "a form" }
    : other("text", "text")
}

/** The marks that compressed data begins with; Brotli has none. */
const compressed = (bytes: Uint8Array): string | undefined => {
  const [a, b, c, d] = [bytes[0], bytes[1], bytes[2], bytes[3]]
  if (a === 0x1f && b === 0x8b) return "gzip"
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd"
  // RFC 1950: the method is 8 and the first two bytes are a multiple of 31; no text begins like that with these
  if (a === 0x78 && (b === 0x01 || b === 0x9c || b === 0xda)) return "deflate"
  return a === 0x50 && b === 0x4b && c === 3 && d === 4 ? "zip" : undefined
}
