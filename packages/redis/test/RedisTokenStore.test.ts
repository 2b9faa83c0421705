import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, FastCheck, Layer, Redacted } from "effect"
import type { TokenError } from "effect-bearer"
import { RedisTokenStore } from "../src/index.js"
import * as failure from "../src/internal/failure.js"

// A real Redis is in the tests that go across packages; here is what needs none.

const secret = "s3cr3t-of-redis"

const refused = (options: RedisTokenStore.Options) => Effect.flip(Effect.scoped(RedisTokenStore.make(options)))

describe("RedisTokenStore", () => {
  describe("options", () => {
    const urls = [
      "",
      " ",
      "localhost",
      "localhost:6379",
      "https://redis.internal",
      "redis://redis.internal:port",
      "redis://redis.internal:99999",
      "redis://redis.internal/database",
      `redis://user:${secret}@redis.internal:99999`,
      `redis://user:${secret}%@redis.internal`,
      `http://user:${secret}@redis.internal`
    ]
    for (const url of urls) {
      it.effect(`no valid URL: ${JSON.stringify(url)}`, () =>
        Effect.gen(function*() {
          for (const given of [url, Redacted.make(url)]) {
            const error = yield* refused({ url: given })
            assert.strictEqual(error._tag, "InvalidConfiguration")
            assert.deepStrictEqual(error.fields, ["url"])
            assert.notInclude(inspect(error, { depth: null }) + JSON.stringify(error), secret)
          }
        }))
    }

    it.effect("no URL at all, as from JavaScript", () =>
      Effect.gen(function*() {
        const none = [
          undefined,
          null,
          6379,
          {},
          new URL("redis://localhost"),
          Redacted.make(new URL("redis://localhost"))
        ]
        for (const url of none) {
          assert.deepStrictEqual((yield* refused({ url: url as string })).fields, ["url"])
        }
        assert.deepStrictEqual((yield* refused({} as RedisTokenStore.Options)).fields, ["url"])
      }))

    it.effect("no client of node-redis, as from JavaScript", () =>
      Effect.gen(function*() {
        for (const client of [null, "redis://localhost", {}]) {
          assert.deepStrictEqual((yield* refused({ client: client as never })).fields, ["client"])
        }
      }))

    it.effect("options that node-redis does not take", () =>
      Effect.gen(function*() {
        const url = `redis://user:${secret}@redis.internal:99999`
        const errors = [
          yield* refused({ options: { url } }),
          yield* refused({ sentinel: { name: "main", sentinelRootNodes: [], nodeClientOptions: { url } as {} } })
        ]
        assert.deepStrictEqual(errors.map(({ fields }) => fields), [["options"], ["sentinel"]])
        assert.notInclude(inspect(errors, { depth: null }), secret)
      }))

    it.effect("a prefix that breaks the names of keys", () =>
      Effect.gen(function*() {
        for (const prefix of ["", "{tokens}:", "a{", "}"]) {
          assert.deepStrictEqual((yield* refused({ url: "redis://localhost", prefix })).fields, ["prefix"])
        }
      }))

    it.effect("values that are no durations", () =>
      Effect.gen(function*() {
        for (const field of ["timeout", "unknownLifetime"] as const) {
          for (const duration of [0, -1, Infinity, NaN]) {
            assert.deepStrictEqual((yield* refused({ url: "redis://localhost", [field]: duration })).fields, [field])
          }
        }
      }))
  })

  describe("layerConfig", () => {
    // FAULTS W
    it.effect("an environment that may not be read is InvalidConfiguration, which names the permission", () =>
      Effect.gen(function*() {
        const denied = ConfigProvider.fromMap(new Map()).pipe(ConfigProvider.mapInputPath((name) => {
          throw Object.assign(new Error(`Requires env access to "${name}", run again with the --allow-env flag`), {
            name: "NotCapable"
          })
        }))
        for (
          const layer of [
            RedisTokenStore.layerConfig(),
            RedisTokenStore.layerConfig({ url: Config.redacted("ELSEWHERE") })
          ]
        ) {
          const error = yield* Effect.flip(Effect.scoped(Layer.build(layer))).pipe(Effect.withConfigProvider(denied))
          assert.strictEqual((error as TokenError.TokenError)._tag, "InvalidConfiguration")
          assert.include(String((error as TokenError.TokenError).message), "--allow-env")
        }
      }))

    const built = (variables: ReadonlyArray<readonly [string, string]>) =>
      Effect.flip(Effect.scoped(Layer.build(Layer.provide(
        RedisTokenStore.layerConfig(),
        Layer.setConfigProvider(ConfigProvider.fromMap(new Map(variables)))
      ))))

    it.effect("the error names the variable that is missing, blank or wrong", () =>
      Effect.gen(function*() {
        for (const variables of [[], [["REDIS_URL", " "]], [["REDIS_URL", `redis:${secret}@:x`]]] as const) {
          const error = yield* built(variables)
          assert.strictEqual(error._tag, "InvalidConfiguration")
          assert.deepStrictEqual(error.fields, ["REDIS_URL"])
          assert.include(error.message, "redis://user:password@host:6379/0")
          assert.notInclude(error.message, secret)
        }
      }))
  })

  // I9
  describe("failures", () => {
    it("an error says what to do, and shows nothing that was sent", () => {
      const said = [
        [`READONLY You can't write against a read only replica. ${secret}`, "READONLY: this server is a replica"],
        [`OOM command not allowed when used memory > 'maxmemory'. ${secret}`, "OOM: the server is full"],
        [`ERR unknown command 'evalsha', with args beginning with: '${secret}'`, "ERR: the server does not know this"],
        [`ERR The user executing the script can't run this command ${secret}`, "NOPERM: the user lacks"],
        ["ERR max number of clients reached", "the server takes no more clients"],
        ["ERR DB index is out of range", "the server has no database of that number"],
        ["ERR SELECT is not allowed in cluster mode", "a cluster has no numbered databases"],
        ["ERR This instance has cluster support disabled", "the server belongs to no cluster"],
        [`ERR unknown command \`SENTINEL\`, with args beginning with: \`${secret}\``, "the server is no sentinel"],
        ["ERR No such master with that name", "the sentinels know no master of that name"],
        [`WEIRD ${secret}`, "the server says WEIRD"],
        [secret, "there is no connection (Error)"]
      ] as const
      for (const [message, detail] of said) {
        const found = failure.fromError(new Error(message))
        assert.include(found.detail, detail)
        assert.notInclude(inspect(found, { depth: null }), secret)
      }
    })

    it("an error says why there is no connection", () => {
      const said = [
        ["ECONNREFUSED", "nothing listens there"],
        ["ENOTFOUND", "there is no such host"],
        ["EAI_AGAIN", "names of hosts cannot be looked up"],
        ["ECONNRESET", "rediss:"],
        ["ETIMEDOUT", "check host and port"],
        ["EPROTO", "redis:"],
        ["DEPTH_ZERO_SELF_SIGNED_CERT", "give the certificate of that authority as ca"],
        ["SELF_SIGNED_CERT_IN_CHAIN", "give the certificate of that authority as ca"],
        ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "give the certificate of that authority as ca"],
        ["ERR_TLS_CERT_ALTNAME_INVALID", "for another host"],
        ["CERT_HAS_EXPIRED", "out of date"],
        ["EWHATEVER", "there is no connection (EWHATEVER)"]
      ] as const
      for (const [code, detail] of said) {
        const error = Object.assign(new Error(`connect ${code} ${secret}`), { code })
        const found = failure.fromError(error)
        assert.isTrue(found.detail.startsWith(`there is no connection (${code})`))
        assert.include(found.detail, detail)
        assert.notInclude(inspect(found, { depth: null }), secret)
      }
    })

    it("with several servers, the error says what one of them answered, or else why the last one did not answer", () => {
      class RootNodesUnavailableError extends Error {}
      const none = new RootNodesUnavailableError()
      const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" })
      const reset = Object.assign(new Error("read"), { code: "ECONNRESET" })
      const wrong = new Error(`WRONGPASS ${secret}`)
      const said = [
        [[], none, "none of the nodes of the cluster can be used"],
        [[refused, reset], none, "none of the nodes of the cluster can be used: there is no connection (ECONNRESET)"],
        [[refused, wrong, reset], none, "none of the nodes of the cluster can be used: WRONGPASS"],
        [[refused], new Error("None of the sentinels are available"), "none of the sentinels can be used: there is no"],
        [[refused], wrong, "WRONGPASS: the user"]
      ] as const
      for (const [before, error, detail] of said) {
        const told = failure.collect()
        before.forEach(told.add)
        const found = told.explain(error)
        assert.isTrue(found.detail.startsWith(detail), found.detail)
        assert.notInclude(inspect(found, { depth: null }), secret)
      }
    })

    it.prop(
      "any thrown value becomes an error of the store",
      [FastCheck.anything(), FastCheck.string()],
      ([thrown, before]) => {
        const error = Object.assign(new Error(`${before}${secret}`), { code: `${before}${secret}` })
        for (const any of [thrown, error, { message: secret, code: secret }]) {
          assert.notInclude(inspect(failure.fromError(any), { depth: null }), secret)
        }
      }
    )
  })
})
