import { execFileSync } from "node:child_process"
import { inspect } from "node:util"
import { FileSystem, HttpClient } from "@effect/platform"
import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Exit } from "effect"
import { ConfigProvider, Duration, Effect, Layer, Logger, Option, Redacted, TestClock, Tracer } from "effect"
import { ClientAuthentication, Grant, Secret, TokenRequest } from "../../src/index.js"
import { setup } from "../fixtures/exchange.js"
import { vaultServer } from "../support/vault.js"

const withEnv = (variables: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

// SPEC B8
describe("Secret.env", () => {
  it.effect("a variable is read every time", () =>
    Effect.gen(function*() {
      const secret = Secret.env("CLIENT_SECRET")
      assert.strictEqual(Redacted.value(yield* withEnv({ CLIENT_SECRET: "one" })(secret)), "one")
      assert.strictEqual(Redacted.value(yield* withEnv({ CLIENT_SECRET: " two " })(secret)), " two ")
    }))

  it.effect("the error names the variable that is missing or blank", () =>
    Effect.gen(function*() {
      for (
        const variables of [{}, { CLIENT_SECRET: "" }, { CLIENT_SECRET: " " }] as ReadonlyArray<Record<string, string>>
      ) {
        const error = yield* Effect.flip(withEnv(variables)(Secret.env("CLIENT_SECRET")))
        assert.deepStrictEqual(error.fields, ["CLIENT_SECRET"])
      }
    }))
})

// SPEC B8, C11
describe("Secret.file", () => {
  const inFolder = <A, E>(f: (fs: FileSystem.FileSystem, path: string) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      return yield* f(fs, `${folder}/client-secret`)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

  it.effect("a file is read again when it changes; one line break at its end is not part of the secret", () =>
    inFolder((fs, path) =>
      Effect.gen(function*() {
        const secret = yield* Secret.file(path)
        for (
          const [content, expected] of [
            ["one", "one"],
            ["two\n", "two"],
            ["three\r\n", "three"],
            ["four\n\n", "four\n"],
            [" five ", " five "],
            ["sechs ü\n", "sechs ü"]
          ] as const
        ) {
          yield* fs.writeFileString(path, content)
          assert.strictEqual(Redacted.value(yield* secret), expected)
        }
      })
    ))

  it.effect("the error says what is wrong with the file, and shows none of its content", () =>
    inFolder((fs, path) =>
      Effect.gen(function*() {
        const secret = yield* Secret.file(path)
        const missing = yield* Effect.flip(secret)
        assert.strictEqual(missing._tag, "InvalidConfiguration")
        assert.include(missing.message, `${path} does not exist`)
        for (
          const [content, why] of [
            [new Uint8Array(0), "is empty"],
            [new TextEncoder().encode("\n"), "is empty"],
            [new Uint8Array([0x68, 0x75, 0xff]), "no UTF-8"],
            [new Uint8Array(70_000).fill(0x68), "larger than 64 KiB"]
          ] as const
        ) {
          yield* fs.writeFile(path, content)
          const error = yield* Effect.flip(secret)
          assert.include(error.message, why)
          assert.notInclude(inspect(error), "hh")
        }
        yield* fs.remove(path)
        yield* fs.makeDirectory(path)
        assert.include((yield* Effect.flip(secret)).message, "is no file (Directory)")
      })
    ))

  // FAULTS L3, B3: a pipe without a writer, and a device without an end
  it.effect("does not wait for a pipe, and does not read a device without an end", () =>
    inFolder((_fs, path) =>
      Effect.gen(function*() {
        yield* Effect.sync(() => execFileSync("mkfifo", [path]))
        for (const place of [path, "/dev/zero"]) {
          const error = yield* Effect.flatMap(Secret.file(place), Effect.flip)
          assert.strictEqual(error._tag, "InvalidConfiguration")
          assert.include(error.message, "is no file")
        }
      })
    ))

  it.effect("a rotated file takes effect on the next token request, and at once after a refusal", () =>
    inFolder((fs, path) =>
      Effect.gen(function*() {
        yield* fs.writeFileString(path, "old\n")
        const secret = yield* Secret.file(path)
        const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.post(secret) })
        yield* server.enqueue(Reply.oauthError("invalid_client", { status: 401 }))
        yield* Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
        yield* fs.writeFileString(path, "new\n")
        yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
        assert.deepStrictEqual((yield* server.requests).map(({ form }) => form.client_secret), ["old", "new"])
      })
    ))
})

