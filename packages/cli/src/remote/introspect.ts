/** `effect-bearer introspect`: what the server says of a token (RFC 7662). */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Disclosure from "effect-bearer/Disclosure"
import * as Introspection from "effect-bearer/Introspection"
import type * as TokenError from "effect-bearer/TokenError"
import { lifeOf } from "../inspect/render.js"
import { exitCodes, failed } from "../output/failure.js"
import { moment } from "../output/life.js"
import * as shown from "../output/shown.js"
import type { Style } from "../output/terminal.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import type { Environment } from "../settings/places.js"
import type * as settings from "../settings/settings.js"
import * as which from "./which.js"

const optional = <A, B>(name: string, value: Option.Option<A>, as: (value: A) => B) =>
  Option.match(value, { onNone: () => ({}), onSome: (value) => ({ [name]: as(value) }) })

const seconds = (millis: number): number => Math.floor(millis / 1000)
const same = <A>(value: A): A => value

/** A server may repeat the token in what it says of it. */
const hiding = (token: Redacted.Redacted): (value: unknown) => unknown => {
  const { value: hidden } = Disclosure.make([token])
  const hide = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return hidden(value)
    if (typeof value !== "object" || value === null) return value
    if (depth > 64) return null
    return Array.isArray(value)
      ? value.map((one) => hide(one, depth + 1))
      : Object.fromEntries(Object.entries(value).map(([name, one]) => [hidden(name), hide(one, depth + 1)]))
  }
  return (value) => hide(value, 0)
}

/** As RFC 7662 §2.2 has it. */
export const object = (result: Introspection.Result, token: Redacted.Redacted): unknown =>
  result.active
    ? {
      active: true,
      ...(result.scopes.length === 0 ? {} : { scope: result.scopes.join(" ") }),
      ...optional("client_id", result.clientId, same),
      ...optional("token_type", result.tokenType, same),
      ...optional("iss", result.issuer, same),
      ...(result.audience.length === 0
        ? {}
        : { aud: result.audience.length === 1 ? result.audience[0] : result.audience }),
      ...optional("exp", result.expiresAt, seconds),
      ...optional("iat", result.issuedAt, seconds),
      ...optional("nbf", result.notBefore, seconds),
      ...hiding(token)(Redacted.value(result.extra)) as object
    }
    : { active: false }

export const page = (
  result: Introspection.Result,
  token: Redacted.Redacted,
  now: number,
  style: Style
): string => {
  if (!result.active) {
    return `${terminal.paint(style, "red", "Not active")}: expired, revoked, or not a token of this server. ` +
      "It does not say which."
  }
  const row = (name: string, value: string | undefined): ReadonlyArray<readonly [string, string]> =>
    value === undefined ? [] : [[name, shown.line(value, 1000)]]
  const times = {
    expiresAt: Option.getOrUndefined(result.expiresAt),
    issuedAt: Option.getOrUndefined(result.issuedAt),
    notBefore: Option.getOrUndefined(result.notBefore)
  }
  const life = lifeOf(times, now, style)
  const at = (name: string, time: number | undefined) => time === undefined ? [] : row(name, moment(time, now))
  const extra = hiding(token)(Redacted.value(result.extra)) as Readonly<Record<string, unknown>>
  return [
    `${terminal.paint(style, "green", "Active")}: the server would accept the token.`,
    "",
    ...shown.table([
      // painted already
      ...life === undefined ? [] : [["left", life] as const],
      ...at("expires", times.expiresAt),
      ...at("issued", times.issuedAt),
      ...at("valid from", times.notBefore),
      ...row("scopes", result.scopes.length === 0 ? "not said" : result.scopes.join(" ")),
      ...row("client", Option.getOrUndefined(result.clientId)),
      ...row("type", Option.getOrUndefined(result.tokenType)),
      ...row("issuer", Option.getOrUndefined(result.issuer)),
      ...row("audience", result.audience.length === 0 ? undefined : result.audience.join(", ")),
      ...Object.entries(extra).slice(0, 50).map(([name, value]) => [shown.line(name, 60), shown.value(value)] as const)
    ])
  ].join("\n")
}

/** The exit code is 1 for a token that is not active. */
export const run = (
  wanted: which.Wanted,
  environment: Environment
): Effect.Effect<number, settings.Problem | TokenError.TokenError, Services> =>
  which.ask("introspection", wanted, environment, ({ options, token }) =>
    Effect.gen(function*() {
      const introspection = yield* Introspection.make(options)
      const result = yield* introspection.check(token, { hint: wanted.hint })
      const now = yield* Clock.currentTimeMillis
      const text = wanted.json
        ? shown.json(object(result, token))
        : page(result, token, now, terminal.styleOf(process.stdout, environment))
      yield* text === undefined
        ? Effect.fail(failed("What the server says is nested too deep."))
        : terminal.answer(text)
      return result.active ? exitCodes.fine : exitCodes.failed
    }))
