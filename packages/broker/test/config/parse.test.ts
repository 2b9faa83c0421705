import { inspect } from "node:util"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either } from "effect"
import { BrokerConfig } from "../../src/index.js"

const digest = (digit: string) => `sha256:${digit.repeat(64)}`

const profile = (more = "") =>
  `{ issuer: https://login.example.com, clientId: c, authentication: { method: none }${more} }`

const mistakes = (text: string, format: "yaml" | "json" = "yaml"): ReadonlyArray<BrokerConfig.Mistake> =>
  Either.match(BrokerConfig.parse(text, { format }), {
    onLeft: (error) => error.mistakes,
    onRight: () => []
  })

/** The paths of the mistakes, each with the first words of what was expected. */
const paths = (text: string, format?: "yaml" | "json") => mistakes(text, format).map(({ path }) => path)

const parsed = (text: string, format: "yaml" | "json" = "yaml") =>
  Either.getOrThrowWith(BrokerConfig.parse(text, { format }), (error) => error)

describe("BrokerConfig.parse", () => {
  it("fields that the file leaves out get their defaults", () => {
    const config = parsed(`profiles: { genesys: ${profile()} }`)
    assert.deepStrictEqual(config.listen, [{ port: 4180, behindTlsProxy: false }])
    assert.deepStrictEqual(config.callers, [])
    assert.isFalse(config.allowPlainSecrets)
    assert.strictEqual(config.limits.body, 16_384)
    const { grant, wait } = config.profiles["genesys"]!
    assert.deepStrictEqual(grant, { type: "client_credentials" })
    assert.isTrue(Duration.equals(wait, "5 seconds"))
  })

  it("one error names every mistake with its path, in the order of the file", () => {
    const text = [
      "listen:",
      "  - host: 0.0.0.0",
      "    port: 70000",
      "allowPlainSecrets: \"yes\"",
      "profiles:",
      "  genesys:",
      "    tokenEndpoint: http://login.example.com/token",
      "    clientid: 123",
      "    authentication: { method: basc, secret: hunter2-hunter2 }",
      "    wait: 0 s",
      "callers:",
      "  - id: flows",
      "    keys: [sha256:abc]",
      "    profiles: { genesis: {} }",
      "  - id: flows"
    ].join("\n")
    assert.deepStrictEqual(paths(text), [
      "listen[0]",
      "listen[0].port",
      "allowPlainSecrets",
      "profiles.genesys.clientId",
      "profiles.genesys.tokenEndpoint",
      "profiles.genesys.clientid",
      "profiles.genesys.authentication.method",
      "profiles.genesys.authentication.secret",
      "profiles.genesys.wait",
      "callers[0].keys[0]",
      "callers[0].profiles.genesis",
      "callers[1].id",
      "callers[1]"
    ])
    const error = Either.flip(BrokerConfig.parse(text, { format: "yaml", file: "broker.yaml" })).pipe(Either.getOrThrow)
    assert.strictEqual(error._tag, "ConfigurationProblems")
    assert.match(error.message, /^13 mistakes in broker\.yaml:\n {2}listen\[0\] \(line 2, column 5\): expected tls/)
    assert.include(error.message, "Did you mean \"clientId\"?")
    assert.include(error.message, "Did you mean \"basic\"?")
    assert.include(error.message, "Did you mean \"genesys\"?")
    assert.include(error.message, "expected a whole number from 0 to 65535")
  })

  it("no rendering of the error quotes a value of the file", () => {
    const secret = "correct-horse-battery"
    for (
      const text of [
        `profiles: { a: { clientId: c, authentication: { method: basic, secret: ${secret} } } }`,
        `profiles: { a: { clientId: c, authentication: { method: basic, secret: { plain: ${secret} } } } }`,
        `profiles: { a: { clientId: c, authentication: { method: ${secret}, secret: { plain: 5 } } } }`,
        `profiles: { a: { tokenEndpoint: "https://u:${secret}@h", ahead: ${secret}, clientId: [${secret}] } }`,
        `allowPlainSecrets: ${secret}\nprofiles: { a: ${profile(`, grant: { type: ${secret} }`)} }`,
        `profiles: {}\ncallers: [{ id: "${secret} x", keys: [${secret}], certificates: [{ san: ${secret} }] }]`,
        `a: '${secret}`,
        `a: "\\q ${secret}"`,
        `- a\n${secret}: ${secret}`,
        `a: *${secret}`,
        `a: !${secret} b`
      ]
    ) {
      const result = BrokerConfig.parse(text, { format: "yaml" })
      assert.isTrue(Either.isLeft(result), text)
      const error = Either.getOrThrow(Either.flip(result))
      for (
        const shown of [error.message, String(error), inspect(error, { depth: 9 }), JSON.stringify(error), error.stack]
      ) {
        assert.notInclude(shown, secret, text)
      }
    }
    const json = `{"profiles": {"a": {"clientId": "${secret}`
    assert.notInclude(String(Either.flip(BrokerConfig.parse(json, { format: "json" })).pipe(Either.getOrThrow)), secret)
  })

  it("a key that looks like a credential is not shown either", () => {
    const key = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    const error = Either.getOrThrow(Either.flip(BrokerConfig.parse(`profiles: {}\n${key}: 1`, { format: "yaml" })))
    assert.notInclude(error.message, key)
    assert.include(error.message, "<redacted>")
  })
})

