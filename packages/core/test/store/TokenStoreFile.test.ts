import { execFileSync } from "node:child_process"
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { inspect } from "node:util"
import { Error as PlatformError, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Clock, Context, Deferred, Effect, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { AccessToken, TokenStore } from "../../src/index.js"
import { secret } from "../support/observe.js"

const hour = 3_600_000
const ttl = 10_000
const key = "tenant|users:read"

/** The file system with some of its functions replaced. */
type Faults = (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>

/** One process on the directory. */
const open = (directory: string, faults: Faults = () => ({})) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const context = yield* Layer.build(Layer.fresh(TokenStore.layerFile({ directory }))).pipe(
      Effect.provideService(FileSystem.FileSystem, { ...fs, ...faults(fs) })
    )
    return Context.get(context, TokenStore.TokenStore)
  })

/** Sets the clock to today, because files have their times from the machine. */
const scenario = <A, E>(
  title: string,
  run: (folder: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, NodeContext.NodeContext | Scope.Scope>
) =>
  it.scoped(title, () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(new Date().getTime())
      const fs = yield* FileSystem.FileSystem
      yield* run(`${yield* fs.makeTempDirectoryScoped()}/tokens`, fs)
    }).pipe(Effect.provide(NodeContext.layer)))

const make = (value: string, lifetime: number | null = hour) =>
  Effect.map(
    TestClock.currentTimeMillis,
    (now) => AccessToken.make({ value, issuedAt: now, ...(lifetime === null ? {} : { expiresAt: now + lifetime }) })
  )

const held = (store: TokenStore.Service, of = key) => Effect.map(store.acquire(of, ttl), Option.getOrThrow)

/** Stores a token the usual way. */
const fill = (store: TokenStore.Service, value: string, of = key, lifetime: number | null = hour) =>
  Effect.gen(function*() {
    const lease = yield* held(store, of)
    assert.isTrue(yield* store.put(yield* make(value, lifetime), lease))
    yield* store.release(lease)
    return lease
  })

const read = (store: TokenStore.Service, of = key) =>
  Effect.map(store.get(of), (token) => Option.getOrUndefined(Option.map(token, secret)))

const failure = (code: string, method: string, reason: PlatformError.SystemErrorReason = "Unknown") =>
  new PlatformError.SystemError({
    module: "FileSystem",
    method,
    reason,
    pathOrDescriptor: "/somewhere/s3cr3t-path",
    description: `${code}: the system says no, open '/somewhere/s3cr3t-path'`,
    cause: new globalThis.Error("s3cr3t-cause")
  })

/** Waits for an event of the system, which does not depend on the TestClock. */
const settled = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 100)))

const eventually = (isSo: () => boolean) =>
  Effect.iterate(0, { while: (rounds) => rounds < 50 && !isSo(), body: (rounds) => Effect.as(settled, rounds + 1) })

/** A process that falls asleep in its next operation, just before the operation gives a file its name. */
const sleeper = (directory: string) =>
  Effect.gen(function*() {
    const asleep = yield* Deferred.make<void>()
    const awake = yield* Deferred.make<void>()
    let sleeps = false
    const store = yield* open(directory, (fs) => ({
      link: (from, to) =>
        Effect.suspend(() => {
          const link = fs.link(from, to)
          if (!sleeps) return link
          sleeps = false
          return Deferred.succeed(asleep, void 0).pipe(Effect.zipRight(Deferred.await(awake)), Effect.zipRight(link))
        })
    }))
    const falls = Effect.sync(() => sleeps = true)
    const next: Pick<TokenStore.Service, "acquire" | "put"> = {
      acquire: (key, ttl) => Effect.zipRight(falls, store.acquire(key, ttl)),
      put: (token, lease) => Effect.zipRight(falls, store.put(token, lease))
    }
    return { store, next, asleep: Deferred.await(asleep), wake: Deferred.succeed(awake, void 0) }
  })

