import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { BrokerConfig } from "@effect-bearer/broker"
import { Effect, Either } from "effect"
import { home, run } from "./program.js"

const digestOf = (key: string): string => `sha256:${createHash("sha256").update(key).digest("hex")}`

const profile = `profiles:
  calls:
    tokenEndpoint: https://login.example.com/oauth/token
    clientId: reporting
    authentication: { method: basic, secret: { env: CALLS_CLIENT_SECRET } }
`

describe("broker key", () => {
  // SPEC BROKER §3
  it.scoped("makes a key, another each time, and says how it is configured", () =>
    Effect.gen(function*() {
      const user = yield* home
      const keys = new Set<string>()
      // what YAML would take for a number, nothing, or a truth is text here
      for (const id of ["flow", "1.5", "null", "no"]) {
        const { code, stderr, stdout } = yield* run(user, ["broker", "key", id])
        assert.strictEqual(code, 0)
        assert.match(stdout, /^ebk_[\w-]{43}\n$/)
        const key = stdout.trim()
        keys.add(key)
        assert.notInclude(stderr, key)
        const lines = stderr.split("\n")
        const from = lines.indexOf("callers:")
        const snippet = lines.slice(from, lines.indexOf("", from)).join("\n")
        const config = Either.getOrThrow(BrokerConfig.parse(profile + snippet, { format: "yaml" }))
        assert.deepStrictEqual(config.callers.map(({ id, keys }) => ({ id, keys })), [{ id, keys: [digestOf(key)] }])
      }
      assert.strictEqual(keys.size, 4)
    }))

  // SPEC G8
  it.scoped("as JSON, quietly, and the digest of a key that is there", () =>
    Effect.gen(function*() {
      const user = yield* home
      const json = yield* run(user, ["broker", "key", "--json"])
      assert.strictEqual(json.stderr, "")
      const { digest, key, ...more } = JSON.parse(json.stdout)
      assert.deepStrictEqual(more, {})
      assert.strictEqual(digest, digestOf(key))

      const quiet = yield* run(user, ["broker", "key", "--quiet"])
      assert.strictEqual(quiet.stderr, "")
      assert.match(quiet.stdout, /^ebk_[\w-]{43}\n$/)

      // a line break at the end is none of the key's
      for (const input of [key, `${key}\n`]) {
        const again = yield* run(user, ["broker", "key", "--digest"], { input })
        assert.deepStrictEqual([again.stdout, again.stderr, again.code], [`${digest}\n`, "", 0])
      }
    }))

  it.scoped("refuses what is no id, and no key", () =>
    Effect.gen(function*() {
      const user = yield* home
      const wrong = yield* run(user, ["broker", "key", "my flow"])
      assert.deepStrictEqual([wrong.code, wrong.stdout], [2, ""])
      assert.match(wrong.stderr, /1 to 64 letters/)
      const empty = yield* run(user, ["broker", "key", "--digest"])
      assert.deepStrictEqual([empty.code, empty.stdout], [2, ""])
      const two = yield* run(user, ["broker", "key", "--digest"], { input: "not-a secret-key\n" })
      assert.deepStrictEqual([two.code, two.stdout], [2, ""])
      assert.notInclude(two.stderr, "secret-key")
    }))
})
