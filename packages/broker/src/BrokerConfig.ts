/**
 * The configuration of a broker: what stands in its file, as a `Schema` that is public and checks all of it at once.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as mistake from "./config/mistake.js"
import * as paths from "./config/paths.js"
import * as read from "./config/read.js"

// ---------------------------------------------------------------------------------------------------------------
// values
// ---------------------------------------------------------------------------------------------------------------

const units = {
  ms: 1,
  millis: 1,
  s: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000
} as const

const durationPattern = new RegExp(
  `^(\\d+(?:\\.\\d+)?) ?(${Object.keys(units).sort((a, b) => b.length - a.length).join("|")})$`
)

/** In milliseconds; `NaN` for what is no time. */
const millisOf = (text: string): number => {
  const [, amount, unit] = durationPattern.exec(text) ?? []
  return Math.round(Number(amount) * (units[unit as keyof typeof units] ?? Number.NaN))
}

/** A time within a range, both ends included, in whole milliseconds. */
const time = (least: string, most: string) => {
  const [from, to] = [millisOf(least), millisOf(most)]
  const expected = `a time with its unit, for example "30 seconds" or "5 minutes", from ${least} to ${most}`
  return Schema.transformOrFail(
    Schema.String.pipe(Schema.pattern(durationPattern, { message: () => expected })),
    Schema.DurationFromSelf,
    {
      strict: true,
      decode: (text, _options, ast) => {
        const millis = millisOf(text)
        return millis >= from && millis <= to
          ? ParseResult.succeed(Duration.millis(millis))
          : ParseResult.fail(new ParseResult.Type(ast, text))
      },
      encode: (duration) => ParseResult.succeed(`${Duration.toMillis(duration)} ms`)
    }
  ).annotations({ jsonSchema: { type: "string", pattern: durationPattern.source } })
}

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

/**
 * The name of a profile.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProfileName = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9-]{1,64}$/, { message: () => "1 to 64 lower-case letters, digits and hyphens" })
).annotations({ identifier: "ProfileName" })

/**
 * Where a secret is: a variable of the environment, a file, or a field of a secret in HashiCorp Vault (KV version 2).
 * It is read at each token request, so that a rotated secret needs no reload. A secret in clear (`{ plain }`) is refused
 * unless the file says `allowPlainSecrets: true`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecretReference = Schema.Union(
  Schema.Struct({ env: Schema.NonEmptyString }),
  Schema.Struct({ file: Schema.NonEmptyString }),
  Schema.Struct({
    vault: Schema.Struct({
      path: Schema.NonEmptyString,
      field: Schema.NonEmptyString,
      address: Schema.optional(Schema.NonEmptyString),
      mount: Schema.optional(Schema.NonEmptyString),
      namespace: Schema.optional(Schema.NonEmptyString),
      token: Schema.optional(Schema.Union(
        Schema.Struct({ env: Schema.NonEmptyString }),
        Schema.Struct({ file: Schema.NonEmptyString })
      ))
    })
  }),
  Schema.Struct({ plain: Schema.Redacted(Schema.String) })
).annotations({ identifier: "SecretReference" })

/**
 * @since 0.1.0
 * @category models
 */
export type SecretReference = typeof SecretReference.Type

/** A whole number within a range. */
const count = (least: number, most: number, example: string) =>
  Schema.Int.pipe(
    Schema.between(least, most, { message: () => `a whole number from ${least} to ${most}, for example ${example}` })
  )

/**
 * So many, in such a time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Rate = Schema.Struct({
  limit: count(1, 10_000_000, "100"),
  interval: Interval
}).annotations({ identifier: "Rate" })

const Names = Schema.Array(Schema.NonEmptyString)

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
  Schema.Struct({ method: Schema.Literal("basic", "basic-raw", "post"), secret: SecretReference }),
  Schema.Struct({
    method: Schema.Literal("private-key-jwt"),
    /** A JWK, or a PKCS #8 key in PEM. */
    key: SecretReference,
    algorithm: Schema.optional(Schema.NonEmptyString),
    keyId: Schema.optional(Schema.NonEmptyString),
    audience: Schema.optional(Schema.NonEmptyString)
  }),
  Schema.Struct({ method: Schema.Literal("none") })
).annotations({ identifier: "Authentication" })

