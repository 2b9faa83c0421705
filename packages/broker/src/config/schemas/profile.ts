// The schemas of a profile; published by BrokerConfig.
import * as Schema from "effect/Schema"
import {
  count,
  Interval,
  Life,
  Names,
  optional,
  Path,
  required,
  Text,
  text,
  Time,
  Wait,
  withDefault
} from "./values.js"

/**
 * The name of a profile.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProfileName = text("1 to 64 lower-case letters, digits and hyphens", /^[a-z0-9-]{1,64}$/, "name")
  .annotations({ identifier: "ProfileName" })

/**
 * Where a secret is: a variable of the environment, a file, or a field of a secret in HashiCorp Vault (KV version 2).
 * It is read at each token request, so that a rotated secret needs no reload. A secret in clear (`{ plain }`) is refused
 * unless the file says `allowPlainSecrets: true`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecretReference = Schema.Union(
  Schema.Struct({ env: required(Text, "The name of a variable of the environment.") }),
  Schema.Struct({ file: required(Path, "A file that holds the secret and nothing else, read at each use.") }),
  Schema.Struct({
    vault: required(
      Schema.Struct({
        path: required(Text, "The path of the secret below the mount."),
        field: required(Text, "The field that holds the secret."),
        address: optional(Text, "The URL of Vault. Default: the variables `VAULT_AGENT_ADDR`, then `VAULT_ADDR`."),
        mount: optional(Text, "Where the KV engine is mounted. Default: `secret`."),
        namespace: optional(Text, "Default: the variable `VAULT_NAMESPACE`, or none."),
        token: optional(
          Schema.Union(
            Schema.Struct({ env: required(Text, "The name of a variable of the environment.") }),
            Schema.Struct({ file: required(Path, "A file that holds the token, read at each use.") })
          ),
          "The token for Vault itself. Default: the variable `VAULT_TOKEN`."
        )
      }),
      "A field of a secret in HashiCorp Vault (KV version 2)."
    )
  }),
  Schema.Struct({
    plain: required(
      Schema.Redacted(Schema.String),
      "The secret in the clear: refused unless `allowPlainSecrets` is true."
    )
  })
).annotations({
  identifier: "SecretReference",
  description: "Where a secret is: in a variable of the environment, in a file, or in HashiCorp Vault. It is read at " +
    "each use, so that a rotated secret needs no reload."
})

/**
 * @since 0.1.0
 * @category models
 */
export type SecretReference = typeof SecretReference.Type

/**
 * So many, in such a time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Rate = Schema.Struct({
  limit: required(count(1, 10_000_000, "100"), "So many at most."),
  interval: required(Interval, "In this time.")
}).annotations({ identifier: "Rate", description: "So many, in such a time." })

/**
 * How the broker proves to the authorization server who it is (RFC 6749 §2.3, RFC 7523 §2.2).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Authentication = Schema.Union(
  Schema.Struct({
    method: required(
      Schema.Literal("basic", "basic-raw", "post"),
      "`basic`: in the header, form-encoded as RFC 6749 §2.3.1 has it; `basic-raw`: in the header as they are, for " +
        "servers that do not decode them; `post`: in the body."
    ),
    secret: required(SecretReference, "The client secret.")
  }),
  Schema.Struct({
    method: required(Schema.Literal("private-key-jwt"), "A signed assertion (RFC 7523 §2.2)."),
    key: required(SecretReference, "The private key: a JWK, or PKCS #8 in PEM."),
    algorithm: optional(
      Schema.Literal("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"),
      "The signature's algorithm. Needed for RSA keys in PEM; other keys know theirs."
    ),
    keyId: optional(Text, "The `kid` of the assertion. Default: that of the key, if it has one."),
    audience: optional(
      Text,
      "The `aud` of the assertion: `tokenEndpoint`, `issuer`, or a text of its own. Default: `tokenEndpoint`."
    )
  }),
  Schema.Struct({ method: required(Schema.Literal("none"), "A public client: nothing but the client id.") })
).annotations({
  identifier: "Authentication",
  description: "How the broker proves to the authorization server who it is."
})

/**
 * How a profile gets its tokens. Default `{ type: "client_credentials" }`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Grant = Schema.Union(
  Schema.Struct({ type: required(Schema.Literal("client_credentials"), "RFC 6749 §4.4.") }),
  Schema.Struct({
    type: required(Schema.Literal("refresh_token"), "RFC 6749 §6."),
    refreshToken: required(SecretReference, "The first refresh token.")
  }),
  Schema.Struct({
    type: required(Schema.Literal("jwt_bearer"), "RFC 7523 §2.1."),
    assertion: required(SecretReference, "The assertion, read at each token request.")
  })
).annotations({ identifier: "Grant", description: "How a profile gets its tokens." })

/**
 * A file that holds the token of a profile, for programs that read one. It is replaced as a whole at each rotation.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TokenFile = Schema.Struct({
  path: required(Path, "Where the file is."),
  format: withDefault(
    Schema.Literal("raw", "header", "json"),
    "raw",
    "`raw`: the token alone; `header`: `Bearer …`; `json`: as the token endpoint would answer."
  ),
  removeDead: withDefault(
    Schema.Boolean,
    false,
    "Whether the file is removed when its token has ended and there is no new one."
  )
}).annotations({
  identifier: "TokenFile",
  description: "A file that holds the token, for programs that read one. It is replaced as a whole at each rotation."
})

/**
 * @since 0.1.0
 * @category models
 */
