/** What all surfaces do: find the profile a caller may use, look at its token, and hand it out with an audit line. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "effect-bearer/AccessToken"
import * as Scopes from "effect-bearer/Scopes"
import type * as TokenRequest from "effect-bearer/TokenRequest"
import type { Surface } from "../BrokerConfig.js"
import type { Ask } from "../guard/guard.js"
import type { Refusal } from "../guard/refusal.js"
import { headers, refuse, toResponse } from "../guard/refusal.js"
import type { Activity } from "../operations/activity.js"
import type { Audit } from "../operations/audit.js"
import type { Asked, Grant } from "../policy/access.js"
import { nothing } from "../policy/access.js"
import * as looking from "../profile/look.js"
import type { Registry, Running } from "../profile/registry.js"
import * as failure from "./failure.js"
import type { Streams } from "./streams.js"

export interface Serving {
  readonly registry: Registry
  readonly audit: Audit
  readonly activity: Activity
  /** Ends when the broker begins to stop: streams end then. */
  readonly draining: Effect.Effect<void>
  readonly streams: Streams
}

export type Answer = HttpServerResponse.HttpServerResponse

/** A profile, and what the caller may ask of it. */
export interface Granted {
  readonly running: Running
  readonly grant: Grant
}

/** The profile of that name, if the caller may use it on this surface. Of others it is not told whether they exist. */
export const grantedTo = (
  { registry }: Serving,
  { current, route }: Ask,
  name: string | undefined = route.profile
): Either.Either<Granted, Refusal> => {
  const grant = name === undefined ? undefined : current()?.grants.get(name)
  const running = name === undefined ? undefined : registry.get(name)
  if (grant === undefined || running === undefined) return Either.left(refuse.profile)
  return grant.mayUse(route.kind as Surface) ? Either.right({ running, grant }) : Either.left(refuse.surface)
}

/** The token request that an ask becomes. */
export const requestOf = (
  { grant }: Granted,
  asked: Asked
): Either.Either<TokenRequest.TokenRequest | undefined, Refusal> =>
  Either.mapLeft(grant.decide(asked), ({ part, reason }): Refusal => ({
    reason: part === "scope" ? "scope" : "target",
    status: 403,
    code: part === "scope" ? "invalid_scope" : "invalid_target",
    name: "Forbidden",
    message: reason
  }))

/** A profile, and the token request that an ask becomes there. */
export interface Decided {
  readonly granted: Granted
  readonly request: TokenRequest.TokenRequest | undefined
}

/** What a caller gets that names only the profile, in the path. */
export const decide = (serving: Serving, ask: Ask): Either.Either<Decided, Refusal> =>
  Either.flatMap(grantedTo(serving, ask), decideAt)

export const decideAt = (granted: Granted): Either.Either<Decided, Refusal> =>
  Either.map(requestOf(granted, nothing), (request) => ({ granted, request }))

/** Looks at the token of a profile, as its configuration says. */
export const lookAt = (
  { running }: Granted,
  request: TokenRequest.TokenRequest | undefined,
  options: { readonly least?: Duration.Duration | undefined; readonly source?: Running["exchange"] } = {}
): Effect.Effect<looking.Look> =>
  looking.look(options.source ?? running.own, request, {
    wait: running.config.wait,
    assumeLifetime: running.config.assumeLifetime,
    least: options.least
  })

/** Writes down that a token goes to a caller; whether it may. */
export const mayHandOut = (
  { activity, audit }: Serving,
  { caller, route }: Ask,
  { running }: Granted,
  { remaining, token }: looking.Found
): Effect.Effect<boolean> =>
  Effect.map(
    audit.record({ caller: caller?.id, profile: running.name, surface: route.kind, outcome: "ok", token, remaining }),
    (mayGo) => {
      activity.done({ surface: route.kind, profile: running.name, caller: caller?.id, outcome: mayGo ? "ok" : "audit" })
      return mayGo
    }
  )

/** Answers with a token, once its audit line is where it has to be. */
export const handOut = (
  serving: Serving,
  ask: Ask,
  granted: Granted,
  found: looking.Found,
  answer: (found: looking.Found) => Answer
): Effect.Effect<Answer> =>
  Effect.map(
    mayHandOut(serving, ask, granted, found),
    (mayGo) => mayGo ? answer(found) : toResponse(refuse.audit, ask.route)
  )

/** Answers with a refusal, and writes it down. A profile is named where the caller may know of it. */
export const refusing = (
  { activity, audit }: Serving,
  { caller, route }: Ask,
  refusal: Refusal,
  asked: string | undefined = undefined
): Effect.Effect<Answer> => {
  const profile = caller?.grants.has(asked ?? "") === true ? asked : undefined
  activity.done({ surface: route.kind, profile, caller: caller?.id, outcome: refusal.reason })
  return Effect.as(
    audit.record({ caller: caller?.id, profile, surface: route.kind, outcome: refusal.reason }),
    toResponse(refusal, route)
  )
}

/** Answers with what kept the token away. */
export const failing = (
  serving: Serving,
  ask: Ask,
  { running }: Granted,
  look: looking.Awaited | looking.Failed,
  inTermsOf: (refusal: Refusal) => Refusal = (refusal) => refusal
): Effect.Effect<Answer> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    refusing(
      serving,
      ask,
      inTermsOf(look._tag === "Awaited" ? failure.awaited : failure.ofToken(look.error, now)),
      running.name
    ))

/** Whole seconds, at least one: a token that is handed out is good for something. */
export const expiresIn = (remaining: number): number => Math.max(1, Math.floor(remaining / 1000))

/** RFC 6749 §5.1, with the life that is left, in milliseconds, where it is known. */
export const tokenBody = (
  { remaining, token }: { readonly token: AccessToken; readonly remaining: number | undefined }
) => ({
  access_token: Redacted.value(token.value),
  token_type: token.tokenType,
  ...(remaining === undefined ? {} : { expires_in: expiresIn(remaining) }),
  ...(token.scopes.length === 0 ? {} : { scope: Scopes.format(token.scopes) })
})

export const json = (body: unknown, more: Readonly<Record<string, string>> = {}): Answer =>
  HttpServerResponse.text(JSON.stringify(body), {
    contentType: "application/json",
    headers: Object.keys(more).length === 0 ? headers : { ...headers, ...more }
  })

/** What a client puts into `Authorization`. */
export const authorization = (token: AccessToken): string => `${token.tokenType} ${Redacted.value(token.value)}`