/**
 * How a profile gets its tokens. Default `{ type: "client_credentials" }`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Grant = Schema.Union(
  Schema.Struct({ type: Schema.Literal("client_credentials") }),
  Schema.Struct({ type: Schema.Literal("refresh_token"), refreshToken: SecretReference }),
  Schema.Struct({ type: Schema.Literal("jwt_bearer"), assertion: SecretReference })
).annotations({ identifier: "Grant" })

/**
 * A file that holds the token of a profile, for programs that read one. It is replaced as a whole at each rotation.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TokenFile = Schema.Struct({
  path: Schema.NonEmptyString,
  /** `raw`: the token alone; `header`: `Bearer …`; `json`: as the token endpoint would answer. Default `raw`. */
  format: Schema.optionalWith(Schema.Literal("raw", "header", "json"), { default: () => "raw" as const }),
  /** Whether the file is removed when its token has ended and no new one could be had. Default `false`. */
  removeDead: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).annotations({ identifier: "TokenFile" })

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
  /** The URL of the token endpoint. Either this or `issuer`. */
  tokenEndpoint: Schema.optional(Schema.NonEmptyString),
  /** The issuer, whose metadata (RFC 8414) names the token endpoint. Either this or `tokenEndpoint`. */
  issuer: Schema.optional(Schema.NonEmptyString),
  clientId: Schema.NonEmptyString,
  authentication: Authentication,
  grant: Schema.optionalWith(Grant, { default: () => ({ type: "client_credentials" as const }) }),
  /** Scopes to ask for. What a caller may ask for is within these, unless its policy names others. */
  scopes: Schema.optionalWith(Names, { default: () => [] }),
  audience: Schema.optionalWith(Names, { default: () => [] }),
  resource: Schema.optionalWith(Names, { default: () => [] }),
  /** Further parameters of the token request. Secrets do not belong here. */
  parameters: Schema.optionalWith(Schema.Record({ key: Schema.NonEmptyString, value: Schema.String }), {
    default: () => ({})
  }),
  /** The lifetime of a token that came without one. Default 5 minutes. */
  assumeLifetime: Schema.optionalWith(Life, { default: () => Duration.minutes(5) }),
  /** How long before its end a token is renewed; at most a quarter of its lifetime. Default 5 minutes. */
  ahead: Schema.optionalWith(Time, { default: () => Duration.minutes(5) }),
  /** How long before its end a token is handed out no more; at most a tenth of its lifetime. Default 30 seconds. */
  clockSkew: Schema.optionalWith(Time, { default: () => Duration.seconds(30) }),
  /** How many different tokens (scopes, audiences, subjects) are kept. Default 1000. */
  capacity: Schema.optionalWith(count(1, 1_000_000, "1000"), { default: () => 1000 }),
  /** How long one token request may take. Default 10 seconds. */
  timeout: Schema.optionalWith(Wait, { default: () => Duration.seconds(10) }),
  /** Token requests that this broker sends at most. Default: no limit. */
  rateLimit: Schema.optional(Rate),
  /** How long a caller waits at most when no usable token exists. Default 5 seconds. */
  wait: Schema.optionalWith(Wait, { default: () => Duration.seconds(5) }),
  /** Whether the broker is ready only while this profile has a usable token. Default `false`. */
  required: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Whether callers may exchange tokens of their own (RFC 8693). Default `false`. */
  tokenExchange: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Permits `http` to a token endpoint that is not on a loopback host. Default `false`. */
  allowInsecure: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  file: Schema.optional(TokenFile)
}).annotations({ identifier: "Profile" })

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
  identifier: "Surface"
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
  /** Scopes the caller may have. A caller that names none gets all of these. Default: those of the profile. */
  scopes: Schema.optional(Names),
  /** Audiences the caller may ask for. Default: those of the profile. */
  audiences: Schema.optional(Names),
  /** Resources the caller may ask for. Default: those of the profile. */
  resources: Schema.optional(Names),
  /** Default: all of them. */
  surfaces: Schema.optional(Schema.Array(Surface)),
  /** Whether the caller may exchange tokens where the profile allows it. Default `false`. */
  tokenExchange: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).annotations({ identifier: "Access" })

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
export const KeyDigest = Schema.String.pipe(
  Schema.pattern(/^sha256:[0-9a-f]{64}$/, {
    message: () => "\"sha256:\" and 64 hexadecimal digits: the digest of a key"
  })
).annotations({ identifier: "KeyDigest" })

