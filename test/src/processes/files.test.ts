import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
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
        const first = yield* Fleet.all([victim!, ...fleet], (worker) => worker.burst(250, "renewed"))
        const cold = Fleet.sum(first)
        assert.deepStrictEqual(cold.failures, [])
        assert.lengthOf(cold.tokens, 1)
        assert.lengthOf(yield* issuer.issued("renewed"), 1)

        // renewal
        yield* Fleet.all(fleet, (worker) => worker.begin(50, { pace: 100, scope: "renewed" }))
        const next = yield* eventually(
          Fleet.all([victim!, ...fleet], (worker) => worker.burst(1, "renewed")),
          (next) => Fleet.sum(next).tokens.length === 1 && Fleet.sum(next).tokens[0] !== cold.tokens[0]
        )
        const issued = yield* issuer.issued("renewed")
        const reports = yield* Fleet.all(fleet, (worker) => worker.end)
        const { requestsAt } = Fleet.sum([...first, ...next, ...reports])
        assert.isAtLeast(requestsAt.length, issued.length)
        assert.isAbove(Fleet.shortestLifecycle(requestsAt, 6000), 0.65)
        assert.include(issued.slice(1).map(({ hash }) => hash), Fleet.sum(next).tokens[0])
        const { expired, failures, heldUp } = Fleet.sum(reports)
        assert.deepStrictEqual({ expired, failures, heldUp }, { expired: 0, failures: [], heldUp: 0 })
        assert.strictEqual(Issuer.servedLate(yield* issuer.issued("renewed"), reports), 0)

        // death
        yield* victim!.stopAt("after acquire")
        yield* Effect.forkScoped(victim!.burst(1, "killed"))
        yield* victim!.stopped
        yield* victim!.signal("SIGKILL")
        const seen = yield* Fleet.burst(fleet, 50, "killed")
        assert.deepStrictEqual(seen.failures, [])
        assert.deepStrictEqual(seen.tokens, (yield* issuer.issued("killed")).map(({ hash }) => hash))
        assert.lengthOf(seen.tokens, 1)
        // after two leases without a token each of them would ask alone
        assert.notProperty(seen.events, "StoreFailed acquire timeout")
      })
  )
})