describe("the syntax of the text", () => {
  it("YAML: the line and column of what is wrong", () => {
    const [one] = mistakes("profiles:\n  a:\n\tb: 1\n")
    assert.deepInclude(one, { path: "", line: 3, expected: "valid YAML", found: "a tab as indentation" })
    assert.deepInclude(mistakes("profiles: a: b")[0], { line: 1, column: 11 })
  })

  it("YAML: one document only, without tags", () => {
    assert.lengthOf(mistakes("profiles: {}\n---\nprofiles: {}"), 1)
    assert.lengthOf(mistakes("profiles: !!js/function {}"), 1)
    assert.lengthOf(mistakes("profiles: !foo {}"), 1)
  })

  it("JSON: strict, with the line and column", () => {
    for (
      const [text, line, column] of [
        ["{\n  \"profiles\": {},\n}", 3, 1],
        ["{'profiles': {}}", 1, 2],
        ["{\"profiles\": {}} x", 1, 18],
        ["{\"profiles\": {\"a\": 01}}", 1, 20],
        ["{\"profiles\" {}}", 1, 13],
        ["[1 2]", 1, 4],
        ["{\"profiles\": \"a\n\"}", 1, 14],
        ["{\"profiles\": {}", 1, 16],
        ["profiles: {}", 1, 1]
      ] as const
    ) {
      const [one, ...others] = mistakes(text, "json")
      assert.deepStrictEqual([one?.line, one?.column, others.length], [line, column, 0], text)
    }
  })

  it("a key that stands twice is a mistake, in JSON too", () => {
    const yaml = `profiles:\n  a: ${profile()}\n  a: ${profile()}\n`
    assert.deepInclude(mistakes(yaml)[0], { path: "profiles.a", line: 3, column: 3, expected: "each key once" })
    const json = "{\"profiles\": {}, \"profiles\": {}}"
    assert.deepInclude(mistakes(json, "json")[0], { path: "profiles", line: 1, column: 18 })
  })

  it("__proto__ is refused as a key", () => {
    assert.deepStrictEqual(paths(`profiles: {}\n__proto__: { allowPlainSecrets: true }`), ["__proto__"])
    assert.include(paths("{\"profiles\": {}, \"__proto__\": {\"x\": 1}}", "json"), "__proto__")
    assert.deepStrictEqual(paths(`profiles: { a: ${profile(", parameters: { __proto__: a }")} }`), [
      "profiles.a.parameters.__proto__"
    ])
  })

  it("names of JavaScript's own members are ordinary names", () => {
    const config = parsed(`profiles: { constructor: ${profile()} }`)
    assert.deepStrictEqual(Object.keys(config.profiles), ["constructor"])
    const text = `profiles: {}\ncallers: [{ id: a, keys: ["${digest("a")}"], profiles: { constructor: {} } }]`
    assert.deepStrictEqual(paths(text), ["callers[0].profiles.constructor"])
  })

  it("anchors may be used, and a bomb made of anchors is refused", () => {
    const config = parsed(`profiles:\n  a: &one ${profile()}\n  b: *one\n`)
    assert.deepStrictEqual(config.profiles["a"], config.profiles["b"])
    const bomb = [
      "a0: &a0 [x]",
      ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`)
    ]
    assert.lengthOf(mistakes(bomb.join("\n")), 1)
    assert.isNotEmpty(mistakes("a: &a [*a]"))
    assert.isNotEmpty(mistakes("a: &a { b: *a }"))
    assert.deepInclude(mistakes("profiles: *nothing")[0], { path: "profiles" })
  })

  it("a text that is nested too deep, or too long, is a mistake", () => {
    for (const text of ["[".repeat(200_000), "{\"a\":".repeat(100_000), "[".repeat(100_000) + "]".repeat(100_000)]) {
      for (const format of ["yaml", "json"] as const) assert.isNotEmpty(mistakes(text, format))
    }
    assert.isNotEmpty(mistakes(`[${"1,".repeat(200_000)}1]`, "json"))
    assert.isNotEmpty(mistakes(Array.from({ length: 90_000 }, (_, i) => `k${i}: 1`).join("\n")))
    assert.deepInclude(mistakes(`profiles: {} #${"x".repeat(1_048_576)}`)[0], { expected: "at most 1 MiB" })
  })

  it("an empty file, and one that holds something else", () => {
    for (const text of ["", " \n", "# nothing", "profiles", "[]", "5", "null"]) assert.lengthOf(mistakes(text), 1, text)
    assert.deepInclude(mistakes("")[0], { found: "an empty file" })
  })

  it("a byte order mark and CRLF are fine", () => {
    parsed(`\uFEFFprofiles:\r\n  a: ${profile()}\r\n`)
    parsed("\uFEFF{\"profiles\":\r\n{}}", "json")
  })
})

describe("fields that have to agree with each other", () => {
  const one = (text: string, path: string) => assert.deepStrictEqual(paths(text), [path], text)
  const fine = (text: string) => assert.deepStrictEqual(mistakes(text), [], text)
  const source = (fields: string) => `profiles: { a: { clientId: c, authentication: { method: none }, ${fields} } }`

  it("a profile has a token endpoint or an issuer", () => {
    one("profiles: { a: { clientId: c, authentication: { method: none } } }", "profiles.a")
    one(source("issuer: https://a.example, tokenEndpoint: https://a.example/t"), "profiles.a")
    fine(source("issuer: https://a.example"))
    fine(source("tokenEndpoint: https://a.example/t?tenant=1"))
  })

  it("its URL is absolute and https, or http on a loopback host", () => {
    for (
      const url of [
        "login.example.com",
        "/token",
        "ftp://a.example",
        "http://a.example/token",
        "https://user:pw@a.example/",
        "https://a.example/#x"
      ]
    ) one(source(`tokenEndpoint: "${url}"`), "profiles.a.tokenEndpoint")
    one(source("issuer: https://a.example/?x=1"), "profiles.a.issuer")
    for (const url of ["http://localhost:1/t", "http://127.0.0.1/t", "http://[::1]:8/t", "http://app.localhost/t"]) {
      fine(source(`tokenEndpoint: "${url}"`))
    }
    fine(source("tokenEndpoint: http://a.example/t, allowInsecure: true"))
  })

  it("a parameter does not replace one that the broker sends", () => {
    one(source("issuer: https://a.example, parameters: { client_secret: x }"), "profiles.a.parameters.client_secret")
    one(source("issuer: https://a.example, parameters: { Scope: x }"), "profiles.a.parameters.Scope")
    fine(source("issuer: https://a.example, parameters: { tenant: x }"))
  })

  it("times are within their ranges", () => {
    const https = "issuer: https://a.example"
    for (
      const [field, value] of [
        ["wait", "0 s"],
        ["wait", "2 hours"],
        ["timeout", "0 ms"],
        ["assumeLifetime", "0.1 ms"],
        ["ahead", "99999 d"],
        ["ahead", "-5 s"],
        ["clockSkew", "5"],
        ["clockSkew", "5 parsecs"]
      ]
    ) one(source(`${https}, ${field}: "${value}"`), `profiles.a.${field}`)
    fine(source(`${https}, ahead: 0 s, clockSkew: 0 s, wait: 1 ms, timeout: 1 hour`))
    one(source(`${https}, rateLimit: { limit: 1, interval: 0 s }`), "profiles.a.rateLimit.interval")
    one(`limits: { sending: 0 s }\nprofiles: {}`, "limits.sending")
  })

  it("two profiles that write the same file are a mistake", () => {
    const file = "file: { path: token }"
    one(`profiles: { a: ${profile(`, ${file}`)}, b: ${profile(`, ${file}`)} }`, "profiles.b.file.path")
  })

  const withCallers = (callers: string, more = "") => `profiles: { a: ${profile(more)} }\ncallers: [${callers}]`

  it("a caller has a key or a certificate, and a listener asks for certificates", () => {
    one(withCallers("{ id: a }"), "callers[0]")
    one(withCallers("{ id: a, keys: [] }"), "callers[0]")
    fine(withCallers(`{ id: a, keys: ["${digest("a")}"] }`))
    const shown = withCallers("{ id: a, certificates: [{ subject: app }] }")
    one(shown, "callers[0].certificates")
    const tls = (more: string) => `listen: [{ port: 1, tls: { certificate: c, key: k${more} } }]\n`
    one(tls("") + shown, "callers[0].certificates")
    fine(tls(", clientCa: ca") + shown)
  })

  it("two callers with the same id, key or certificate are a mistake", () => {
    const key = (digit: string) => `keys: ["${digest(digit)}"]`
    one(withCallers(`{ id: a, ${key("a")} }, { id: a, ${key("b")} }`), "callers[1].id")
    one(withCallers(`{ id: a, ${key("a")} }, { id: b, ${key("a")} }`), "callers[1].keys[0]")
    one(withCallers(`{ id: a, keys: ["${digest("a")}", "${digest("a")}"] }`), "callers[0].keys[1]")
    const tls = "listen: [{ port: 1, tls: { certificate: c, key: k, clientCa: ca } }]\n"
    const shows = (id: string) => `{ id: ${id}, certificates: [{ san: "DNS:app" }] }`
    one(tls + withCallers(`${shows("a")}, ${shows("b")}`), "callers[1].certificates[0]")
  })

  it("a caller may name only profiles that exist, and exchange tokens only where the profile does", () => {
    const caller = (profiles: string) => `{ id: a, keys: ["${digest("a")}"], profiles: { ${profiles} } }`
    one(withCallers(caller("b: {}")), "callers[0].profiles.b")
    one(withCallers(caller("a: { tokenExchange: true }")), "callers[0].profiles.a.tokenExchange")
    fine(withCallers(caller("a: { tokenExchange: true }"), ", tokenExchange: true"))
  })

  it("a listener that other machines can reach needs TLS, and the mistake says what to do", () => {
    for (const host of ["0.0.0.0", "::", "10.1.2.3", "broker.internal", "[::]"]) {
      const listener = (more: string) => `profiles: {}\nlisten: [{ host: "${host}", port: 1${more} }]`
      one(listener(""), "listen[0]")
      assert.match(mistakes(listener(""))[0]!.hint!, /tls.*behindTlsProxy: true.*127\.0\.0\.1/)
      fine(listener(", behindTlsProxy: true"))
      fine(listener(", tls: { certificate: c, key: k }"))
    }
    for (const host of ["127.0.0.1", "::1", "[::1]", "localhost", "127.0.0.9"]) {
      fine(`profiles: {}\nlisten: [{ host: "${host}", port: 1 }]`)
    }
    one("profiles: {}\nlisten: [{ host: \"http://localhost\", port: 1 }]", "listen[0].host")
  })

  it("there is at least one listener, and each has an address of its own", () => {
    one("profiles: {}\nlisten: []", "listen")
    one("profiles: {}\nlisten: [{ port: 1 }, { port: 1 }]", "listen[1]")
    one("profiles: {}\nlisten: [{ socket: s }, { socket: s }]", "listen[1]")
    one("profiles: {}\nlisten: [{ port: 1 }]\nmetrics: { port: 1 }", "metrics")
    one("profiles: {}\nmetrics: { port: 4180 }", "metrics")
    fine(
      "profiles: {}\nlisten: [{ port: 0 }, { port: 0 }, { host: localhost, port: 1 }, { port: 1 }]\nmetrics: { port: 0 }"
    )
  })

  it("hosts and proxies have to be well-formed", () => {
    one("profiles: {}\nhosts: [\"https://broker.internal\"]", "hosts[0]")
    one("profiles: {}\nhosts: [\"broker:99999\"]", "hosts[0]")
    fine("profiles: {}\nhosts: [\"broker.internal:8443\", broker.internal, \"[2001:db8::1]:80\"]")
    one("profiles: {}\ntrustedProxies: [proxy]", "trustedProxies[0]")
    one("profiles: {}\ntrustedProxies: [10.0.0.0/33]", "trustedProxies[0]")
    fine("profiles: {}\ntrustedProxies: [10.0.0.0/8, \"::1\", 127.0.0.1]")
  })

  it("secrets in the clear need a permission", () => {
    const plain = "{ plain: s3cr3t }"
    for (
      const [profileFields, path] of [
        [`authentication: { method: basic, secret: ${plain} }`, "profiles.a.authentication.secret.plain"],
        [`authentication: { method: private-key-jwt, key: ${plain} }`, "profiles.a.authentication.key.plain"],
        [
          `authentication: { method: none }, grant: { type: refresh_token, refreshToken: ${plain} }`,
          "profiles.a.grant.refreshToken.plain"
        ],
        [
          `authentication: { method: none }, grant: { type: jwt_bearer, assertion: ${plain} }`,
          "profiles.a.grant.assertion.plain"
        ]
      ] as const
    ) {
      const text = `profiles: { a: { issuer: https://a.example, clientId: c, ${profileFields} } }`
      one(text, path)
      fine(`allowPlainSecrets: true\n${text}`)
    }
    one(`profiles: {}\nstore: { redis: { url: ${plain} } }`, "store.redis.url.plain")
    one(`profiles: {}\nstore: { folder: f, sealWith: [{ env: A }, ${plain}] }`, "store.sealWith[1].plain")
  })

  it("the address of Vault has to be https", () => {
    const text = (address: string) =>
      source("issuer: https://a.example").replace(
        "{ method: none }",
        `{ method: basic, secret: { vault: { path: p, field: f, address: "${address}" } } }`
      )
    one(text("http://vault:8200"), "profiles.a.authentication.secret.vault.address")
    fine(text("https://vault:8200"))
    fine(text("http://127.0.0.1:8200"))
  })
})

describe("a mistake in a field of several forms", () => {
  const secret = (text: string) =>
    mistakes(
      `profiles: { a: { issuer: https://a.example, clientId: c, authentication: { method: basic, secret: ${text} } } }`
    )
  const at = "profiles.a.authentication.secret"

  it("a secret", () => {
    for (const text of ["abc", "5", "{}", "[]", "{ enf: A }"]) {
      const [one, ...others] = secret(text)
      assert.deepStrictEqual([one?.path, others], [at, []], text)
      assert.strictEqual(one?.expected, "an object with either \"env\", \"file\", \"vault\" or \"plain\"")
    }
    assert.deepInclude(secret("{ env: A, file: B }")[0], { path: `${at}.file`, found: "this key beside \"env\"" })
    assert.deepInclude(secret("{ env: 5 }")[0], { path: `${at}.env`, expected: "a text that is not empty" })
    assert.deepInclude(secret("{ vault: { path: p } }")[0], { path: `${at}.vault.field`, found: "nothing" })
  })

  it("an authentication, and a grant", () => {
    const profileOf = (fields: string) =>
      paths(`profiles: { a: { issuer: https://a.example, clientId: c, ${fields} } }`).map((path) => path.slice(11))
    assert.deepStrictEqual(profileOf("authentication: { method: basic }"), ["authentication.secret"])
    assert.deepStrictEqual(profileOf("authentication: { method: none, secret: { env: A } }"), ["authentication.secret"])
    assert.deepStrictEqual(profileOf("authentication: { method: private-key-jwt, secret: { env: A } }"), [
      "authentication.key",
      "authentication.secret"
    ])
    assert.deepStrictEqual(profileOf("authentication: { secret: { env: A } }"), ["authentication.method"])
    assert.deepStrictEqual(profileOf("authentication: { method: none }, grant: { type: refresh, refreshToken: x }"), [
      "grant.type",
      "grant.refreshToken"
    ])
  })
})

describe("BrokerConfig.load", () => {
  const inFolder = <A, E>(
    body: (fs: FileSystem.FileSystem, folder: string) => Effect.Effect<A, E, NodeContext.NodeContext>
  ) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      return yield* body(fs, yield* fs.makeTempDirectoryScoped())
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

  it.effect("reads a file by its extension; paths in it are relative to its folder", () =>
    inFolder((fs, folder) =>
      Effect.gen(function*() {
        const text = `
listen: [{ socket: run/broker.sock }, { port: 1, tls: { certificate: c.pem, key: /k.pem, clientCa: ca.pem } }]
audit: { file: audit.log }
store: { folder: ../tokens, sealWith: [{ file: seal }] }
profiles:
  a:
    issuer: https://a.example
    clientId: c
    authentication: { method: basic, secret: { file: secrets/a } }
    grant: { type: refresh_token, refreshToken: { vault: { path: p, field: f, token: { file: vault } } } }
    file: { path: token }
  b: { issuer: https://a.example, clientId: c, authentication: { method: private-key-jwt, key: { file: key } } }
`
        yield* fs.writeFileString(`${folder}/broker.yaml`, text)
        const config = yield* BrokerConfig.load(`${folder}/broker.yaml`)
        assert.deepStrictEqual(config.listen, [{ socket: `${folder}/run/broker.sock` }, {
          port: 1,
          behindTlsProxy: false,
          tls: { certificate: `${folder}/c.pem`, key: "/k.pem", clientCa: `${folder}/ca.pem` }
        }])
        assert.strictEqual(config.audit.file, `${folder}/audit.log`)
        assert.deepStrictEqual(config.store, {
          folder: `${folder.slice(0, folder.lastIndexOf("/"))}/tokens`,
          sealWith: [{ file: `${folder}/seal` }]
        })
        const { a, b } = config.profiles
        assert.deepStrictEqual(a?.authentication, { method: "basic", secret: { file: `${folder}/secrets/a` } })
        assert.deepStrictEqual(a?.grant, {
          type: "refresh_token",
          refreshToken: { vault: { path: "p", field: "f", token: { file: `${folder}/vault` } } }
        })
        assert.strictEqual(a?.file?.path, `${folder}/token`)
        assert.deepStrictEqual(b?.authentication, { method: "private-key-jwt", key: { file: `${folder}/key` } })

        yield* fs.writeFileString(`${folder}/broker.json`, "{\"profiles\": {}}")
        assert.deepStrictEqual((yield* BrokerConfig.load(`${folder}/broker.json`)).profiles, {})
      })
    ))

  it.effect("the error for a file that cannot be read says why", () =>
    inFolder((fs, folder) =>
      Effect.gen(function*() {
        const problem = (name: string) =>
          Effect.map(Effect.flip(BrokerConfig.load(`${folder}/${name}`)), ({ file, mistakes }) => {
            assert.strictEqual(file, `${folder}/${name}`)
            assert.lengthOf(mistakes, 1)
            return `${mistakes[0]!.expected}: ${mistakes[0]!.found}`
          })
        assert.strictEqual(yield* problem("nothing.yaml"), "a file that can be read: none")
        yield* fs.writeFileString(`${folder}/broker.toml`, "x")
        assert.match(yield* problem("broker.toml"), /ends in \.yaml, \.yml or \.json/)
        yield* fs.makeDirectory(`${folder}/folder.yaml`)
        assert.strictEqual(yield* problem("folder.yaml"), "a file: something else")
        yield* fs.writeFile(`${folder}/binary.yml`, Uint8Array.of(0xff, 0xfe, 0x00))
        assert.strictEqual(yield* problem("binary.yml"), "text in UTF-8: other bytes")
        yield* fs.writeFile(`${folder}/large.json`, new Uint8Array(1_048_577).fill(32))
        assert.strictEqual(yield* problem("large.json"), "at most 1 MiB: more")
        yield* fs.writeFileString(`${folder}/empty.yaml`, "")
        assert.strictEqual(yield* problem("empty.yaml"), "a configuration: an empty file")
      })
    ))
})
