import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option, TestClock } from "effect"
import { AccessToken } from "../../../src/index.js"
import * as contentsOf from "../../../src/store/file/contents.js"
import * as directories from "../../../src/store/file/directory.js"
import * as names from "../../../src/store/file/fileNames.js"
import type { Directory } from "../../../src/store/file/files.js"
import * as claims from "../../../src/store/leaseClaim.js"
import * as storedToken from "../../../src/store/storedToken.js"
import * as Clocks from "../../../src/values/Clocks.js"
import { secret } from "../../support/observe.js"

const name = "a".repeat(64)
const lease = { key: "key", owner: "me", fence: 3 }
const token = (value: string) => AccessToken.make({ value, issuedAt: 0 })

const scenario = <A, E>(
  title: string,
  run: (directory: Directory, contents: contentsOf.Contents) => Effect.Effect<A, E>
) =>
  it.scoped(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(new Date().getTime())
      const fs = yield* FileSystem.FileSystem
      const directory = yield* directories.open(`${yield* fs.makeTempDirectoryScoped()}/tokens`)
      yield* run(directory, contentsOf.make(directory))
    }).pipe(Effect.provide(NodeContext.layer)))

describe("what the files of a key say", () => {
  scenario(
    "a lease runs for its length; one that is missing does not run",
    (directory, { isRunning }) =>
      Effect.gen(function*() {
        const now = yield* Clocks.now
        assert.isFalse(yield* isRunning(name, 3, now, 10_000))
        yield* directory.create(names.lease(name, 3), claims.encode(claims.make("other", now.wall, 10_000)))
        assert.isTrue(yield* isRunning(name, 3, now, 10_000))
        yield* TestClock.adjust(10_000)
        assert.isFalse(yield* isRunning(name, 3, yield* Clocks.now, 10_000))
      })
  )

  scenario(
    "an unreadable lease runs from the time of its file on, as long as the one asked for",
    (directory, contents) =>
      Effect.gen(function*() {
        yield* directory.create(names.lease(name, 3), "")
        assert.isTrue(Option.isNone(Option.getOrThrow(yield* contents.claimOf(name, 3))))
        assert.isTrue(yield* contents.isRunning(name, 3, yield* Clocks.now, 10_000))
        yield* TestClock.adjust(12_000)
        assert.isFalse(yield* contents.isRunning(name, 3, yield* Clocks.now, 10_000))
      })
  )

  scenario(
    "a lease is the latest while there is no higher lease, and no token of a higher one",
    (directory, contents) =>
      Effect.gen(function*() {
        const isLatest = Effect.flatMap(contents.look, (listing) => contents.isLatest(listing, name, lease))
        // all files are gone: no other lease can have been given with this number
        assert.isTrue(yield* isLatest)
        yield* directory.create(names.floor(4), "")
        assert.isFalse(yield* isLatest)
        yield* directory.remove(names.floor(4))
        yield* directory.create(names.lease(name, 3), claims.encode(claims.make("me", 0, 1)))
        assert.isTrue(yield* isLatest)
        yield* directory.create(names.token(name, { fence: 4, step: 0 }), "")
        assert.isFalse(yield* isLatest)
        yield* directory.remove(names.token(name, { fence: 4, step: 0 }))
        yield* directory.create(names.lease(name, 4), claims.encode(claims.make("other", 0, 1)))
        assert.isFalse(yield* isLatest)
      })
  )

  scenario(
    "a lease of the same number that has another owner is another one",
    (directory, contents) =>
      Effect.gen(function*() {
        yield* directory.create(names.lease(name, 3), claims.encode(claims.make("other", 0, 1)))
        assert.isFalse(yield* contents.isLatest(yield* contents.look, name, lease))
      })
  )

  scenario(
    "the token of the highest lease counts, there the highest step; a removal is no token",
    (directory, contents) =>
      Effect.gen(function*() {
        const put = (fence: number, step: number, content: string) =>
          directory.create(names.token(name, { fence, step }), content)
        assert.isUndefined(yield* contents.stored(name))
        yield* put(3, 0, storedToken.encode(token("first")))
        yield* put(3, 1, storedToken.encode(token("second")))
        yield* put(2, 9, storedToken.encode(token("of a late holder")))
        const here = yield* contents.stored(name)
        assert.deepStrictEqual(here?.version, { fence: 3, step: 1 })
        assert.strictEqual(secret(Either.getOrThrow(here!.token)), "second")
        yield* put(3, 2, contentsOf.tombstone)
        assert.isUndefined(yield* contents.stored(name))
      })
  )

  scenario(
    "a token that disappears between the listing and the reading is looked for again",
    (directory) =>
      Effect.gen(function*() {
        yield* directory.create(names.token(name, { fence: 3, step: 0 }), storedToken.encode(token("first")))
        let reads = 0
        const contents = contentsOf.make({
          ...directory,
          read: (file) => Effect.suspend(() => reads++ === 0 ? Effect.succeedNone : directory.read(file))
        })
        assert.strictEqual(secret(Either.getOrThrow((yield* contents.stored(name))!.token)), "first")
        assert.strictEqual(reads, 2)
      })
  )
})
