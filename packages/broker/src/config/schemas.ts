// The schemas of what stands in a configuration file; published by BrokerConfig.
import * as Schema from "effect/Schema"
import { Caller } from "./schemas/caller.js"
import { Profile, ProfileName, Rate, SecretReference } from "./schemas/profile.js"
import { count, Names, optional, Path, required, Text, Wait, withDefault } from "./schemas/values.js"

export { Access, Caller, Certificate, KeyDigest, Permission, Surface } from "./schemas/caller.js"
export { Authentication, Grant, Profile, ProfileName, Rate, SecretReference, TokenFile } from "./schemas/profile.js"
export { Time } from "./schemas/values.js"

// What a field means stands in its schema, so that editors and the reference in the README say the same.

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
  body: withDefault(count(256, 10_485_760, "16384"), 16_384, "How many bytes the body of a request may have."),
  headers: withDefault(count(1024, 65_536, "8192"), 8192, "How many bytes the headers of a request may have."),
  sending: withDefault(Wait, "5 seconds", "How long a client may take to send its headers, and then its body."),
  connections: withDefault(count(1, 100_000, "1000"), 1000, "How many connections may be open at a time."),
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
  description: "How several brokers work as one: they share their tokens, so that one token request serves them all."
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
  store: optional(Store, "How several brokers work as one. Default: each process works by itself."),
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
