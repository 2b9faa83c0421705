/** Configurations as `fast-check` makes them: each is right, and its texts are those that YAML is known to trip over. */
import type { Schema } from "effect"
import { FastCheck as fc } from "effect"
import type { BrokerConfig } from "../../src/index.js"

type Encoded = Schema.Schema.Encoded<typeof BrokerConfig.Config>

const trap = fc.constantFrom(
  "yes",
  "no",
  "null",
  "~",
  "true",
  "0x10",
  "1e3",
  ".inf",
  "- a",
  "# no comment",
  "a: b",
  "*a",
  "&a",
  "!a",
  "%a",
  "@a",
  "`a",
  "{}",
  "[]",
  "'",
  "\"",
  "\\",
  "|",
  ">",
  "<<",
  "2001-01-01",
  "a\nb",
  "a\n\n  b\n",
  "a\tb",
  " a ",
  "ü€😀",
  "a\u2028b",
  "a\u0085b",
  "__proto__",
  "constructor"
)
const text = fc.oneof(trap, fc.string({ unit: "grapheme" }).filter((one) => one.trim() !== ""))
const texts = fc.uniqueArray(text, { maxLength: 3 })
const name = fc.stringMatching(/^[a-z0-9-]{1,12}$/)
const timeOf = (most: number) =>
  fc.tuple(fc.integer({ min: 1, max: most }), fc.constantFrom("ms", "s", " seconds", " millis")).map(([n, unit]) =>
    `${n}${unit}`
  )
const time = timeOf(3600)
const rate = fc.record({ limit: fc.integer({ min: 1, max: 10_000_000 }), interval: time })

/** Keys that may be absent, with values that are never `undefined`. */
const some = <A extends object>(fields: { readonly [K in keyof A]: fc.Arbitrary<A[K]> }): fc.Arbitrary<Partial<A>> =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<A>>

const secret = fc.oneof(
  fc.record({ env: text }),
  fc.record({ file: text }),
  fc.record({ plain: fc.oneof(text, fc.constant("")) }),
  fc.record({
    vault: fc.tuple(
      fc.record({ path: text, field: text }),
      some({
        address: fc.constant("https://vault.example.com:8200"),
        mount: text,
        namespace: text,
        token: fc.oneof(fc.record({ env: text }), fc.record({ file: text }))
      })
    ).map(([must, may]) => ({ ...must, ...may }))
  })
)

const profile = fc.tuple(
  fc.record({
    clientId: text,
    authentication: fc.oneof(
      fc.record({ method: fc.constantFrom("basic", "basic-raw", "post"), secret }),
      fc.record({ method: fc.constant("private-key-jwt"), key: secret }),
      fc.record({ method: fc.constant("none") })
    )
  }),
  fc.constantFrom({ issuer: "https://login.example.com" }, { tokenEndpoint: "http://127.0.0.1:1/token?a=b" }),
  some({
    grant: fc.oneof(
      fc.record({ type: fc.constant("client_credentials") }),
      fc.record({ type: fc.constant("refresh_token"), refreshToken: secret }),
      fc.record({ type: fc.constant("jwt_bearer"), assertion: secret })
    ),
    scopes: texts,
    audience: texts,
    resource: texts,
    parameters: fc.dictionary(text.filter((key) => key !== "__proto__").map((key) => `x-${key}`), fc.string(), {
      maxKeys: 3
    }),
    assumeLifetime: time,
    ahead: fc.oneof(time, fc.constant("0 s"), fc.constant("1.5 h")),
    clockSkew: time,
    capacity: fc.integer({ min: 1, max: 1_000_000 }),
    timeout: time,
    rateLimit: rate,
    wait: time,
    required: fc.boolean(),
    tokenExchange: fc.boolean(),
    allowInsecure: fc.boolean()
  })
).map((parts) => Object.assign({}, ...parts) as Encoded["profiles"][string])

const surfaces = fc.uniqueArray(fc.constantFrom("oauth2", "check", "inject", "token", "tokens"))

export const config: fc.Arbitrary<Encoded> = fc.dictionary(name, profile, { maxKeys: 3, noNullPrototype: true }).chain(
  (profiles) =>
    fc.record({
      allowPlainSecrets: fc.constant(true),
      profiles: fc.constant(profiles),
      callers: fc.uniqueArray(
        fc.record({
          id: fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/),
          key: fc.stringMatching(/^[0-9a-f]{64}$/),
          rate,
          permissions: fc.subarray(["status", "metrics"]),
          profiles: fc.subarray(Object.keys(profiles)).chain((names) =>
            fc.record(
              Object.fromEntries(names.map((one) => [one, some({ scopes: texts, audiences: texts, surfaces })])),
              { noNullPrototype: true }
            )
          )
        }),
        {
          maxLength: 3,
          selector: ({ id, key }) => `${id} ${key}`,
          comparator: (a, b) => a.split(" ").some((x) => b.includes(x))
        }
      ).map((all) => all.map(({ key, ...caller }) => ({ ...caller, keys: [`sha256:${key}`] }))),
      more: some({
        listen: fc.constantFrom<ReadonlyArray<object>>(
          [{ port: 0 }],
          [{ socket: "run/broker.sock" }, { host: "::1", port: 1 }],
          [{ host: "0.0.0.0", port: 8443, tls: { certificate: "c", key: "k", clientCa: "ca" } }],
          [{ host: "broker.internal", port: 80, behindTlsProxy: true }]
        ),
        hosts: fc.constant(["broker.internal:8443"]),
        trustedProxies: fc.constant(["10.0.0.0/8", "::1"]),
        metrics: fc.constant({ port: 9464 }),
        limits: some({ body: fc.integer({ min: 256, max: 10_485_760 }), sending: time, failuresPerAddress: rate }),
        audit: some({ file: text, required: fc.boolean() }),
        store: fc.oneof(
          fc.record({ redis: fc.record({ url: secret, prefix: text }) }),
          fc.record({ folder: text, sealWith: fc.array(secret, { maxLength: 2 }) })
        )
      })
    }).map(({ more, ...must }) => ({ ...must, ...more }) as unknown as Encoded)
)