export interface TokenFile extends Schema.Schema.Type<typeof TokenFile> {}

/**
 * One upstream source of tokens.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Profile = Schema.Struct({
  tokenEndpoint: optional(Text, "The URL of the token endpoint. Either this or `issuer`."),
  issuer: optional(
    Text,
    "The issuer, whose metadata (RFC 8414) names the token endpoint. Either this or `tokenEndpoint`."
  ),
  introspectionEndpoint: optional(
    Text,
    "The URL of the introspection endpoint (RFC 7662), for the command line. Default: what the metadata of the issuer say."
  ),
  revocationEndpoint: optional(
    Text,
    "The URL of the revocation endpoint (RFC 7009), for the command line. Default: what the metadata of the issuer say."
  ),
  origins: withDefault(
    Names,
    [],
    "APIs that take the tokens, such as `https://api.example.com`. `effect-bearer call` sends tokens nowhere else."
  ),
  clientId: required(Text, "The id of the broker at the authorization server."),
  authentication: required(Authentication, "How the broker proves to the authorization server who it is."),
  grant: withDefault(Grant, { type: "client_credentials" }, "How the profile gets its tokens."),
  scopes: withDefault(
    Names,
    [],
    "Scopes to ask for. What a caller may ask for is within these, unless its policy names others."
  ),
  audience: withDefault(Names, [], "Audiences to ask for (`audience`, as many servers have it)."),
  resource: withDefault(Names, [], "Resources to ask for (RFC 8707)."),
  parameters: withDefault(
    Schema.Record({ key: Text, value: Schema.String }),
    {},
    "Further parameters of the token request. Secrets do not belong here."
  ),
  assumeLifetime: withDefault(Life, "5 minutes", "The lifetime of a token that came without one."),
  ahead: withDefault(
    Time,
    "5 minutes",
    "How long before its end a token is renewed; at most a quarter of its lifetime."
  ),
  clockSkew: withDefault(
    Time,
    "30 seconds",
    "How long before its end a token is handed out no more; at most a tenth of its lifetime."
  ),
  capacity: withDefault(
    count(1, 1_000_000, "1000"),
    1000,
    "How many different tokens (scopes, audiences, subjects) are kept."
  ),
  timeout: withDefault(Wait, "10 seconds", "How long one token request may take."),
  rateLimit: optional(Rate, "Token requests that this broker sends at most. Default: no limit."),
  wait: withDefault(Wait, "5 seconds", "How long a caller waits at most when no usable token exists."),
  required: withDefault(
    Schema.Boolean,
    false,
    "Whether the broker is ready only while this profile has a usable token."
  ),
  tokenExchange: withDefault(Schema.Boolean, false, "Whether callers may exchange tokens of their own (RFC 8693)."),
  allowInsecure: withDefault(
    Schema.Boolean,
    false,
    "Permits `http` to a token endpoint that is not on a loopback host."
  ),
  file: optional(TokenFile, "A file that the token is written to. Default: none.")
}).annotations({ identifier: "Profile", description: "One upstream source of tokens." })

/**
 * @since 0.1.0
 * @category models
 */
export interface Profile extends Schema.Schema.Type<typeof Profile> {}