/**
 * A client certificate, by its subject's common name or by one of its alternative names (`DNS:…`, `URI:…`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const Certificate = Schema.Union(
  Schema.Struct({ subject: Schema.NonEmptyString }),
  Schema.Struct({ san: Schema.NonEmptyString })
).annotations({ identifier: "Certificate" })

/**
 * What a caller may do besides asking for tokens: see the status page, read the metrics.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Permission = Schema.Literal("status", "metrics").annotations({ identifier: "Permission" })

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
  id: Schema.String.pipe(
    Schema.pattern(/^[A-Za-z0-9._-]{1,64}$/, {
      message: () => "1 to 64 letters, digits, dots, underscores and hyphens"
    })
  ),
  /** Digests of the keys that are valid; two while one replaces the other. */
  keys: Schema.optionalWith(
    Schema.Array(KeyDigest).pipe(
      Schema.maxItems(2, { message: () => "at most two keys: the old one and the new one" })
    ),
    { default: () => [] }
  ),
  certificates: Schema.optionalWith(Schema.Array(Certificate), { default: () => [] }),
  profiles: Schema.optionalWith(Schema.Record({ key: ProfileName, value: Access }), { default: () => ({}) }),
  /** Default 10,000 requests in 10 seconds. */
  rate: Schema.optional(Rate),
  permissions: Schema.optionalWith(Schema.Array(Permission), { default: () => [] })
}).annotations({ identifier: "Caller" })

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
  certificate: Schema.NonEmptyString,
  key: Schema.NonEmptyString,
  clientCa: Schema.optional(Schema.NonEmptyString)
}).annotations({ identifier: "Tls" })

const Port = count(0, 65_535, "4180")

/**
 * Where the broker listens: a port of the loopback hosts, of another address, or a Unix socket.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Listener = Schema.Union(
  Schema.Struct({
    /** Default: 127.0.0.1 and, where the machine has it, [::1]. Any other address needs `tls`, or `behindTlsProxy`. */
    host: Schema.optional(Schema.NonEmptyString),
    port: Port,
    tls: Schema.optional(Tls),
    /** A proxy in front of the broker speaks TLS with the callers. Default `false`. */
    behindTlsProxy: Schema.optionalWith(Schema.Boolean, { default: () => false })
  }),
  Schema.Struct({
    /** A socket in the file system, mode 0600, in a folder of its own with mode 0700. */
    socket: Schema.NonEmptyString
  })
).annotations({ identifier: "Listener" })

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
  /** Bytes of a request's body. Default 16 KiB. */
  body: Schema.optionalWith(count(256, 10_485_760, "16384"), { default: () => 16_384 }),
  /** Bytes of a request's headers. Default 8 KiB. */
  headers: Schema.optionalWith(count(1024, 65_536, "8192"), { default: () => 8192 }),
  /** How long a client may take to send its headers, and then its body. Default 5 seconds. */
  sending: Schema.optionalWith(Wait, { default: () => Duration.seconds(5) }),
  connections: Schema.optionalWith(count(1, 100_000, "1000"), { default: () => 1000 }),
  /** Requests of one address, before authentication. Default 200,000 in 10 seconds. */
  requestsPerAddress: Schema.optionalWith(Rate, {
    default: () => ({ limit: 200_000, interval: Duration.seconds(10) })
  }),
  /** Failed authentications of one address. Default 60 in a minute. */
  failuresPerAddress: Schema.optionalWith(Rate, { default: () => ({ limit: 60, interval: Duration.minutes(1) }) })
}).annotations({ identifier: "Limits" })

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
  /** A file that lines are appended to. Default: standard output. */
  file: Schema.optional(Schema.NonEmptyString),
  /** Whether a token whose line cannot be written is not handed out. Default `false`. */
  required: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).annotations({ identifier: "Audit" })

/**
 * How several brokers are one: tokens in Redis, or in a folder of one machine. Default: each process by itself.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Store = Schema.Union(
  Schema.Struct({
    redis: Schema.Struct({
      /** `redis://…` or `rediss://…`, password included: a secret. */
      url: SecretReference,
      prefix: Schema.optional(Schema.NonEmptyString)
    }),
    /** Keys that seal the tokens in the store; the first seals, the others only open. */
    sealWith: Schema.optional(Schema.Array(SecretReference))
  }),
  Schema.Struct({
    folder: Schema.NonEmptyString,
    sealWith: Schema.optional(Schema.Array(SecretReference))
  })
).annotations({ identifier: "Store" })

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
  /** Default: port 4180 of the loopback hosts. */
  listen: Schema.optionalWith(Schema.NonEmptyArray(Listener), {
    default: (): readonly [Listener, ...Array<Listener>] => [{ port: 4180, behindTlsProxy: false }]
  }),
  /** Names, with their ports, that `Host` may have besides loopback literals and `localhost`: `broker.internal:8443`. */
  hosts: Schema.optionalWith(Names, { default: () => [] }),
  /** Addresses of proxies whose `Forwarded` and `X-Forwarded-For` are taken. Default: none, and such requests are refused. */
  trustedProxies: Schema.optionalWith(Names, { default: () => [] }),
  /** A listener of its own for `GET /metrics`, which then needs no key. It is on a loopback host unless told otherwise. */
  metrics: Schema.optional(Schema.Struct({ host: Schema.optional(Schema.NonEmptyString), port: Port })),
  /** Permits `{ plain }` secrets. Default `false`. */
  allowPlainSecrets: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  limits: Schema.optionalWith(Limits, { default: () => Schema.decodeSync(Limits)({}) }),
  audit: Schema.optionalWith(Audit, { default: () => ({ required: false }) }),
  store: Schema.optional(Store),
  profiles: Schema.Record({ key: ProfileName, value: Profile }),
  callers: Schema.optionalWith(Schema.Array(Caller), { default: () => [] })
}).annotations({ identifier: "BrokerConfig" })

