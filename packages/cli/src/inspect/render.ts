/** What `inspect` prints: a page for a person, an object for a program. */
import { bar, duration, moment } from "../output/life.js"
import * as shown from "../output/shown.js"
import type { Style } from "../output/terminal.js"
import { paint } from "../output/terminal.js"
import type { Look, Readable } from "./look.js"

/** Claims and members of the header that a person sees at most. */
const most = 50

const iso = (at: number | undefined): string | null =>
  at === undefined || Math.abs(at) > 8.64e15 ? null : new Date(at).toISOString()

/** For `--json`: lossless, and what is not there is `null`. */
export const object = (look: Look, now: number): unknown =>
  look.format === "opaque"
    ? {
      verified: false,
      format: "opaque",
      header: null,
      claims: null,
      scopes: [],
      expires_at: null,
      remaining: null,
      fingerprint: look.fingerprint,
      warnings: []
    }
    : {
      verified: false,
      format: "jwt",
      header: look.header,
      claims: look.claims,
      scopes: look.scopes,
      expires_at: iso(look.expiresAt),
      remaining: look.expiresAt === undefined ? null : Math.max(0, Math.floor((look.expiresAt - now) / 1000)),
      fingerprint: look.fingerprint,
      warnings: look.warnings
    }

/** How much of its life is left, where it says when that began. */
export const lifeOf = (
  times: {
    readonly expiresAt: number | undefined
    readonly issuedAt: number | undefined
    readonly notBefore: number | undefined
  },
  now: number,
  style: Style
): string | undefined => {
  const { expiresAt } = times
  const from = times.issuedAt ?? times.notBefore
  if (expiresAt === undefined) return undefined
  const left = Math.max(0, expiresAt - now)
  if (from === undefined || expiresAt <= from) return left === 0 ? "nothing" : duration(left)
  return `${bar(left / (expiresAt - from), style)}, ${duration(left)} of ${duration(expiresAt - from)}`
}

type Row = readonly [name: string, value: string]

const row = (name: string, value: string | undefined): ReadonlyArray<Row> => value === undefined ? [] : [[name, value]]

const audienceOf = (value: unknown): unknown =>
  Array.isArray(value) && value.every((one) => typeof one === "string") ? value.join(", ") : value

const claim = (name: string, label: string, { claims }: Readable): ReadonlyArray<Row> =>
  Object.hasOwn(claims, name) ? [[label, shown.value(audienceOf(claims[name]))]] : []

/** Claims that stand above the others already. */
const told = new Set(["iss", "sub", "aud", "exp", "iat", "nbf", "scope", "scp"])

const rowsOf = (record: Readonly<Record<string, unknown>>, left: (name: string) => boolean): ReadonlyArray<string> => {
  const entries = Object.entries(record).filter(([name]) => left(name))
  const rows = entries.slice(0, most).map(([name, value]): Row => [shown.line(name, 60), shown.value(value)])
  return [...shown.table(rows), ...entries.length > most ? [`  … and ${entries.length - most} more`] : []]
}

export const page = (look: Look, now: number, style: Style): string => {
  const heading = (text: string) => paint(style, "bold", text)
  const print = `${look.fingerprint} (first 8 digits, as in the audit lines of the broker)`
  if (look.format === "opaque") {
    return [
      `${
        heading("Opaque token")
      }: it says nothing of itself to a client. \`effect-bearer introspect\` asks its server.`,
      ...look.hint === undefined ? [] : [look.hint],
      "",
      ...shown.table([["SHA-256", print], ["length", `${look.characters} characters`]])
    ].join("\n")
  }
  const moments = ([["expires", look.expiresAt], ["issued", look.issuedAt], ["valid from", look.notBefore]] as const)
    .flatMap(([name, at]) => at === undefined ? [] : row(name, moment(at, now)))
  const others = rowsOf(look.claims, (name) => !told.has(name))
  return [
    `${heading("JWT, not verified")}: nobody has checked signature or issuer. Anybody can write what follows.`,
    ...look.warnings.map(({ message }) => `${paint(style, "yellow", "Warning:")} ${message}`),
    "",
    ...shown.table([
      ...row("left", lifeOf(look, now, style)),
      ...moments,
      ...claim("iss", "issuer", look),
      ...claim("sub", "subject", look),
      ...claim("aud", "audience", look),
      ...row("scopes", look.scopes.length === 0 ? "none" : shown.line(look.scopes.join(" "), 1000)),
      ["SHA-256", print]
    ]),
    "",
    heading("Header"),
    ...rowsOf(look.header, () => true),
    ...others.length === 0 ? [] : ["", heading("Other claims"), ...others]
  ].join("\n")
}
