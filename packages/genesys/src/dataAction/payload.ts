/** From whatever a runtime hands over to a payload whose members are known. Nothing of a payload is ever echoed. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scopes from "effect-bearer/Scopes"
import * as Spelling from "effect-bearer/Spelling"
import type * as GenesysError from "../GenesysError.js"
import * as disclosures from "../internal/disclosure.js"
import { optional } from "../internal/optional.js"
import * as Limits from "../Limits.js"

/** The message says which member is wrong and what it has to be, and nothing of what it was. */
export class BadPayload extends Data.TaggedError("BadPayload")<{ readonly message: string }> {}

export class ScopeNotAllowed extends Data.TaggedError("ScopeNotAllowed")<{ readonly message: string }> {}

const bad = (message: string) => new BadPayload({ message })

// --- what it says ---------------------------------------------------------------------------------------------------

const List = Schema.Union(Schema.String, Schema.Array(Schema.String))
const Name = Schema.String.pipe(Schema.filter((text) => text.trim() !== ""))
const Secret = Schema.Redacted(Name)

/** Members are called as OAuth calls them (RFC 6749, RFC 8693). */
export const Payload = Schema.Struct({
  scope: optional(List),
  audience: optional(List),
  resource: optional(List),
  // `null` and blank are no token: taken for none, they would silently turn an exchange into client credentials
  subject_token: Schema.optional(Secret),
  subject_token_type: optional(Name),
  actor_token: Schema.optional(Secret),
  actor_token_type: optional(Name),
  requested_token_type: optional(Name),
  rejected_token: Schema.optional(Secret)
})

export type Payload = typeof Payload.Type

const list = "a string or a list of strings"
const text = "a string that is not blank"

const expected: Record<keyof Payload, string> = {
  scope: list,
  audience: list,
  resource: list,
  subject_token: text,
  subject_token_type: text,
  actor_token: text,
  actor_token_type: text,
  requested_token_type: text,
  rejected_token: text
}

const isMember = (name: string): name is keyof Payload => Object.hasOwn(expected, name)

// --- reading it -----------------------------------------------------------------------------------------------------

export interface Settings {
  /** Bytes. */
  readonly limit: number
  readonly unknownMembers: "refuse" | "ignore"
}

export const decode = (
  request: unknown,
  settings: Settings
): Effect.Effect<Payload, BadPayload | GenesysError.PayloadTooLarge> =>
  Effect.gen(function*() {
    const value = yield* parsed(yield* bodyOf(request), settings)
    if (!Predicate.isRecord(value)) return yield* bad("The payload must be a JSON object.")
    const payload = yield* Effect.mapError(
      Schema.decodeUnknown(Payload)(shallow(value), {
        errors: "all",
        onExcessProperty: settings.unknownMembers === "refuse" ? "error" : "ignore"
      }),
      (error) => bad(complaints(error))
    )
    const lacking = incomplete(payload)
    return lacking === undefined ? payload : yield* bad(lacking)
  })

/** No member holds more than a list of texts. What lies deeper is as wrong without its depth, which a stack may not stand. */
const shallow = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, Array.isArray(member) ? member.map(emptied) : emptied(member)])
  )

const emptied = (value: unknown): unknown => Predicate.isObject(value) ? {} : value

/** An event of AWS has no `body` where the request had none. */
const isEvent = (request: Readonly<Record<string, unknown>>): boolean =>
  Object.hasOwn(request, "body") || Predicate.isRecord(request["requestContext"]) ||
  Predicate.isString(request["rawPath"]) || Predicate.isString(request["httpMethod"])

/** The body of an event, or what is one already. */
const bodyOf = (request: unknown): Effect.Effect<unknown, BadPayload> => {
  if (!Predicate.isRecord(request) || !isEvent(request)) return Effect.succeed(request)
  const { body, isBase64Encoded } = request
  return isBase64Encoded === true && Predicate.isString(body)
    ? Effect.mapError(
      Either.flatMap(Encoding.decodeBase64(body), utf8),
      () => bad("The body says that it is Base64 and is not, or is no UTF-8.")
    )
    : Effect.succeed(body)
}

