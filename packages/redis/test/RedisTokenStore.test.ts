import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FastCheck, Layer, Redacted } from "effect"
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
      it.effect(`a URL that is none: ${JSON.stringify(url)}`, () =>
        Effect.gen(function*() {
          for (const given of [url, Redacted.make(url)]) {
            const error = yield* refused({ url: given })
            assert.strictEqual(error._tag, "InvalidConfiguration")
            assert.deepStrictEqual(error.fields, ["url"])
            assert.notInclude(inspect(error, { depth: null }) + JSON.stringify(error), secret)
          }
        }))
    }

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

    it.effect("durations that are none", () =>
      Effect.gen(function*() {
        for (const field of ["timeout", "unknownLifetime"] as const) {
          for (const duration of [0, -1, Infinity, NaN]) {
            assert.deepStrictEqual((yield* refused({ url: "redis://localhost", [field]: duration })).fields, [field])
          }
        }
      }))
  })

  describe("layerConfig", () => {
    const built = (variables: ReadonlyArray<readonly [string, string]>) =>
      Effect.flip(Effect.scoped(Layer.build(Layer.provide(
        RedisTokenStore.layerConfig(),
        Layer.setConfigProvider(ConfigProvider.fromMap(new Map(variables)))
      ))))

    it.effect("names the variable that is missing, blank or wrong", () =>
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
    it("say what to do, and nothing that was sent", () => {
      const said = [
        [`READONLY You can't write against a read only replica. ${secret}`, "READONLY: this server is a replica"],
        [`OOM command not allowed when used memory > 'maxmemory'. ${secret}`, "OOM: the server is full"],
        [`ERR unknown command 'evalsha', with args beginning with: '${secret}'`, "ERR: the server knows no such"],
        [`ERR The user executing the script can't run this command ${secret}`, "NOPERM: the user lacks"],
        ["ERR max number of clients reached", "the server takes no more clients"],
        ["ERR DB index is out of range", "the server has no database of that number"],
        [`WEIRD ${secret}`, "the server says WEIRD"],
        [secret, "there is no connection (Error)"]
      ] as const
      for (const [message, detail] of said) {
        const found = failure.fromError(new Error(message))
        assert.include(found.detail, detail)
        assert.notInclude(inspect(found, { depth: null }), secret)
      }
    })

    it.prop("whatever is thrown", [FastCheck.anything(), FastCheck.string()], ([thrown, before]) => {
      const error = Object.assign(new Error(`${before}${secret}`), { code: `${before}${secret}` })
      for (const any of [thrown, error, { message: secret, code: secret }]) {
        assert.notInclude(inspect(failure.fromError(any), { depth: null }), secret)
      }
    })
  })
})
