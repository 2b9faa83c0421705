/**
 * Makes text from outside fit to be kept in an error: printable, short, and without anything that could be a token.
 * UUIDs stay: without the id of a user, an error of this API says nothing.
 */
const mask = "<redacted>"

/** More of a text than this is not looked at, for no more than a little of it is told. */
const window = 16_384

const invisible = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\s]+/g
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const labelled = new RegExp(
  "((?:access|refresh|id|auth|bearer|session)[_-]?token|client[_-]?secret|password|passwd|secret|api[_-]?key" +
    "|authorization)([\"'\\\\\\s]*[:=][\\s\\\\]*)(\"[^\"]*\"?|'[^']*'?|(?:(?:bearer|basic)\\s+)?[^\\s\"'&,;<>{}()]+)",
  "gi"
)
const scheme = /(Bearer|Basic)\s+([A-Za-z0-9+/=._~-]{6,})/gi
const jwt = /eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}/g
const run = /[A-Za-z0-9_+/=~-]{24,}/g
const secretName = /token|secret|password|passwd|authorization|credential|api[_-]?key|cookie/i

const isMixed = (value: string): boolean => /\d/.test(value) && /[A-Za-z]/.test(value)

/** "Bearer authentication" is English. */
const isCredential = (value: string): boolean => /[\d=+/_~]/.test(value) || /[a-z][A-Z]/.test(value)

export interface Scrub {
  readonly text: (value: string, limit?: number) => string
  /** What is stated under a name that says it is secret is not looked at. */
  readonly member: (name: string, value: string, limit?: number) => string
  /** All of a body or a header, with its members and as it is laid out: for what is handed on, and not just told. */
  readonly whole: (data: unknown) => unknown
}

/** What no API nests so deep is left out. */
const deepest = 64

/** `known`: what must not come back, whatever it looks like. */
export const make = (known: ReadonlyArray<string> = []): Scrub => {
  const secrets = known.filter((secret) => secret.length >= 4)
  const withoutKnown = (value: string): string => secrets.reduce((text, secret) => text.replaceAll(secret, mask), value)
  const withoutAlike = (value: string): string =>
    value
      .replace(labelled, `$1$2${mask}`)
      .replace(scheme, (all, name: string, rest: string) => isCredential(rest) ? `${name} ${mask}` : all)
      .replace(jwt, mask)
      .replace(run, (all) => isMixed(all) && !holdsUuid(all) ? mask : all)
  const hide = (value: string): string => withoutAlike(withoutKnown(value))
  const text = (value: string, limit = 500): string => {
    const clean = withoutAlike(withoutKnown(value.slice(0, window)).replace(invisible, " ").trim())
    return clean.length <= limit ? clean : `${clean.slice(0, limit)}…`
  }
  const whole = (data: unknown, isSecret = false, depth = 0): unknown => {
    if (typeof data === "string") return isSecret && data !== "" ? mask : hide(data)
    if (typeof data === "number") return isSecret ? mask : data
    if (typeof data !== "object" || data === null) return data
    if (depth > deepest) return undefined
    if (Array.isArray(data)) return data.map((item) => whole(item, isSecret, depth + 1))
    return Object.fromEntries(
      Object.entries(data).map(([name, value]) => [
        hide(name),
        whole(value, isSecret || secretName.test(name), depth + 1)
      ])
    )
  }
  return {
    text,
    member: (name, value, limit) => secretName.test(name) ? mask : text(value, limit),
    whole: (data) => whole(data)
  }
}

/** Paths such as `/api/v2/users/<uuid>` are one run, too. */
const holdsUuid = (value: string): boolean => value.split("/").every((part) => part.length < 24 || uuid.test(part))
