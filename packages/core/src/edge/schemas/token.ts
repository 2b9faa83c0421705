// The schemas of an access token, and of a token request: as values, and as JSON with their secrets in the clear.
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { printable } from "../../store/storedToken.js"
import * as Token from "../../values/AccessToken.js"
import * as ScopeSet from "../../values/Scopes.js"
import * as Request from "../../values/TokenRequest.js"
import { built } from "./built.js"
import { isText, nonEmptyText, optional, record, text, texts, time } from "./parts.js"
import { scopes } from "./scopes.js"

const extra = record("an object", (_): _ is unknown => true, {}).annotations({
  arbitrary: () => (fc) =>
    fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }).map((value) => JSON.parse(JSON.stringify(value)))
})

/** The fields of a token that may be shown. */
export const knownOfToken = {
  tokenType: text,
  scopes,
  issuedAt: time,
  expiresAt: optional(time),
  refreshAt: optional(time)
}

export const token = built(
  "AccessToken",
  "an access token",
  Schema.Struct({
    // any other character could break the header that the token is put into
    value: Schema.Redacted(text.pipe(Schema.pattern(printable, { description: "a token of printable ASCII" }))),
    ...knownOfToken,
    refreshToken: optional(Schema.Redacted(nonEmptyText)),
    extra: Schema.optionalWith(Schema.Redacted(extra), { default: () => Redacted.make({}) })
  }),
  Token.isAccessToken,
  (fields) => Token.make({ ...fields, extra: Redacted.value(fields.extra) })
)

const list = Schema.optionalWith(texts, { default: () => [] })

export const request = built(
  "TokenRequest",
  "a token request",
  Schema.Struct({
    scopes: Schema.optionalWith(scopes, { default: () => ScopeSet.empty }),
    audience: list,
    resource: list,
    parameters: Schema.optionalWith(
      record("an object of strings", isText, { additionalProperties: { type: "string" } }).annotations({
        arbitrary: () => (fc) => fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 })
      }),
      { default: () => ({}) }
    )
  }),
  Request.isTokenRequest,
  Request.make,
  String
)