/** It does not look like a secret, so it can be hidden only by its value. */
const vaultToken = "plain-vault-token"
const kv = (data: unknown) =>
  Reply.json({ request_id: "r", lease_id: "", data: { data, metadata: { version: 3, destroyed: false } } })

// SPEC B8
describe("Secret.vault", () => {
  const vault = (reply: Reply.Reply, options: Partial<Secret.VaultOptions> = {}) =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ answer: () => reply })
      const secret = yield* Effect.provideService(
        Secret.vault({
          address: "https://vault.test",
          token: Redacted.make(vaultToken),
          path: "genesys/production",
          field: "client_secret",
          ...options
        }),
        HttpClient.HttpClient,
        server.client
      )
      return { server, secret }
    })
  const refused = (reply: Reply.Reply) => Effect.flatMap(vault(reply), ({ secret }) => Effect.flip(secret))

  it.effect("sends the request of the KV v2 API", () =>
    Effect.gen(function*() {
      const { secret, server } = yield* vault(kv({ client_secret: "hush", other: 1 }), {
        address: "https://vault.test/prefix/",
        mount: "/team/kv/",
        path: "/a b/c?d/",
        namespace: "ns1"
      })
      assert.strictEqual(Redacted.value(yield* secret), "hush")
      const [request] = yield* server.requests
      assert.strictEqual(request!.method, "GET")
      assert.strictEqual(request!.url, "https://vault.test/prefix/v1/team/kv/data/a%20b/c%3Fd")
      assert.strictEqual(request!.headers["x-vault-token"], vaultToken)
      assert.strictEqual(request!.headers["x-vault-namespace"], "ns1")
      assert.strictEqual(request!.body, "")
    }))

  it.effect("takes address, token and namespace from the environment; one error names all missing ones", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ answer: () => kv({ f: "hush" }) })
      const make = Effect.provideService(
        Secret.vault({ path: "p", field: "f" }),
        HttpClient.HttpClient,
        server.client
      )
      const none = yield* Effect.flip(withEnv({ VAULT_TOKEN: " " })(make))
      assert.deepStrictEqual(none.fields, ["VAULT_ADDR", "VAULT_TOKEN"])
      const all = yield* Effect.flip(
        withEnv({})(Effect.provideService(
          Secret.vault({ path: "../x", field: "", mount: "/", timeout: 0 }),
          HttpClient.HttpClient,
          server.client
        ))
      )
      assert.deepStrictEqual(all.fields, ["VAULT_ADDR", "VAULT_TOKEN", "mount", "path", "field", "timeout"])
      assert.strictEqual(yield* server.count, 0)

      const env = { VAULT_ADDR: "http://127.0.0.1:8200", VAULT_TOKEN: vaultToken, VAULT_NAMESPACE: "ns2" }
      const secret = yield* withEnv(env)(make)
      assert.strictEqual(Redacted.value(yield* withEnv({ ...env, VAULT_TOKEN: "renewed" })(secret)), "hush")
      const [request] = yield* server.requests
      assert.strictEqual(request!.url, "http://127.0.0.1:8200/v1/secret/data/p")
      assert.strictEqual(request!.headers["x-vault-token"], "renewed")
      assert.strictEqual(request!.headers["x-vault-namespace"], "ns2")
    }))

  it.effect("the address must be one that a token may be sent to", () =>
    Effect.gen(function*() {
      for (const address of ["http://vault.test", "vault.test:8200", "https://a:b@vault.test", "ftp://vault.test"]) {
        const error = yield* Effect.flip(vault(Reply.status(500), { address }))
        assert.deepStrictEqual(error.fields, ["address"])
      }
    }))

  it.effect("403, 404 and a sealed Vault give different errors", () =>
    Effect.gen(function*() {
      const denied = yield* refused(Reply.json({ errors: ["1 error occurred: permission denied"] }, { status: 403 }))
      assert.strictEqual(denied._tag, "RejectedByEndpoint")
      assert.include(denied.message, "policy")
      assert.include(denied.message, "permission denied")
      const missing = yield* refused(Reply.json({ errors: [] }, { status: 404 }))
      assert.strictEqual(missing._tag, "RejectedByEndpoint")
      assert.include(missing.message, "no secret at this path")
      const sealed = yield* refused(Reply.json({ errors: ["Vault is sealed"] }, { status: 503 }))
      assert.strictEqual(sealed._tag, "EndpointUnavailable")
      assert.isTrue(sealed.retryable)
      assert.include(sealed.message, "Vault is sealed")
      const limited = yield* refused(Reply.status(429, { "retry-after": "3" }))
      assert.isTrue(
        limited._tag === "RateLimited" && Option.exists(limited.retryAfter, (wait) => Duration.toSeconds(wait) === 3)
      )
      const standby = yield* refused(Reply.redirect("https://active.test/v1/x"))
      assert.include(standby.message, "active node")
      assert.strictEqual((yield* refused(Reply.reset()))._tag, "TransportError")
    }))

  it.effect("a deleted version, a missing field, version 1 and nonsense give different errors", () =>
    Effect.gen(function*() {
      const deleted = Reply.json({ data: { data: null, metadata: { deletion_time: "x" } } }, { status: 404 })
      assert.include((yield* refused(deleted)).message, "deleted")
      const field = yield* refused(kv({ other: "hush" }))
      assert.strictEqual(field._tag, "InvalidConfiguration")
      assert.include(field.message, "no field \"client_secret\"")
      assert.notInclude(inspect(field), "hush")
      for (const value of [3, "", null, {}]) {
        assert.include((yield* refused(kv({ client_secret: value }))).message, "no text in the field")
      }
      assert.include((yield* refused(Reply.json({ data: { client_secret: "hush" } }))).message, "version 2")
      assert.strictEqual((yield* refused(Reply.html()))._tag, "MalformedResponse")
      const inherited = yield* vault(kv({}), { field: "constructor" })
      assert.include((yield* Effect.flip(inherited.secret)).message, "no field \"constructor\"")
    }))

  it.effect("a secret is used for five seconds, so that retries do not flood Vault; a failure is not kept", () =>
    Effect.gen(function*() {
      const { secret, server } = yield* vault(kv({ client_secret: "hush" }))
      yield* server.enqueue(Reply.status(503))
      yield* Effect.flip(secret)
      yield* Effect.replicateEffect(secret, 5)
      assert.strictEqual(yield* server.count, 2)
      yield* TestClock.adjust("5 seconds")
      yield* secret
      assert.strictEqual(yield* server.count, 3)
      const always = yield* vault(kv({ client_secret: "hush" }), { timeToLive: 0 })
      yield* Effect.replicateEffect(always.secret, 2)
      assert.strictEqual(yield* always.server.count, 2)
    }))

  // FAULTS S
  for (const [how, end] of [["fails", Effect.fail], ["dies", Effect.die]] as const) {
    it.effect(`the error with which the effect of the token ${how} is not shown`, () =>
      Effect.gen(function*() {
        const shown: Array<string> = []
        const keep = (value: unknown) => void shown.push(inspect(value, { depth: 9 }), JSON.stringify(value))
        const token = end(Object.assign(new Error(`no: ${vaultToken}`), { vaultToken })) as Effect.Effect<never>
        const { secret, server } = yield* vault(kv({}), { token })
        const error = yield* Effect.flip(secret).pipe(
          Effect.withTracer(Tracer.make({
            span: (...args) => {
              const span = Effect.runSync(Effect.tracer).span(...args)
              const before = span.end.bind(span)
              return Object.assign(span, {
                end: (time: bigint, exit: Exit.Exit<unknown, unknown>) => {
                  keep(exit)
                  before(time, exit)
                }
              })
            },
            context: (run) => run()
          }))
        )
        keep(error)
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, "the token for Vault could not be read")
        assert.lengthOf(yield* server.requests, 0)
        assert.lengthOf(shown, 4)
        assert.notInclude(shown.join(), vaultToken)
      }))
  }

  // FAULTS S3
  it.effect("nothing of a reply of Vault is ever shown, whatever is wrong with it", () =>
    Effect.gen(function*() {
      const hidden = "correct horse battery 4711"
      const inData = { data: { data: { client_secret: hidden }, metadata: { version: 1 } } }
      const json = JSON.stringify(inData)
      const filled = (data: unknown) => JSON.stringify({ ...inData, data })
      const bodies: ReadonlyArray<string> = [
        json.slice(0, -5),
        `${json.slice(0, -1)},"fill":"${"x".repeat(1_048_576)}"}`,
        JSON.stringify([inData]),
        JSON.stringify({ errors: [`cannot read ${hidden}`] }),
        JSON.stringify({ errors: [hidden, "permission denied"], data: hidden }),
        JSON.stringify(hidden),
        "4711",
        hidden,
        `client_secret=${hidden}`,
        `<html><title>Vault</title><p>${hidden}</p></html>`,
        `<data>${hidden}</data>`,
        filled(hidden),
        filled(4711),
        filled([hidden]),
        filled({ data: hidden, metadata: {} }),
        filled({ data: { client_secret: 4711, other: hidden }, metadata: {} }),
        filled({ data: { client_secret: { value: hidden } }, metadata: {} }),
        filled({ data: { [hidden]: hidden }, metadata: {} }),
        JSON.stringify({ [hidden]: hidden })
      ]
      for (const body of bodies) {
        for (const status of [200, 400, 403, 404, 429, 500]) {
          for (const contentType of ["application/json", "text/plain", `text/x; name="${hidden}"`]) {
            const reply = Reply.respond({ status, body, headers: { "content-type": contentType } })
            const error = yield* refused(reply)
            for (const text of [error.message, inspect(error, { depth: null }), JSON.stringify(error), String(error)]) {
              assert.notInclude(text, "4711", `${status} ${body.slice(0, 80)}`)
              assert.notInclude(text, "horse", `${status} ${body.slice(0, 80)}`)
            }
            if (status === 200) assert.match(error.message, /\d byte|no field|no text/)
          }
        }
      }
    }))

  // FAULTS W5
  it.effect("no token is needed for a Vault Agent, on a loopback host or if `agent` is true", () =>
    Effect.gen(function*() {
      const ask = (env: Record<string, string>, options: Partial<Secret.VaultOptions> = {}) =>
        Effect.gen(function*() {
          const server = yield* AuthorizationServer.make({ answer: () => kv({ f: "hush" }) })
          const secret = yield* Secret.vault({ path: "p", field: "f", ...options }).pipe(
            Effect.provideService(HttpClient.HttpClient, server.client),
            withEnv(env)
          )
          assert.strictEqual(Redacted.value(yield* withEnv(env)(secret)), "hush")
          const [request] = yield* server.requests
          const { "x-vault-request": marked = "", "x-vault-token": token = "none" } = request!.headers
          return { url: request!.url, token, marked }
        })
      const without = { token: "none", marked: "true" }
      for (
        const VAULT_ADDR of ["http://127.0.0.1:8100", "http://localhost:8100", "http://[::1]:8100", "http://127.1:8100"]
      ) {
        assert.deepInclude(yield* ask({ VAULT_ADDR }), without)
      }
      assert.deepInclude(yield* ask({}, { address: "http://127.0.0.1:8100" }), without)
      assert.deepInclude(yield* ask({ VAULT_ADDR: "https://vault.test", VAULT_AGENT_ADDR: "https://agent.test" }), {
        ...without,
        url: "https://agent.test/v1/secret/data/p"
      })
      assert.deepInclude(yield* ask({}, { address: "https://agent.test", agent: true }), without)
      // a token that is there is sent
      assert.strictEqual(
        (yield* ask({ VAULT_ADDR: "http://localhost:8100", VAULT_TOKEN: vaultToken })).token,
        vaultToken
      )
      const given = { address: "http://localhost:8100", token: Redacted.make("given") }
      assert.strictEqual((yield* ask({}, given)).token, "given")

      for (
        const options of [
          { address: "https://vault.test" },
          { address: "http://localhost:8100", agent: false },
          { address: "https://localhost.vault.test" }
        ]
      ) {
        const error = yield* Effect.flip(ask({}, options))
        assert.deepStrictEqual(error._tag === "InvalidConfiguration" && error.fields, ["VAULT_TOKEN"])
      }
      const socket = yield* Effect.flip(ask({ VAULT_AGENT_ADDR: "unix:///run/agent.sock" }))
      assert.include(socket.message, "dispatcher")
      assert.deepStrictEqual(socket._tag === "InvalidConfiguration" && socket.fields, ["VAULT_AGENT_ADDR"])
    }))

  // FAULTS W5
  it.effect("an agent without a token of its own: the advice is about the agent", () =>
    Effect.gen(function*() {
      const { secret } = yield* withEnv({})(
        vault(Reply.json({ errors: ["missing client token"] }, { status: 400 }), {
          address: "http://localhost:8100",
          token: undefined
        })
      )
      const error = yield* withEnv({})(Effect.flip(secret))
      assert.include(error.message, "use_auto_auth_token")
      assert.include(error.message, "missing client token")
    }))

  it.effect("I9 neither Vault's token nor the secret is ever shown", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make((options) => void lines.push(inspect(options, { depth: 8 })))
      for (
        const reply of [
          Reply.json({ errors: [`denied for ${vaultToken}`] }, { status: 403 }),
          Reply.json({ errors: [`sealed ${vaultToken}`] }, { status: 503 }),
          Reply.json({ data: { data: { client_secret: ["hush-hush"] } }, wrap_info: vaultToken }),
          Reply.respond({ body: `hello ${vaultToken}` })
        ]
      ) {
        const { secret } = yield* vault(reply)
        const exit = yield* Effect.exit(Effect.tapErrorCause(secret, Effect.logError)).pipe(
          Effect.withSpan("outer"),
          Effect.provide(Logger.add(logger))
        )
        lines.push(inspect(exit, { depth: null }), JSON.stringify(exit))
      }
      const { secret } = yield* vault(kv({ client_secret: "hush-hush" }))
      lines.push(inspect(yield* secret), inspect(secret, { depth: null }))
      for (const line of lines) {
        assert.notInclude(line, vaultToken)
        assert.notInclude(line, "hush-hush")
      }
    }))

  it.scopedLive("reads a secret over a socket, from a sealed Vault to a rotated secret", () =>
    Effect.gen(function*() {
      const { address, store, token: vaultToken } = yield* vaultServer
      store.sealed = true
      const open = (path: string, token = vaultToken) =>
        Secret.vault({ path, field: "client_secret", address, token: Redacted.make(token), timeToLive: 0 })
      const secret = yield* open("app/oauth")
      assert.strictEqual((yield* Effect.flip(secret))._tag, "EndpointUnavailable")
      store.sealed = false
      assert.strictEqual(Redacted.value(yield* secret), "first")
      store.secret = "second"
      assert.strictEqual(Redacted.value(yield* secret), "second")
      const status = (effect: Effect.Effect<unknown, unknown>) =>
        Effect.map(Effect.flip(effect), (error) => (error as { readonly status: number }).status)
      assert.strictEqual(yield* status(yield* open("app/other")), 404)
      assert.strictEqual(yield* status(yield* open("app/oauth", "wrong")), 403)
    }).pipe(Effect.provide(Layer.fresh(NodeHttpClient.layerUndici))))
})