/**
 * @since 0.1.0
 * @category models
 */
export interface Config extends Schema.Schema.Type<typeof Config> {}

// ---------------------------------------------------------------------------------------------------------------
// reading
// ---------------------------------------------------------------------------------------------------------------

/**
 * One mistake in a configuration.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mistake {
  /** Where, as `profiles.genesys.clientId` or `callers[0].keys[1]`; empty for the file as a whole. */
  readonly path: string
  /** What was expected there. */
  readonly expected: string
  /** What was found instead, by its kind: no value is ever quoted, because any of them may be a secret. */
  readonly found: string
  /** What to do, where the rest does not say so. */
  readonly hint?: string
  /** Where in the text that is, counted from 1. */
  readonly line?: number
  readonly column?: number
}

/** So many are written out. */
const mostShown = 100

/**
 * A configuration that cannot be used, with everything that is wrong with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigurationProblems extends Data.TaggedError("ConfigurationProblems")<{
  /** The file, as it was named; empty where there was none. */
  readonly file: string
  /** At least one, in the order of the file. */
  readonly mistakes: ReadonlyArray<Mistake>
}> {
  override get message(): string {
    const { length } = this.mistakes
    const title = `${length === 1 ? "A mistake" : `${length} mistakes`} in ${this.file || "the configuration"}`
    const lines = this.mistakes.slice(0, mostShown).map((one) => `  ${mistake.line(one)}`)
    const more = length > mostShown ? [`  and ${length - mostShown} more`] : []
    return [`${title}:`, ...lines, ...more].join("\n")
  }
}

/**
 * The configuration that a text holds, or all of its mistakes: of the text itself (YAML 1.2 or JSON), of each field,
 * and of what has to agree with something else in it. Keys that are not known are mistakes. Paths stay as they are.
 *
 * **Example** (All mistakes at once)
 *
 * ```ts
 * import { BrokerConfig } from "@effect-bearer/broker"
 * import { Either } from "effect"
 *
 * const text = `
 * profiles:
 *   genesys:
 *     tokenEndpoint: https://login.mypurecloud.de/oauth/token
 *     clientid: reporting
 * `
 * const result = BrokerConfig.parse(text, { format: "yaml" })
 * if (Either.isLeft(result)) console.error(result.left.message)
 * // profiles.genesys.clientid (line 5, column 5): … Did you mean "clientId"?
 * // profiles.genesys.authentication …
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (
  text: string,
  options: {
    readonly format: "yaml" | "json"
    /** The name of the file, for the error. */
    readonly file?: string | undefined
  }
): Either.Either<Config, ConfigurationProblems> =>
  Either.mapLeft(
    read.parse(Config, text, options.format),
    (mistakes) => new ConfigurationProblems({ file: options.file ?? "", mistakes })
  )

/**
 * Reads a file that ends in `.yaml`, `.yml` or `.json` and has at most 1 MiB. Relative paths in it are those of its
 * folder, and are absolute in the result.
 *
 * **Example** (At the start of a program)
 *
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { BrokerConfig } from "@effect-bearer/broker"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const config = yield* BrokerConfig.load("broker.yaml")
 *   yield* Effect.log(Object.keys(config.profiles))
 * }).pipe(Effect.provide(NodeContext.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  file: string
): Effect.Effect<Config, ConfigurationProblems, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const { folder, format, text } = yield* Effect.mapError(
      read.file(file),
      (mistakes) => new ConfigurationProblems({ file, mistakes })
    )
    return paths.resolved(yield* parse(text, { format, file }), folder, path)
  })
