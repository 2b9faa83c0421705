import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as json from "./json.js"
import type { Scrub } from "./scrub.js"

/** A body, decoded as far as it allows. Members are own properties only, so no name reaches a prototype. */
export type Decoded =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Members"; readonly members: ReadonlyMap<string, unknown>; readonly text: string }
  | { readonly _tag: "Other"; readonly kind: "html" | "broken json" | "json" | "text"; readonly text: string }

/**
 * The first character decides, not the content type: JSON comes as `text/plain`, forms as `text/html`, and often
 * there is no content type at all.
 */
export const decode = (bytes: Uint8Array): Decoded => {
  // strips a byte order mark, and turns what is not UTF-8 into U+FFFD
  const text = new TextDecoder().decode(bytes).trim()
  if (text === "") return { _tag: "Empty" }
  if (text.startsWith("{") || text.startsWith("[")) return fromJson(text)
  if (text.startsWith("<")) return { _tag: "Other", kind: "html", text }
  return form(text)
}

const fromJson = (text: string): Decoded => {
  const value = json.parse(text)
  return Option.isNone(value)
    ? { _tag: "Other", kind: "broken json", text }
    : Predicate.isRecord(value.value)
    ? { _tag: "Members", members: new Map(Object.entries(value.value)), text }
    : { _tag: "Other", kind: "json", text }
}

const form = (text: string): Decoded => {
  if (!/^[\w.~%+-]+=/.test(text)) return { _tag: "Other", kind: "text", text }
  const members = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (!members.has(name)) members.set(name, value)
  }
  // only the two names that make it an OAuth reply tell a form from a line of text with an equals sign
  return members.has("access_token") || members.has("error")
    ? { _tag: "Members", members, text }
    : { _tag: "Other", kind: "text", text }
}

/** Members whose text explains and does not authenticate. */
const telling: ReadonlySet<string> = new Set([
  "error",
  "error_description",
  "error_code",
  "description",
  "message",
  "title",
  "detail",
  "type",
  "code",
  "status",
  "reason",
  "name",
  "token_type",
  "scope"
])

/** The start of a body, fit for an error. Of JSON it shows the shape, and text only where it explains something. */
export const excerpt = (decoded: Decoded, scrub: Scrub): string => {
  if (decoded._tag === "Empty") return ""
  if (decoded._tag === "Other") return scrub.text(decoded.text)
  const shown = Array.from(decoded.members).slice(0, 20).map(([name, value]) =>
    `${JSON.stringify(scrub.name(name, 40))}:${shape(name, value, scrub)}`
  )
  return scrub.name(`{${shown.join(",")}}`)
}

const shape = (name: string, value: unknown, scrub: Scrub): string =>
  typeof value === "string"
    ? telling.has(name) ? JSON.stringify(scrub.text(value, 80)) : "\"<redacted>\""
    : Array.isArray(value)
    ? "[…]"
    : Predicate.isRecord(value)
    ? "{…}"
    : String(value)
