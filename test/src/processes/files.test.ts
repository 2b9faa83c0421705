import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../redis/RedisServer.js"
import * as Fleet from "./Fleet.js"
import * as Issuer from "./Issuer.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "tokens-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
)

const lease = 3000

describe("4 processes of one machine that share files", () => {
  // I1, I2, I11, SPEC C5
  it.scopedLive(
    "make one token request per lifecycle, and go on after the one that fetches is killed",
    () =>
      Effect.gen(function*() {
        const issuer = yield* Issuer.start((scope) => scope === "renewed" ? 6 : 600)
        const directory = join(yield* folder, "tokens")
        const [victim, ...fleet] = yield* Fleet.start(
          4,
          Issuer.patient(issuer, { store: { _tag: "File", directory }, lease })
        )

        // cold start
        const cold = yield* Fleet.burst([victim!, ...fleet], 250, "renewed")
        assert.deepStrictEqual(cold.failures, [])
        assert.lengthOf(cold.tokens, 1)
        assert.lengthOf(yield* issuer.issued("renewed"), 1)

        // renewal
        yield* Fleet.all(fleet, (worker) => worker.begin(50, { pace: 100, scope: "renewed" }))
        const renewed = yield* eventually(
          Fleet.burst([victim!, ...fleet], 1, "renewed"),
          ({ tokens }) => tokens.length === 1 && tokens[0] !== cold.tokens[0]
        )
        const reports = yield* Fleet.all(fleet, (worker) => worker.end)
        const issued = yield* issuer.issued("renewed")
        assert.deepStrictEqual(renewed.tokens, [issued[1]!.hash])
        const { expired, failures, heldUp } = Fleet.sum(reports)
        assert.deepStrictEqual({ expired, failures, heldUp }, { expired: 0, failures: [], heldUp: 0 })
        assert.strictEqual(Issuer.servedLate(issued, reports), 0)

        // death
        yield* victim!.stopAt("after acquire")
        yield* Effect.forkScoped(victim!.burst(1, "killed"))
        yield* victim!.stopped
        yield* victim!.signal("SIGKILL")
        const seen = yield* Fleet.burst(fleet, 50, "killed")
        assert.deepStrictEqual(seen.failures, [])
        assert.deepStrictEqual(seen.tokens, (yield* issuer.issued("killed")).map(({ hash }) => hash))
        assert.lengthOf(seen.tokens, 1)
        assert.isBelow(seen.longestWait, 2 * lease)
      }),
    120_000
  )
})
