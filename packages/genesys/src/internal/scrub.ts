/**
 * Makes text from outside fit to be kept in an error: printable, short, and without anything that could be a token.
 * UUIDs stay: without the id of a user, an error of this API says nothing.
 */
const mask = "<redacted>"

/** No pattern ever runs over more than this. */
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
}

/** `known`: what must not come back, whatever it looks like. */
export const make = (known: ReadonlyArray<string> = []): Scrub => {
  const secrets = known.filter((secret) => secret.length >= 4)
  const text = (value: string, limit = 500): string => {
    const hidden = secrets.reduce((text, secret) => text.replaceAll(secret, mask), value.slice(0, window))
    const clean = hidden
      .replace(invisible, " ")
      .trim()
      .replace(labelled, `$1$2${mask}`)
      .replace(scheme, (all, name: string, rest: string) => isCredential(rest) ? `${name} ${mask}` : all)
      .replace(jwt, mask)
      .replace(run, (all) => isMixed(all) && !holdsUuid(all) ? mask : all)
    return clean.length <= limit ? clean : `${clean.slice(0, limit)}…`
  }
  return { text, member: (name, value, limit) => secretName.test(name) ? mask : text(value, limit) }
}

/** Paths such as `/api/v2/users/<uuid>` are one run, too. */
const holdsUuid = (value: string): boolean => value.split("/").every((part) => part.length < 24 || uuid.test(part))