const utf8 = (bytes: Uint8Array): Either.Either<string, unknown> =>
  Either.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes))

const parsed = (
  body: unknown,
  { limit }: Settings
): Effect.Effect<unknown, BadPayload | GenesysError.PayloadTooLarge> =>
  Effect.gen(function*() {
    if (body === undefined || body === null) return {}
    const direction = "request" as const
    if (!Predicate.isString(body) && !Predicate.isUint8Array(body)) {
      yield* Effect.catchTag(
        Limits.payload(body, { direction, limit }),
        "InvalidCall",
        () => bad("The payload must be a JSON object.")
      )
      return body
    }
    const json = Predicate.isString(body)
      ? body.replace(/^\uFEFF/, "") // as of bytes, which a decoder removes it from
      : yield* Effect.mapError(utf8(body), () => bad("The body must be JSON, and is no UTF-8."))
    yield* Limits.text(json, { direction, limit })
    return json.trim() === ""
      ? {}
      : yield* Effect.mapError(parse(json), () => bad("The body must be JSON, and is none."))
  })

const parse = Option.liftThrowable((json: string): unknown => JSON.parse(json))

// --- what is wrong with it ------------------------------------------------------------------------------------------

const complaints = (error: ParseResult.ParseError): string => {
  const wrong = new Map<string, string>()
  for (const { path } of ParseResult.ArrayFormatter.formatErrorSync(error)) {
    const name = String(path[0] ?? "")
    wrong.set(name, isMember(name) ? `${name} must be ${expected[name]}` : unknown(name))
  }
  return `The payload is not as expected: ${Array.from(wrong.values()).slice(0, 5).join("; ")}.`
}

/** A name is shown if it can be no secret that got into the wrong place. */
const unknown = (name: string): string => {
  const shown = /^[\w-]{1,24}$/.test(name) ? name : "one of its members"
  const nearest = Spelling.nearest(name, Object.keys(expected), 3)
  return `${shown} is not known${nearest.length === 1 ? ` (is ${nearest[0]} meant?)` : ""}`
}

const incomplete = (payload: Payload): string | undefined => {
  if (payload.subject_token === undefined) {
    const orphan = (["actor_token", "subject_token_type", "requested_token_type"] as const)
      .find((name) => payload[name] !== undefined)
    if (orphan !== undefined) return `The payload has ${orphan} and no subject_token: there is nothing to exchange.`
  }
  return payload.actor_token === undefined && payload.actor_token_type !== undefined
    ? "The payload has actor_token_type and no actor_token."
    : undefined
}

/** A caller can't have more of the client than the data action is for. */
export const permit = (
  { scope }: Payload,
  allowed: Scopes.Scopes | undefined
): Effect.Effect<void, ScopeNotAllowed> => {
  const beyond = allowed === undefined || scope === undefined ? [] : Scopes.missing(Scopes.make(scope), allowed)
  return beyond.length === 0 ? Effect.void : Effect.fail(
    new ScopeNotAllowed({
      message:
        `The payload asks for the scope ${disclosures.make().text(Scopes.format(beyond), 100)}, which this data ` +
        `action does not hand out: only ${Scopes.format(allowed ?? [])}.`
    })
  )
}

// --- showing it -----------------------------------------------------------------------------------------------------

/** What a log may hold of a payload: no token, for those are `Redacted`, nothing that looks like one, and not much. */
export const shown = (payload: Payload): string => {
  // by its members, so that it stays JSON
  const text = JSON.stringify(disclosures.make().whole(JSON.parse(JSON.stringify(payload))))
  return text.length <= longestShown ? text : `${text.slice(0, longestShown)}…`
}

const longestShown = 500
