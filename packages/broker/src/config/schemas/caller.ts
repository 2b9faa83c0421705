// The schemas of a caller and what it may have; published by BrokerConfig.
import * as Schema from "effect/Schema"
import { ProfileName, Rate } from "./profile.js"
import { Names, optional, required, Text, text, withDefault } from "./values.js"

/**
 * A way to ask for a token: `oauth2` is `POST /oauth2/{profile}/token`, `check` is `POST /auth/token/check`, `inject` is
 * `GET /inject/{profile}`, `token` and `tokens` are `GET /v1/profiles/{profile}/token` and `…/tokens`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Surface = Schema.Literal("oauth2", "check", "inject", "token", "tokens").annotations({
  identifier: "Surface",
  description: "A way to ask: `oauth2` is `POST /oauth2/{profile}/token`, `check` is `POST /auth/token/check`, " +
    "`inject` is `GET /inject/{profile}`, `token` and `tokens` are `GET /v1/profiles/{profile}/token` and `…/tokens`."
})

/**
 * @since 0.1.0
 * @category models
 */
export type Surface = typeof Surface.Type

/**
 * What a caller may ask of one profile. Whatever is absent is as wide as the profile.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Access = Schema.Struct({
  scopes: optional(
    Names,
    "Scopes the caller may have. A caller that names none gets all of these. Default: those of the profile."
  ),
  audiences: optional(Names, "Audiences the caller may ask for. Default: those of the profile."),
  resources: optional(Names, "Resources the caller may ask for. Default: those of the profile."),
  surfaces: optional(Schema.Array(Surface), "Ways in which the caller may ask. Default: all of them."),
  tokenExchange: withDefault(
    Schema.Boolean,
    false,
    "Whether the caller may exchange tokens, where the profile allows it."
  )
}).annotations({
  identifier: "Access",
  description: "What a caller may ask of one profile. Whatever is absent is as wide as the profile."
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Access extends Schema.Schema.Type<typeof Access> {}

/**
 * The SHA-256 of a caller's key, as `CallerKey.generate` gives it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const KeyDigest = text(
  "\"sha256:\" and 64 hexadecimal digits: the digest of a key",
  /^sha256:[0-9a-f]{64}$/,
  "digest"
).annotations({
  identifier: "KeyDigest",
  description:
    "`sha256:` and 64 hexadecimal digits, as `CallerKey.generate` gives them; `printf %s KEY | sha256sum` makes them of a key."
})

/**
 * A client certificate, by its subject's common name or by one of its alternative names (`DNS:…`, `URI:…`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Certificate = Schema.Union(
  Schema.Struct({ subject: required(Text, "The common name of its subject.") }),
  Schema.Struct({
    san: required(Text, "One of its alternative names, such as `DNS:app.internal` or `URI:spiffe://…`.")
  })
).annotations({ identifier: "Certificate", description: "A client certificate, by a name that stands in it." })

/**
 * What a caller may do besides asking for tokens: see the status page, read the metrics.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Permission = Schema.Literal("status", "metrics").annotations({
  identifier: "Permission",
  description: "What a caller may do besides asking for tokens: see the status page, read the metrics."
})

/**
 * @since 0.1.0
 * @category models
 */
export type Permission = typeof Permission.Type

/**
 * A program or a person that may ask the broker.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Caller = Schema.Struct({
  id: required(
    text("1 to 64 letters, digits, dots, underscores and hyphens", /^[A-Za-z0-9._-]{1,64}$/, "name"),
    "The name of the caller, its client id at `POST /oauth2/{profile}/token`: 1 to 64 letters, digits, dots, " +
      "underscores and hyphens."
  ),
  keys: withDefault(
    Schema.Array(KeyDigest).pipe(
      Schema.maxItems(2, { message: () => "at most two keys: the old one and the new one" })
    ),
    [],
    "Digests of the keys that are valid: at most two, while one replaces the other."
  ),
  certificates: withDefault(
    Schema.Array(Certificate),
    [],
    "Certificates that the caller may show instead of a key, where a listener has `tls.clientCa`."
  ),
  profiles: withDefault(
    Schema.Record({ key: ProfileName, value: Access }),
    {},
    "The profiles that the caller may ask for, by their names, and what it may ask of each."
  ),
  rate: optional(Rate, "Requests of the caller. Default: 10,000 in 10 seconds."),
  permissions: withDefault(Schema.Array(Permission), [], "What the caller may do besides asking for tokens.")
}).annotations({ identifier: "Caller", description: "A program or a person that may ask the broker." })

/**
 * @since 0.1.0
 * @category models
 */
export interface Caller extends Schema.Schema.Type<typeof Caller> {}