describe("TokenStore.layerFile: files", () => {
  // I9, SPEC C8
  scenario(
    "files can be read by their owner only, show nothing in their names, and are few",
    (directory, fs) =>
      Effect.gen(function*() {
        const mask = process.umask(0)
        yield* Effect.addFinalizer(() => Effect.sync(() => process.umask(mask)))
        const store = yield* open(directory)
        for (let i = 0; i < 30; i++) yield* fill(store, `token-${i}`)
        assert.strictEqual((yield* fs.stat(directory)).mode & 0o777, 0o700)
        const files = yield* fs.readDirectory(directory)
        for (const file of files) {
          assert.match(file, /^[0-9a-f]{64}\.(lease\.\d+|token\.\d+\.\d+)$/)
          assert.strictEqual((yield* fs.stat(`${directory}/${file}`)).mode & 0o777, 0o600)
        }
        assert.lengthOf(files.filter((file) => file.includes(".token.")), 1)
        assert.isAtMost(files.length, 6)
        // a removed token is not on the disk any more
        yield* store.remove(key, yield* make("token-29"))
        for (const file of yield* fs.readDirectory(directory)) {
          assert.notInclude(yield* fs.readFileString(`${directory}/${file}`), "token-")
        }
      })
  )

  // FAULTS K
  scenario(
    "files of dead writers whose time lies in the future, or who are many, are deleted all the same",
    (directory, fs) =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_800_000_000_000)
        const store = yield* open(directory)
        const now = yield* Clock.currentTimeMillis
        const dead = (name: string, at: number) =>
          Effect.zipRight(
            fs.writeFileString(`${directory}/tmp.${name}`, "half a tok"),
            fs.utimes(`${directory}/tmp.${name}`, new Date(at), new Date(at))
          )
        for (let i = 0; i < 20; i++) yield* dead(`hour-${i}`, now + 3_600_000)
        yield* dead("year", now + 365 * 86_400_000)
        const left = Effect.map(fs.readDirectory(directory), (files) =>
          files.filter((file) => file.startsWith("tmp.")).length)
        for (let i = 0; i < 4; i++) {
          yield* fill(store, `a-${i}`, "other")
        }
        // another host may have a clock that is ahead, and its file may be alive
        assert.strictEqual(yield* left, 20)
        yield* TestClock.adjust(59_000)
        for (let i = 0; i < 4; i++) {
          yield* fill(store, `b-${i}`, "other")
        }
        assert.strictEqual(yield* left, 20)
        yield* TestClock.adjust(2_000)
        for (let i = 0; i < 4; i++) {
          yield* fill(store, `c-${i}`, "other")
        }
        assert.strictEqual(yield* left, 0)
      })
  )

  scenario(
    "files of dead writers, and of keys whose time is over, are deleted when other tokens are stored",
    (directory, fs) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        for (let i = 0; i < 20; i++) yield* fill(store, `short-${i}`, `short-${i}`, 60_000)
        yield* fill(store, "long", "long")
        yield* fill(store, "unknown", "unknown", null)
        const fetching = yield* held(store, "failed")
        yield* fs.writeFileString(`${directory}/tmp.dead`, "{\"version\":1,\"value\":\"half a tok")
        // by the clock of the test, however much real time has passed
        const writtenAt = new Date(yield* Clock.currentTimeMillis)
        yield* fs.utimes(`${directory}/tmp.dead`, writtenAt, writtenAt)
        yield* TestClock.adjust(30_000)
        yield* fill(store, "other", "other")
        assert.include(yield* fs.readDirectory(directory), "tmp.dead")
        yield* TestClock.adjust(32_000)
        const running = yield* held(store, "running")
        for (let i = 0; i < 8; i++) yield* fill(store, `other-${i}`, "other")
        assert.isTrue(Option.isNone(yield* store.acquire("running", ttl)))
        assert.isTrue(yield* store.put(yield* make("running", 1000), running))
        yield* store.remove("running", yield* make("running"))
        const files = yield* fs.readDirectory(directory)
        assert.notInclude(files, "tmp.dead")
        // three tokens, and the marker of the removed one
        assert.lengthOf(files.filter((file) => file.includes(".token.")), 4)
        assert.strictEqual(yield* read(store, "long"), "long")
        assert.strictEqual(yield* read(store, "unknown"), "unknown")
        // the numbers do not begin anew: I11 for a process that slept all the time
        const lease = yield* fill(store, "newer", "failed")
        assert.isAbove(lease.fence, fetching.fence)
        assert.isFalse(yield* store.put(yield* make("older"), fetching))
        assert.strictEqual(yield* read(store, "failed"), "newer")
      })
  )

  scenario(
    "a holder that wakes up after its key was deleted does not store an older token",
    (directory) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        for (let i = 0; i < 5; i++) yield* fill(store, `before-${i}`, "other")
        const late = yield* held(store)
        yield* TestClock.adjust(ttl)
        yield* fill(store, "short", key, 1000)
        yield* TestClock.adjust(1000)
        yield* fill(store, "sweep", "other")
        assert.isFalse(yield* store.put(yield* make("older"), late))
        yield* fill(store, "newer")
        assert.isFalse(yield* store.put(yield* make("older"), late))
        assert.strictEqual(yield* read(store), "newer")
      })
  )
})

