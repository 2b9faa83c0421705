import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Rate } from "../../src/policy/rate.js"
import { ask, basic, form, get, newKey, setUp } from "../support/broker.js"

/** Runs a program to its end; gives what it printed. */
const run = (fixture: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const file = fileURLToPath(new URL(`../fixtures/${fixture}.ts`, import.meta.url))
    execFile(
      process.execPath,
      ["--expose-gc", "--import", "tsx", file],
      { timeout: 250_000 },
      (error, stdout, stderr) => error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`))
    )
  })

describe("rates", () => {
  // SPEC BROKER §3
  it("10 000 wrong keys from one address are limited, cost no memory, and do not keep a caller there from its token", async () => {
    const { counts, good, grown, lines, withoutRetryAfter } = JSON.parse(await run("wrongKeys"))
    assert.deepStrictEqual(Object.keys(counts).filter((status) => status !== "401"), ["429"])
    assert.strictEqual((counts["401"] ?? 0) + counts["429"], 10_000)
    // one more each second, after those of the first minute
    assert.isAtLeast(counts["429"], 9000)
    assert.strictEqual(withoutRetryAfter, 0)
    assert.isAtLeast(good, 2)
    assert.isAtMost(grown, 3_000_000)
    assert.isAtMost(lines, 500, "who is refused so often does not fill the disk")
  })

  // SPEC BROKER §3
  it.scopedLive("each caller has a rate of its own over all surfaces and addresses, and does not use up that of others", () =>
    Effect.gen(function*() {
      const other = yield* newKey
      const { key, listening, origin, server } = yield* setUp({
        caller: { rate: { limit: 3, interval: "1 hour" } },
        callers: [{ id: "other", keys: [other.digest], profiles: { main: {} } }]
      })
      const v6 = listening.addresses.find((address) => address.includes("[::1]")) ?? origin
      const token = (key: string, id: string, at = origin) =>
        ask(at, "/oauth2/main/token", {
          method: "POST",
          headers: { authorization: basic(id, key), "content-type": "application/x-www-form-urlencoded" },
          body: form({ grant_type: "client_credentials" })
        })
      assert.strictEqual((yield* token(key, "flow")).status, 200)
      assert.strictEqual((yield* token(key, "flow", v6)).status, 200)
      assert.strictEqual((yield* ask(origin, "/inject/main", { headers: get(key) })).status, 200)
      const refused = [
        yield* token(key, "flow"),
        yield* token(key, "flow", v6),
        yield* ask(origin, "/v1/profiles/main/token", { headers: get(key) }),
        yield* ask(origin, "/inject/main", { headers: get(key) }),
        yield* ask(origin, "/status", { headers: get(key) })
      ]
      for (const { headers, status } of refused) {
        assert.strictEqual(status, 429)
        assert.isAtLeast(Number(headers["retry-after"]), 1)
      }
      assert.strictEqual(refused[0]!.json.error, "temporarily_unavailable")
      for (let i = 0; i < 10; i++) assert.strictEqual((yield* token(other.key, "other")).status, 200)
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC BROKER §3
  it.scopedLive("each address has a rate, for any caller and for the open paths, too", () =>
    Effect.gen(function*() {
      const { key, origin } = yield* setUp({
        config: { limits: { requestsPerAddress: { limit: 4, interval: "1 hour" } } }
      })
      const statuses = yield* Effect.forEach(
        ["/health/live", "/v1/profiles/main/token", "/", "/health/ready", "/health/live", "/v1/profiles/main/token"],
        (path) => Effect.map(ask(origin, path, { headers: get(key) }), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [200, 200, 200, 200, 429, 429])
    }))

  // SPEC BROKER §3
  it("names that come once, from very many addresses, are not kept", () => {
    const rate = new Rate()
    const limit = { limit: 1, interval: 3_600_000 }
    for (let i = 0; i < 50_000; i++) rate.take(`address ${i}`, limit, i)
    assert.isAtMost(rate.size, 10_000)
    // the latest are still known
    assert.isAbove(rate.take("address 49999", limit, 50_000), 0)
  })
})
