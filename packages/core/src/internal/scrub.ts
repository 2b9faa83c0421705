import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

/** Makes text from outside fit to be kept: printable, short, and without anything that could be a secret. */
export interface Scrub {
  /** Free text: known secrets and whatever looks like one are replaced. */
  readonly text: (value: string, limit?: number) => string
  /** A name or a code that must stay recognisable: only known secrets are replaced. */
  readonly name: (value: string, limit?: number) => string
}

const mask = "<redacted>"

/** Characters kept of one server string. */
const defaultLimit = 200

/** No pattern ever runs over more than this. */
const window = 65_536

/** Secrets shorter than this are not looked for: they would turn every text into noise. */
const shortest = 4

const invisible = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\s]+/g

const printable = (value: string): string => value.replace(invisible, " ").trim()

const formEncode = (value: string): string => new URLSearchParams([["", value]]).toString().slice(1)

/** The ways a secret may come back: as it was, and as headers, forms, JSON and HTML write it. */
const variants = (secret: string): ReadonlyArray<string> => {
  const form = formEncode(secret)
  const percent = form.replaceAll("+", "%20")
  const json = JSON.stringify(secret).slice(1, -1)
  const base64 = Encoding.encodeBase64(secret)
  return [
    secret,
    secret.trim(),
    form,
    percent,
    // encodeURIComponent leaves these alone
    percent.replace(/%(7E|21|27|28|29)/g, (code) => decodeURIComponent(code)),
    form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    json,
    json.replaceAll("/", "\\/"),

    json.replace(/[^\u0000-\u007f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
    secret.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;"),
    base64,
    base64.replace(/=+$/, ""),
    Encoding.encodeBase64Url(secret)
  ]
}

const labelled = new RegExp(
  "((?:access|refresh|id|subject|actor|device|auth|bearer|session)[_-]?(?:token|code)|client[_-]?(?:secret|assertion)" +
    "|assertion|password|passwd|secret|code[_-]?verifier|api[_-]?key|authorization)" +
    "([\"'\\\\\\s]*[:=][\\s\\\\]*)(\"[^\"]*\"?|'[^']*'?|(?:(?:bearer|basic|dpop)\\s+)?[^\\s\"'&,;<>{}()]+)",
  "gi"
)
const scheme = /(Bearer|Basic|DPoP|MAC)\s+([A-Za-z0-9+/=._~-]{6,})/gi
const jwt = /eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}/g
const run = /[A-Za-z0-9_+=~-]{24,}/g
const path = /[A-Za-z0-9_+=~./-]{32,}/g

const isMixed = (value: string): boolean => /\d/.test(value) && /[A-Za-z]/.test(value)

/** "Basic authentication" is English, "Basic dXNlcjpwYXNz" is not. */
const isCredential = (value: string): boolean =>
  /[\d=+/_~]/.test(value) || /[a-z][A-Z]/.test(value) || value.length >= 20

const patterns = (value: string): string =>
  value
    .replace(labelled, `$1$2${mask}`)
    .replace(scheme, (all, name: string, rest: string) => isCredential(rest) ? `${name} ${mask}` : all)
    .replace(jwt, mask)
    .replace(run, (all) => isMixed(all) ? mask : all)
    .replace(path, (all) => isMixed(all) && /[A-Z]/.test(all) && /[a-z]/.test(all) ? mask : all)

const cap = (value: string, limit: number): string => value.length <= limit ? value : `${value.slice(0, limit)}…`

/** Prepared once per request. */
export const make = (secrets: ReadonlyArray<Redacted.Redacted>): Scrub => {
  const known = Array.from(new Set(secrets.map((secret) => Redacted.value(secret)).flatMap(variants).map(printable)))
    .filter((value) => value.length >= shortest)
    // the longest first: one may be part of another
    .sort((a, b) => b.length - a.length)
  const longest = known.reduce((max, value) => Math.max(max, value.length), 0)
  const hide = (value: string): string => known.reduce((text, secret) => text.replaceAll(secret, mask), value)
  /** Hides first and cuts afterwards, so that no half of a secret survives at an end. */
  const clean = (value: string, change: (text: string) => string, limit: number): string => {
    const text = change(hide(printable(value.slice(0, window))))
    return cap(value.length > window ? text.slice(0, Math.max(0, text.length - longest)) : text, limit)
  }
  return {
    text: (value, limit = defaultLimit) => clean(value, patterns, limit),
    name: (value, limit = defaultLimit) => clean(value, (text) => text, limit)
  }
}
