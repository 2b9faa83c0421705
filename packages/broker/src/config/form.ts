// The schemas of what stands in a configuration file; published by BrokerConfig.
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import { time } from "./time.js"

/** What a timer can wait for. */
const Wait = time("1 ms", "1 hour")

/** As long as any token lives. */
const Life = time("1 ms", "3650 days")

const Interval = time("1 ms", "1 day")

/**
 * A time, as `"5 minutes"`, `"30 s"` or `"1h"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Time = time("0 s", "3650 days")

const text = (expected: string, pattern: RegExp, title = "text") =>
  Schema.String.pipe(
    Schema.filter((given) => pattern.test(given), {
      message: () => expected,
      jsonSchema: { title, pattern: pattern.source }
    })
  )

const Text = text("a text that is not empty", /\S/)

const Path = text("the path of a file", /\S/, "path")

/** A whole number within a range. */
const count = (least: number, most: number, example: string) =>
  Schema.Number.pipe(
    Schema.filter((given) => Number.isInteger(given) && given >= least && given <= most, {
      message: () => `a whole number from ${least} to ${most}, for example ${example}`,
      jsonSchema: { type: "integer", title: `whole number from ${least} to ${most}`, minimum: least, maximum: most }
    })
  )

const Names = Schema.Array(Text)

// What a field means stands in its schema, so that editors and the reference in the README say the same.

const required = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.propertySignature(schema).annotations({ description })

const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optional(schema).annotations({ description })

/** A default is given as it would stand in the file. */
const withDefault = <A, I>(schema: Schema.Schema<A, I>, encoded: Types.NoInfer<I>, description: string) => {
  const value = Schema.decodeSync(schema)(encoded)
  return Schema.optionalWith(schema, { default: () => value }).annotations({
    description,
    jsonSchema: { default: encoded }
  })
}

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
    plain: required(Schema.Redacted(Schema.String), "The secret in clear: refused unless `allowPlainSecrets` is true.")
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

// ---------------------------------------------------------------------------------------------------------------
// profiles
// ---------------------------------------------------------------------------------------------------------------

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
    "Whether the file is removed when its token has ended and no new one could be had."
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
  grant: withDefault(Grant, { type: "client_credentials" }, "How tokens are had."),
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
    "How long before its end a token is renewed; at most half of its lifetime."
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

// ---------------------------------------------------------------------------------------------------------------
// callers
// ---------------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------------
// listeners, limits, the rest
// ---------------------------------------------------------------------------------------------------------------

/**
 * Certificate and key in PEM files; with `clientCa`, clients may show a certificate of that authority.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tls = Schema.Struct({
  certificate: required(Path, "The certificate, with those between it and the root, in PEM."),
  key: required(Path, "Its private key, in PEM."),
  clientCa: optional(Path, "The authority whose certificates clients may show, in PEM. Default: none are asked for.")
}).annotations({ identifier: "Tls", description: "Files for TLS." })

const Port = count(0, 65_535, "4180")

/**
 * Where the broker listens: a port of the loopback hosts, of another address, or a Unix socket.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Listener = Schema.Union(
  Schema.Struct({
    host: optional(
      Text,
      "Default: 127.0.0.1 and, where the machine has it, [::1]. Any other address needs `tls`, or `behindTlsProxy`."
    ),
    port: required(Port, "The port; 0 for one that is free."),
    tls: optional(Tls, "Files for TLS. Default: plain HTTP."),
    behindTlsProxy: withDefault(
      Schema.Boolean,
      false,
      "Says that a proxy in front of the broker speaks TLS with the callers."
    )
  }),
  Schema.Struct({
    socket: required(Path, "A socket in the file system, mode 0600, in a folder of its own with mode 0700.")
  })
).annotations({
  identifier: "Listener",
  description: "Where the broker listens: a port of the loopback hosts, of another address, or a Unix socket."
})

/**
 * @since 0.1.0
 * @category models
 */
export type Listener = typeof Listener.Type

