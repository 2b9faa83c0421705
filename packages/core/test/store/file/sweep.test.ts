import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { AccessToken } from "../../../src/index.js"
import * as contentsOf from "../../../src/store/file/contents.js"
import * as directories from "../../../src/store/file/directory.js"
import * as names from "../../../src/store/file/fileNames.js"
import type { Directory } from "../../../src/store/file/files.js"
import * as sweeps from "../../../src/store/file/sweep.js"
import * as claims from "../../../src/store/leaseClaim.js"
import * as storedToken from "../../../src/store/storedToken.js"

const name = (letter: string) => letter.repeat(64)

interface Parts {
  readonly directory: Directory
  readonly contents: contentsOf.Contents
  readonly sweep: sweeps.Sweep
  /** What is there, in the order of the names. */
  readonly files: Effect.Effect<ReadonlyArray<string>, unknown>
  readonly now: number
}

const scenario = <A, E>(title: string, run: (parts: Parts) => Effect.Effect<A, E>) =>
  it.scoped(title, () =>
    Effect.gen(function*() {
      const now = new Date().getTime()
      yield* TestClock.setTime(now)
      const fs = yield* FileSystem.FileSystem
      const directory = yield* directories.open(`${yield* fs.makeTempDirectoryScoped()}/tokens`)
      const contents = contentsOf.make(directory)
      const files = Effect.map(directory.list, (files) => Array.from(files).sort())
      yield* run({ directory, contents, sweep: sweeps.make(directory, contents), files, now })
    }).pipe(Effect.provide(NodeContext.layer)))

describe("the sweep of a file store", () => {
  scenario(
    "superseded are the lower tokens of a key, and all but the four highest leases and floors",
    (parts) =>
      Effect.gen(function*() {
        const { contents, directory, files, sweep } = parts
        for (let fence = 1; fence <= 6; fence++) {
          yield* directory.create(names.lease(name("a"), fence), "x")
          yield* directory.create(names.token(name("a"), { fence, step: 0 }), "x")
          yield* directory.create(names.floor(fence), "")
        }
        yield* directory.create(names.lease(name("b"), 1), "x")
        yield* sweep.supersede(yield* contents.look, name("a"), { fence: 5, step: 0 })
        assert.deepStrictEqual(
          yield* files,
          [
            ...[3, 4, 5, 6].map((fence) => names.lease(name("a"), fence)),
            ...[5, 6].map((fence) => names.token(name("a"), { fence, step: 0 })),
            names.lease(name("b"), 1),
            ...[3, 4, 5, 6].map(names.floor)
          ]
        )
      })
  )

  scenario(
    "a half-written file goes when it is a minute old",
    ({ contents, directory, files, sweep }) =>
      Effect.gen(function*() {
        const once = Effect.flatMap(contents.look, (listing) => sweep.sweep(listing, ""))
        yield* directory.create(names.temporary("one"), "x")
        yield* once
        yield* TestClock.adjust("58 seconds")
        yield* once
        assert.deepStrictEqual(yield* files, [names.temporary("one")])
        yield* TestClock.adjust("10 seconds")
        yield* once
        assert.deepStrictEqual(yield* files, [])
      })
  )

  scenario(
    "a half-written file goes when it was seen for a minute, whatever its time says",
    (parts) =>
      Effect.gen(function*() {
        const { contents, directory, files, now } = parts
        // the clock of who wrote it was ahead by an hour
        const ahead = { ...directory, modifiedAt: () => Effect.succeedSome(now + 3_600_000) }
        const sweep = sweeps.make(ahead, contents)
        const once = Effect.flatMap(contents.look, (listing) => sweep.sweep(listing, ""))
        yield* directory.create(names.temporary("one"), "x")
        yield* once
        yield* TestClock.adjust("59 seconds")
        yield* once
        assert.deepStrictEqual(yield* files, [names.temporary("one")])
        yield* TestClock.adjust("1 second")
        yield* once
        assert.deepStrictEqual(yield* files, [])
      })
  )

  scenario(
    "a half-written file from beyond the next day goes at once",
    ({ contents, directory, files, now }) =>
      Effect.gen(function*() {
        const beyond = { ...directory, modifiedAt: () => Effect.succeedSome(now + 25 * 3_600_000) }
        yield* directory.create(names.temporary("one"), "x")
        yield* sweeps.make(beyond, contents).sweep(yield* contents.look, "")
        assert.deepStrictEqual(yield* files, [])
      })
  )

  scenario("a key whose time is over leaves a floor with the number it had reached", (parts) =>
    Effect.gen(function*() {
      const { contents, directory, files, now, sweep } = parts
      const put = (letter: string, fence: number, expiresAt: number) =>
        directory.create(
          names.token(name(letter), { fence, step: 0 }),
          storedToken.encode(AccessToken.make({ value: "x", issuedAt: now - 1000, expiresAt }))
        )
      yield* put("a", 7, now - 1)
      yield* put("b", 2, now + 3_600_000)
      yield* put("c", 3, now - 1)
      yield* put("d", 4, now - 1)
      yield* directory.create(names.lease(name("d"), 5), claims.encode(claims.make("other", now, 10_000)))
      yield* directory.create(names.token(name("e"), { fence: 1, step: 0 }), "of a later version")
      yield* sweep.sweep(yield* contents.look, name("c"))
      assert.deepStrictEqual(yield* files, [
        names.token(name("b"), { fence: 2, step: 0 }),
        // the key that is written at the moment
        names.token(name("c"), { fence: 3, step: 0 }),
        // one that is leased
        names.lease(name("d"), 5),
        names.token(name("d"), { fence: 4, step: 0 }),
        names.token(name("e"), { fence: 1, step: 0 }),
        names.floor(7)
      ])
    }))

  scenario("one sweep examines eight keys, and the next sweep the others", (parts) =>
    Effect.gen(function*() {
      const { contents, directory, files, sweep } = parts
      for (const letter of "0123456789abcdef") {
        yield* directory.create(names.token(name(letter), { fence: 1, step: 0 }), contentsOf.tombstone)
      }
      const left = Effect.map(files, (files) => files.filter((file) => !file.startsWith("floor.")).length)
      yield* sweep.sweep(yield* contents.look, "")
      assert.strictEqual(yield* left, 8)
      yield* sweep.sweep(yield* contents.look, "")
      assert.strictEqual(yield* left, 0)
    }))
})