describe("TokenStore.layerFile: problems", () => {
  scenario("a problem with the directory is an error when the layer is built", (folder, fs) =>
    Effect.gen(function*() {
      const refused = (directory: string, faults?: Faults) =>
        Effect.map(Effect.flip(open(directory, faults)), (error) => {
          assert.strictEqual(error._tag, "InvalidConfiguration")
          assert.deepStrictEqual(error.fields, ["directory"])
          assert.notInclude(inspect(error), "s3cr3t")
          return error.message
        })
      assert.include(yield* refused(" "), "is blank")
      yield* fs.makeDirectory(folder)
      yield* fs.writeFileString(`${folder}/file`, "")
      assert.include(yield* refused(`${folder}/file`), `${folder}/file is no directory`)
      assert.include(yield* refused(`${folder}/file/sub`), "can't be looked at (ENOTDIR in stat)")
      yield* fs.makeDirectory(`${folder}/open`)
      for (const mode of [0o777, 0o770, 0o1777]) {
        yield* fs.chmod(`${folder}/open`, mode)
        assert.include(yield* refused(`${folder}/open`), "others may write to")
      }
      const no = (code: string, method: string) => () => Effect.fail(failure(code, method))
      assert.include(
        yield* refused(`${folder}/a`, () => ({ makeDirectory: no("EROFS", "makeDirectory") })),
        "can't be created (EROFS in makeDirectory)"
      )
      // Node.js tries for ever to make a folder and its parents in such a place (FAULTS L)
      if (process.platform === "linux") {
        for (const place of ["/proc/effect-bearer", "/proc/effect-bearer/tokens", "/sys/effect-bearer/tokens"]) {
          assert.include(yield* refused(place), `${place} can't be created`)
        }
      }
      assert.include(
        yield* refused(`${folder}/b`, () => ({ writeFileString: no("EACCES", "writeFile") })),
        "can't be written to (EACCES in writeFile)"
      )
      assert.include(
        yield* refused(`${folder}/c`, () => ({ link: no("EPERM", "link") })),
        "offers no hard links (EPERM in link)"
      )
      assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/c`), [])
    }))

  // SPEC C8
  scenario(
    "a problem with the disk is an error of the operation; it shows no token and leaves no file",
    (folder, fs) =>
      Effect.gen(function*() {
        const healthy = yield* open(folder)
        yield* fill(healthy, "old")
        const lease = yield* held(healthy)
        let broken: string | undefined
        const store = yield* open(folder, (fs) => {
          const unless = <A extends Array<never>, B>(
            method: string,
            f: (...args: A) => Effect.Effect<B, PlatformError.PlatformError>
          ) =>
          (...args: A) => Effect.suspend(() => broken === method ? Effect.fail(failure("ENOSPC", method)) : f(...args))
          return {
            writeFileString: unless("writeFile", fs.writeFileString as never),
            link: unless("link", fs.link as never),
            readDirectory: unless("readDirectory", fs.readDirectory as never),
            readFileString: unless("readFile", fs.readFileString as never),
            rename: unless("rename", fs.rename as never)
          } as Partial<FileSystem.FileSystem>
        })
        const token = yield* make("s3cr3t-token")
        for (
          const [operation, methods, run] of [
            ["get", ["readDirectory", "readFile"], store.get(key)],
            ["put", ["readDirectory", "readFile", "writeFile", "link"], store.put(token, lease)],
            ["acquire", ["readDirectory", "readFile"], store.acquire(key, ttl)],
            ["acquire", ["writeFile", "link"], store.acquire("another", ttl)],
            ["release", ["readFile", "writeFile", "rename"], store.release(lease)],
            ["remove", ["readDirectory", "readFile", "writeFile", "link"], store.remove(key, yield* make("old"))]
          ] as ReadonlyArray<
            readonly [string, ReadonlyArray<string>, Effect.Effect<unknown, TokenStore.StoreError>]
          >
        ) {
          for (const method of methods) {
            broken = method
            const error = yield* Effect.flip(run)
            assert.strictEqual(error._tag, "StoreError")
            assert.strictEqual(error.operation, operation)
            assert.strictEqual(error.reason, "unavailable")
            assert.strictEqual(error.detail, `ENOSPC in ${method}`)
            assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error), "s3cr3t")
          }
        }
        broken = undefined
        assert.deepStrictEqual((yield* fs.readDirectory(folder)).filter((file) => file.startsWith("tmp.")), [])
        // afterwards the store is unchanged
        assert.strictEqual(yield* read(store), "old")
        assert.isTrue(yield* store.put(token, lease))
      })
  )

  scenario("a directory that was removed is made again", (directory, fs) =>
    Effect.gen(function*() {
      const store = yield* open(directory)
      const lease = yield* fill(store, "gone")
      const gone = fs.remove(directory, { recursive: true })
      yield* gone
      assert.strictEqual(yield* read(store), undefined)
      yield* store.release(lease)
      yield* store.remove(key, yield* make("gone"))
      yield* fill(store, "again")
      assert.strictEqual((yield* fs.stat(directory)).mode & 0o777, 0o700)
      assert.strictEqual(yield* read(store), "again")
      // the numbers are lost with it; an earlier holder may still store until there is another lease
      yield* gone
      const before = yield* held(store)
      yield* gone
      assert.isTrue(yield* store.put(yield* make("before"), before))
      yield* gone
      const after = yield* held(store)
      assert.isFalse(yield* store.put(yield* make("before"), before))
      assert.isTrue(yield* store.put(yield* make("after"), after))
      assert.strictEqual(yield* read(store), "after")
    }))

  // P20, SPEC C8
  scenario(
    "a token that is damaged, or that other users may read, is unreadable until the next put",
    (directory, fs) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        for (
          const spoil of [
            (file: string) => fs.writeFileString(file, ""),
            (file: string) => fs.truncate(file, 40),
            (file: string) => fs.writeFile(file, new Uint8Array([0xff, 0, 0xfe])),
            (file: string) => fs.writeFileString(file, "{\"version\":2,\"value\":\"s3cr3t\"}"),
            (file: string) => fs.writeFileString(file, "null"),
            (file: string) => fs.chmod(file, 0o644),
            (file: string) => fs.chmod(file, 0o620)
          ]
        ) {
          const lease = yield* fill(store, "s3cr3t")
          const file = (yield* fs.readDirectory(directory)).find((file) => file.includes(".token."))!
          yield* spoil(`${directory}/${file}`)
          const error = yield* Effect.flip(store.get(key))
          assert.strictEqual(error.reason, "unreadable")
          assert.notInclude(inspect(error), "s3cr3t")
          yield* store.remove(key, yield* make("s3cr3t"))
          assert.strictEqual((yield* Effect.flip(store.get(key))).reason, "unreadable")
          assert.isTrue(yield* store.put(yield* make("next"), lease))
          assert.strictEqual(yield* read(store), "next")
        }
      })
  )

  scenario(
    "a lease that can't be read counts as running for the length of a lease",
    (directory, fs) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        const lease = yield* held(store)
        const file = (yield* fs.readDirectory(directory)).find((file) => file.includes(".lease."))!
        yield* fs.writeFileString(`${directory}/${file}`, "{\"owner\":")
        yield* TestClock.adjust(1000)
        assert.isTrue(Option.isNone(yield* store.acquire(key, ttl)))
        assert.isTrue(yield* store.put(yield* make("mine"), lease))
        yield* store.release(lease)
        yield* TestClock.adjust(ttl + 1000)
        assert.isAbove((yield* held(store)).fence, lease.fence)
      })
  )

  scenario(
    "a clock that was set back does not keep a dead holder's lease alive",
    (directory) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        yield* held(store)
        yield* TestClock.setTime((yield* TestClock.currentTimeMillis) - 3)
        assert.isTrue(Option.isNone(yield* store.acquire(key, ttl)))
        yield* TestClock.setTime((yield* TestClock.currentTimeMillis) - hour)
        assert.isTrue(Option.isSome(yield* store.acquire(key, ttl)))
      })
  )
})

// I11: a process may sleep or die between any two of its steps
describe("TokenStore.layerFile: sleep or death between two steps", () => {
  scenario(
    "a process that sleeps before taking a number that others take and end does not get it",
    (directory) =>
      Effect.gen(function*() {
        const slow = yield* sleeper(directory)
        const store = yield* open(directory)
        const first = yield* fill(store, "token-0")
        const acquiring = yield* Effect.fork(slow.next.acquire(key, ttl))
        yield* slow.asleep
        // so many leases that the file of the number it wants is deleted
        for (let i = 1; i <= 12; i++) yield* fill(store, `token-${i}`)
        const running = yield* held(store)
        assert.isAbove(running.fence, first.fence + 6)
        yield* slow.wake
        assert.isTrue(Option.isNone(yield* Fiber.join(acquiring)))
        assert.isTrue(yield* store.put(yield* make("newest"), running))
      })
  )

  scenario(
    "a process that sleeps before taking a number, while its key is deleted, gets a higher one",
    (directory) =>
      Effect.gen(function*() {
        const slow = yield* sleeper(directory)
        const store = yield* open(directory)
        yield* fill(store, "token")
        const acquiring = yield* Effect.fork(slow.next.acquire(key, ttl))
        yield* slow.asleep
        for (let i = 0; i < 6; i++) yield* fill(store, `short-${i}`, key, 1000)
        const last = yield* fill(store, "short", key, 1000)
        yield* TestClock.adjust(1000)
        yield* fill(store, "sweep", "other")
        yield* slow.wake
        assert.isAbove(Option.getOrThrow(yield* Fiber.join(acquiring)).fence, last.fence)
      })
  )

  scenario(
    "a token of a holder that sleeps before storing is not read once another process has stored one",
    (directory) =>
      Effect.gen(function*() {
        const slow = yield* sleeper(directory)
        const store = yield* open(directory)
        const late = yield* held(slow.store)
        const putting = yield* Effect.fork(slow.next.put(yield* make("older"), late))
        yield* slow.asleep
        yield* TestClock.adjust(ttl)
        yield* fill(store, "newer")
        yield* slow.wake
        yield* Fiber.join(putting)
        assert.strictEqual(yield* read(store), "newer")
        assert.strictEqual(yield* read(slow.store), "newer")
        yield* store.remove(key, yield* make("newer"))
        assert.strictEqual(yield* read(store), undefined)
      })
  )

  scenario("a process that dies after any step leaves a store that works", (folder) =>
    Effect.gen(function*() {
      let survived = false
      for (let steps = 0; !survived; steps++) {
        assert.isBelow(steps, 80)
        const directory = `${folder}-${steps}`
        const healthy = yield* open(directory)
        const first = yield* fill(healthy, "old")

        let left = Number.POSITIVE_INFINITY
        const died = yield* Deferred.make<void>()
        const mortal = yield* open(directory, (fs) =>
          new Proxy(fs, {
            get: (target, name: keyof FileSystem.FileSystem) =>
              typeof target[name] !== "function" || name === "watch" ?
                target[name] :
                (...args: Array<never>) =>
                  Effect.suspend(() => {
                    const step = (target[name] as unknown as (...args: Array<never>) => Effect.Effect<unknown>)(...args)
                    if (left-- > 0) return step
                    const [path, content] = args as ReadonlyArray<string>
                    // death in the middle of a write
                    const half = name === "writeFileString" && left === -1
                      ? Effect.orDie(fs.writeFileString(path!, content!.slice(0, content!.length / 2), { flag: "wx" }))
                      : Effect.void
                    return half.pipe(Effect.zipRight(Deferred.succeed(died, void 0)), Effect.zipRight(Effect.never))
                  })
          }))
        left = steps
        const life = Effect.gen(function*() {
          const lease = yield* held(mortal)
          yield* mortal.put(yield* make("new"), lease)
          yield* mortal.release(lease)
          yield* mortal.remove(key, yield* make("new"))
        })
        survived = yield* Effect.raceFirst(Effect.as(life, true), Effect.as(Deferred.await(died), false))

        const heir = yield* open(directory)
        assert.include(survived ? [undefined] : ["old", "new", undefined], yield* read(heir))
        yield* TestClock.adjust(ttl)
        const next = yield* held(heir)
        assert.isAbove(next.fence, first.fence)
        assert.include(["old", "new", undefined], yield* read(heir))
        assert.isTrue(yield* heir.put(yield* make("newest"), next))
        assert.strictEqual(yield* read(heir), "newest")
        yield* heir.release(next)
        // a half-written file is deleted when it is a minute old
        yield* TestClock.adjust(60_000)
        yield* fill(heir, "last")
        const fs = yield* FileSystem.FileSystem
        assert.deepStrictEqual((yield* fs.readDirectory(directory)).filter((file) => file.startsWith("tmp.")), [])
      }
    }))

  scenario(
    "an interrupted caller returns at once, and the lease that it did not get is given back",
    (directory) =>
      Effect.gen(function*() {
        const slow = yield* sleeper(directory)
        const fiber = yield* Effect.fork(slow.next.acquire(key, hour))
        yield* slow.asleep
        yield* Fiber.interrupt(fiber)
        yield* slow.wake
        yield* settled
        assert.isTrue(Option.isSome(yield* slow.store.acquire(key, ttl)))
      })
  )
})

describe("TokenStore.layerFile: changes", () => {
  const listen = (store: TokenStore.Service) =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(store.changes, (key) => Effect.sync(() => void heard.push(key))))
      yield* settled
      return heard
    })

  scenario(
    "changes by other processes are announced for the keys that this process has asked about",
    (directory) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        const other = yield* open(directory)
        const heard = yield* listen(store)
        yield* read(store)
        yield* fill(other, "token", "unheard of")
        yield* settled
        assert.deepStrictEqual(heard, [])
        const lease = yield* held(other)
        for (
          const step of [
            Effect.asVoid(Effect.flatMap(make("token"), (token) => other.put(token, lease))),
            other.release(lease),
            Effect.flatMap(make("token"), (token) => other.remove(key, token))
          ]
        ) {
          heard.length = 0
          yield* step
          yield* eventually(() => heard.length > 0)
          assert.deepStrictEqual(new Set(heard), new Set([key]))
        }
      })
  )

  // I8
  scenario(
    "changes of this process are announced without a watcher, and no watcher is left open",
    (directory) =>
      Effect.gen(function*() {
        let watchers = 0
        for (
          const watch of [
            () => Stream.fail(failure("ENOSPC", "watch")),
            () => Stream.die("ENOSPC"),
            () => Stream.empty,
            () =>
              Stream.unwrapScoped(
                Effect.as(
                  Effect.acquireRelease(Effect.sync(() => watchers++), () => Effect.sync(() => watchers--)),
                  Stream.concat(Stream.make({ _tag: "Create" as const, path: "what.is.this" }), Stream.never)
                )
              )
          ]
        ) {
          const store = yield* open(directory, () => ({ watch }))
          yield* Effect.gen(function*() {
            const heard = yield* listen(store)
            yield* fill(store, "token")
            yield* eventually(() => heard.length > 0)
            assert.deepStrictEqual(new Set(heard), new Set([key]))
          }).pipe(Effect.scoped)
          assert.strictEqual(watchers, 0)
        }
      })
  )
})

it.scoped("TokenStore.layerFile: no rendering of the store shows a token", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = `${yield* fs.makeTempDirectoryScoped()}/tokens`
    const store = yield* open(directory)
    yield* fill(store, "s3cr3t-token", key, null)
    const got = yield* store.get(key)
    assert.notInclude(inspect([store, got], { depth: 9 }) + JSON.stringify(got), "s3cr3t-token")
    assert.strictEqual(Redacted.value(Option.getOrThrow(got).value), "s3cr3t-token")
  }).pipe(Effect.provide(NodeContext.layer)))

// FAULTS T7
describe("TokenStore.layerFile: owners of files", () => {
  /**
   * Makes a path look as if it belonged to another user: so the rights of the user who runs the tests do not matter.
   */
  const ownedBy = (uid: number, isIt: (path: string) => boolean): Faults => (fs) => ({
    stat: (path) => Effect.map(fs.stat(path), (info) => isIt(path) ? { ...info, uid: Option.some(uid) } : info)
  })
  const isDirectory = (directory: string) => (path: string) => path === directory
  const refused = (directory: string, faults?: Faults) =>
    Effect.map(Effect.flip(open(directory, faults)), (error) => {
      assert.strictEqual(error._tag, "InvalidConfiguration")
      return error.message
    })

  scenario(
    "a directory of another user is refused, even if root runs the program",
    (directory, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(directory, { mode: 0o700 })
        assert.include(yield* refused(directory, ownedBy(54_321, isDirectory(directory))), "belongs to another user")
        if (process.getuid?.() === 0) {
          yield* fs.chown(directory, 54_321, 54_321)
          assert.include(yield* refused(directory), "belongs to another user")
          // through a link as well
          yield* fs.symlink(directory, `${directory}-link`)
          assert.include(yield* refused(`${directory}-link`), "belongs to another user")
        }
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
      })
  )

  scenario(
    "a directory of root is accepted, and so is one on a system without owners",
    (directory, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(directory, { mode: 0o700 })
        yield* fill(yield* open(directory, ownedBy(0, isDirectory(directory))), "one")
        const silent: Faults = (fs) => ({
          stat: (path) => Effect.map(fs.stat(path), (info) => ({ ...info, uid: Option.none() }))
        })
        assert.strictEqual(yield* read(yield* open(directory, silent)), "one")
      })
  )

  scenario(
    "a directory that other users may replace is refused, unless the directory above is sticky",
    (folder, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(`${folder}/above/tokens`, { recursive: true })
        yield* fs.chmod(`${folder}/above`, 0o777)
        assert.include(yield* refused(`${folder}/above/tokens`), `everybody may write to ${folder}/above`)
        assert.include(yield* refused(`${folder}/above/new`), `everybody may write to ${folder}/above`)
        yield* fs.chmod(`${folder}/above`, 0o1777)
        yield* fill(yield* open(`${folder}/above/tokens`), "one")
      })
  )

  scenario(
    "a directory below one of another user is refused, because that user could replace it",
    (folder, fs) =>
      Effect.gen(function*() {
        const above = `${folder}/above`
        const tokens = `${above}/deep/tokens`
        yield* fs.makeDirectory(tokens, { recursive: true, mode: 0o700 })
        // also under a sticky bit, which does not bind the owner
        for (const mode of [0o755, 0o1777]) {
          yield* fs.chmod(above, mode)
          for (const directory of [tokens, `${above}/new-${mode}`]) {
            const message = yield* refused(directory, ownedBy(54_321, isDirectory(above)))
            assert.include(message, `${above} belongs to another user, who could replace ${directory}`)
          }
        }
        if (process.getuid?.() === 0) {
          yield* fs.chown(above, 54_321, 54_321)
          assert.include(yield* refused(tokens), `${above} belongs to another user`)
          yield* fs.symlink(tokens, `${folder}/link`)
          assert.include(yield* refused(`${folder}/link`), `${above} belongs to another user`)
          yield* fs.chown(above, 0, 0)
        }
        // root, and the user that a container shows for users it has no id for
        for (const uid of [0, 65_534]) yield* open(tokens, ownedBy(uid, isDirectory(above)))
        yield* fill(yield* open(tokens), "one")
      })
  )

  scenario(
    "a planted token is not read: a file of another user, a link, a file that others may write",
    (directory, fs) =>
      Effect.gen(function*() {
        const store = yield* open(directory)
        const plain = { get: (store: TokenStore.Service) => Effect.flip(store.get(key)) }
        yield* fill(store, "good")
        const file = `${directory}/${(yield* fs.readDirectory(directory)).find((name) => name.includes(".token."))!}`

        const planted = yield* open(directory, ownedBy(54_321, (path) => path === file))
        const error = yield* plain.get(planted)
        assert.strictEqual(error.reason, "unreadable")
        assert.include(error.detail, "belongs to another user")
        if (process.getuid?.() === 0) {
          yield* fs.chown(file, 54_321, 54_321)
          assert.include((yield* plain.get(store)).detail, "belongs to another user")
          yield* fs.chown(file, 0, 0)
        }
        assert.strictEqual(yield* read(store), "good")

        for (const mode of [0o620, 0o602, 0o640, 0o666]) {
          yield* fs.chmod(file, mode)
          assert.include((yield* plain.get(store)).detail, "its mode is not 600")
        }
        yield* fs.chmod(file, 0o600)

        yield* fs.rename(file, `${directory}-elsewhere`)
        yield* fs.symlink(`${directory}-elsewhere`, file)
        assert.include((yield* plain.get(store)).detail, "is a link")
        // and the next token replaces it
        yield* fill(store, "next")
        assert.strictEqual(yield* read(store), "next")
      })
  )

  // FAULTS T7, L4
  const planted: ReadonlyArray<readonly [what: string, plant: (file: string) => unknown]> = [
    ["a pipe", (file) => execFileSync("mkfifo", [file])],
    ["a link to a device without an end", (file) => symlinkSync("/dev/zero", file)],
    ["a directory", (file) => mkdirSync(file)],
    ["a file of a terabyte", (file) => (writeFileSync(file, "", { mode: 0o600 }), truncateSync(file, 2 ** 40))]
  ]
  for (const [what, plant] of process.platform === "win32" ? [] : planted) {
    scenario(
      `${what} in the place of a token or a lease is waited for by nobody`,
      (directory, fs) =>
        Effect.gen(function*() {
          const store = yield* open(directory)
          yield* fill(store, "good")
          for (const kind of [".token.", ".lease."]) {
            const [name = ""] = (yield* fs.readDirectory(directory)).filter((name) => name.includes(kind)).sort()
              .reverse()
            yield* fs.remove(`${directory}/${name}`)
            plant(`${directory}/${name}`)
          }
          const error = yield* Effect.flip(store.get(key))
          assert.strictEqual(error.operation, "get")
          // it counts as running for the length of a lease, and is over then
          yield* store.acquire(key, ttl).pipe(Effect.either)
          yield* TestClock.adjust(2 * ttl)
          const lease = yield* Effect.either(store.acquire(key, ttl))
          const granted = Option.getOrThrow(yield* lease)
          assert.isTrue(yield* store.put(yield* make("next"), granted))
          assert.strictEqual(yield* read(store), "next")
        })
    )
  }
})