/**
 * What the broker takes from one client.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Limits = Schema.Struct({
  body: withDefault(count(256, 10_485_760, "16384"), 16_384, "Bytes of a request's body."),
  headers: withDefault(count(1024, 65_536, "8192"), 8192, "Bytes of a request's headers."),
  sending: withDefault(Wait, "5 seconds", "How long a client may take to send its headers, and then its body."),
  connections: withDefault(count(1, 100_000, "1000"), 1000, "Connections at a time."),
  streamsPerCaller: withDefault(
    count(1, 100_000, "100"),
    100,
    "Streams (server-sent events) that one caller has open at a time."
  ),
  requestsPerAddress: withDefault(
    Rate,
    { limit: 200_000, interval: "10 seconds" },
    "Requests of one address, before authentication."
  ),
  failuresPerAddress: withDefault(
    Rate,
    { limit: 60, interval: "1 minute" },
    "Failed authentications of one address, and audit lines about requests of nobody from it."
  )
}).annotations({ identifier: "Limits", description: "What the broker takes from one client." })

/**
 * @since 0.1.0
 * @category models
 */
export interface Limits extends Schema.Schema.Type<typeof Limits> {}

/**
 * Where the audit line of each token goes. Default: standard output.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Audit = Schema.Struct({
  file: optional(Path, "A file that lines are appended to. Default: standard output."),
  required: withDefault(Schema.Boolean, false, "Whether a token whose line cannot be written is not handed out.")
}).annotations({ identifier: "Audit", description: "Where the audit line of each token goes." })

/**
 * How several brokers are one: tokens in Redis, or in a folder of one machine. Default: each process by itself.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Store = Schema.Union(
  Schema.Struct({
    redis: required(
      Schema.Struct({
        url: required(SecretReference, "`redis://…` or `rediss://…`, password included: a secret."),
        prefix: optional(Text, "What the names of its keys begin with.")
      }),
      "Tokens in Redis, for brokers on several machines."
    ),
    sealWith: optional(
      Schema.Array(SecretReference),
      "Keys that seal the tokens in the store; the first seals, the others only open. Default: not sealed."
    )
  }),
  Schema.Struct({
    folder: required(Path, "Tokens in a folder, for brokers on one machine."),
    sealWith: optional(
      Schema.Array(SecretReference),
      "Keys that seal the tokens in the store; the first seals, the others only open. Default: not sealed."
    )
  })
).annotations({
  identifier: "Store",
  description: "How several brokers are one: they share their tokens, so that one token request serves them all."
})

/**
 * @since 0.1.0
 * @category models
 */
export type Store = typeof Store.Type

/**
 * The configuration of a broker.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Config = Schema.Struct({
  $schema: optional(Text, "Where the JSON Schema of this file is, for editors. The broker does not read it."),
  listen: withDefault(
    Schema.NonEmptyArray(Listener),
    [{ port: 4180 }],
    "Where the broker listens: by default at port 4180 of the loopback hosts."
  ),
  hosts: withDefault(
    Names,
    [],
    "Names, with their ports, that `Host` may have besides loopback literals and `localhost`: `broker.internal:8443`."
  ),
  trustedProxies: withDefault(
    Names,
    [],
    "Addresses of proxies, or ranges such as `10.0.0.0/8`, whose `Forwarded` and `X-Forwarded-For` are taken. By " +
      "default there are none, and such requests are refused."
  ),
  metrics: optional(
    Schema.Struct({
      host: optional(Text, "Default: the loopback hosts."),
      port: required(Port, "The port; 0 for one that is free.")
    }),
    "A listener of its own for `GET /metrics`, which then needs no key."
  ),
  allowPlainSecrets: withDefault(Schema.Boolean, false, "Permits `{ plain }` secrets."),
  limits: withDefault(Limits, {}, "What the broker takes from one client."),
  audit: withDefault(Audit, {}, "Where the audit line of each token goes."),
  store: optional(Store, "How several brokers are one. Default: each process by itself."),
  profiles: required(
    Schema.Record({ key: ProfileName, value: Profile }),
    "Upstream sources of tokens, by their names: 1 to 64 lower-case letters, digits and hyphens."
  ),
  callers: withDefault(Schema.Array(Caller), [], "Who may ask the broker.")
}).annotations({ identifier: "BrokerConfig", description: "The configuration of a broker." })

/**
 * @since 0.1.0
 * @category models
 */
export interface Config extends Schema.Schema.Type<typeof Config> {}
