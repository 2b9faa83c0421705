import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import * as Disclosure from "effect-bearer/Disclosure"

const secret = "Zk9/s3cr3t+with&odd=chars~é end"
const bytes = (text: string) => new TextEncoder().encode(text)
const utf16 = (text: string) => Array.from(text, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

const spellings: Readonly<Record<string, (text: string) => string>> = {
  raw: (text) => text,
  "upper case": (text) => text.toUpperCase(),
  form: (text) => new URLSearchParams([["", text]]).toString().slice(1),
  percent: (text) => encodeURIComponent(text),
  "percent in lower case": (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  "percent of each byte": (text) =>
    Array.from(bytes(text), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  "percent twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  JSON: (text) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
  "UTF-16 escapes": utf16,
  "UTF-16 escapes, escaped again": (text) => JSON.stringify(utf16(text)),
  "HTML entities": (text) => text.replaceAll("&", "&amp;").replaceAll("=", "&#61;").replaceAll("/", "&#x2F;"),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "base64 in the middle of other bytes": (text) => Buffer.from(`id:${text}:more`).toString("base64"),
  "base64 with line breaks": (text) => Buffer.from(`id:${text}`).toString("base64").replace(/(.{10})/g, "$1\r\n"),
  "base64 of base64": (text) => Buffer.from(Buffer.from(text).toString("base64")).toString("base64"),
  "base64 in percent codes": (text) => encodeURIComponent(Buffer.from(`a${text}`).toString("base64")),
  "percent codes in base64": (text) => Buffer.from(`ab:${encodeURIComponent(text)}`).toString("base64"),
  hex: (text) => Buffer.from(text).toString("hex"),
  "hex in upper case": (text) => Buffer.from(text).toString("hex").toUpperCase(),
  "with NULs between": (text) => text.split("").join("\u0000")
}

describe("Disclosure", () => {
  const disclosure = Disclosure.make([Redacted.make(secret)])

  for (const [name, spell] of Object.entries(spellings)) {
    it(`hides a secret: ${name}`, () => {
      for (const part of [secret, secret.slice(0, 14), secret.slice(5, 17)]) {
        const spelled = spell(part)
        for (const show of [disclosure.text, disclosure.name, disclosure.strict]) {
          // what stands around the secret in the same base64 or in quotes of its own may stay
          assert.match(
            show(`Wrong: (${spelled}) was sent`, 500),
            /^Wrong: \(.{0,8}<redacted>.{0,12}\) was sent$/,
            spelled
          )
        }
      }
    })
  }
})
