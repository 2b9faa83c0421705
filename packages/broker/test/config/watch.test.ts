import { readdirSync, readFileSync, symlinkSync } from "node:fs"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Chunk, Effect, Either, Exit, Fiber, Logger, LogLevel, Queue, Scope as Scopes, Stream } from "effect"
import type { Options } from "../../src/config/watch.js"
import { changes } from "../../src/config/watch.js"
import { BrokerConfig } from "../../src/index.js"

const text = (port: number, more = "") => `listen: [{ port: ${port} }]\nprofiles: {}\n${more}`

/** The port of a configuration, or the mistakes of a file that has none. */
const told = Either.match({
  onLeft: ({ mistakes }: BrokerConfig.ConfigurationProblems) => mistakes.map(({ found }) => found).join(),
  onRight: ({ listen: [first] }: BrokerConfig.Config) => "port" in first ? first.port : "socket"
})

/** At once: a file that is written over is empty for a moment, and may be seen so. */
const replace = (fs: FileSystem.FileSystem, file: string, content: string) =>
  Effect.zipRight(fs.writeFileString(`${file}.new`, content), fs.rename(`${file}.new`, file))

/** Only what a test is about wakes the stream. */
const quiet: Options = { pollEvery: "1 hour", settle: "20 millis" }

const started = (file: string, options: Options = quiet) =>
  Effect.gen(function*() {
    const current = yield* BrokerConfig.load(file)
    const queue = yield* Queue.unbounded<string | number>()
    const listeners = process.listenerCount("SIGHUP")
    const fiber = yield* changes(file, current, options).pipe(
      Stream.runForEach((one) => Queue.offer(queue, told(one))),
      Effect.forkScoped
    )
    // the stream is on when it listens; the first look follows, and finds whatever comes before it
    yield* until(() => process.listenerCount("SIGHUP") > listeners)
    return { queue, fiber, next: Queue.take(queue) }
  })

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => condition() ? Effect.void : Effect.zipRight(Effect.sleep("5 millis"), until(condition)))

const inFolder = <A, E>(
  body: (folder: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, NodeContext.NodeContext | Scope.Scope>
) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    return yield* body(yield* fs.makeTempDirectoryScoped(), fs)
  }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))

const left = () => [process.listenerCount("SIGHUP"), ...(process.platform === "linux" ? [watches()] : [])]

/** As the kernel counts them. */
const watches = () =>
  readdirSync("/proc/self/fdinfo").reduce((sum, fd) => {
    try {
      return sum + (readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").match(/^inotify wd/gm)?.length ?? 0)
    } catch {
      return sum
    }
  }, 0)

// one after the other: a signal is for the whole process
describe.sequential("changes of a configuration", () => {
  it.live("a file that is written over", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const { next } = yield* started(file)
        for (const port of [2, 3]) {
          yield* fs.writeFileString(file, text(port))
          // the file is empty for a moment, and may be seen so
          yield* Effect.repeat(next, { until: (one) => one === port })
        }
      })
    ))

  it.live("a file that is replaced, as editors and deployments do", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const { next } = yield* started(file)
        for (const port of [2, 3]) {
          yield* replace(fs, file, text(port))
          assert.strictEqual(yield* next, port)
        }
        // with a copy of the old one, as vim keeps it
        yield* fs.rename(file, `${file}~`)
        yield* replace(fs, file, text(4))
        yield* Effect.repeat(next, { until: (one) => one === 4 })
      })
    ))

  it.live("a ConfigMap of Kubernetes", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const version = (port: number) =>
          Effect.gen(function*() {
            yield* fs.makeDirectory(`${folder}/..v${port}`)
            yield* fs.writeFileString(`${folder}/..v${port}/broker.yaml`, text(port))
            symlinkSync(`..v${port}`, `${folder}/..data_tmp`)
            yield* fs.rename(`${folder}/..data_tmp`, `${folder}/..data`)
          })
        yield* version(1)
        const file = `${folder}/broker.yaml`
        symlinkSync("..data/broker.yaml", file)
        const { next } = yield* started(file)
        for (const port of [2, 3]) {
          yield* version(port)
          assert.strictEqual(yield* next, port)
        }
      })
    ))

  it.live("a link out of the folder is found by polling", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(`${folder}/etc`)
        yield* fs.writeFileString(`${folder}/real.yaml`, text(1))
        const file = `${folder}/etc/broker.yaml`
        symlinkSync("../real.yaml", file)
        const { next } = yield* started(file, { ...quiet, pollEvery: "20 millis" })
        yield* replace(fs, `${folder}/real.yaml`, text(2))
        assert.strictEqual(yield* next, 2)
      })
    ))

  it.live("SIGHUP", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        yield* fs.makeDirectory(`${folder}/etc`)
        yield* fs.writeFileString(`${folder}/real.yaml`, text(1))
        const file = `${folder}/etc/broker.yaml`
        symlinkSync("../real.yaml", file)
        const { next } = yield* started(file)
        for (const port of [2, 3, 4]) {
          yield* replace(fs, `${folder}/real.yaml`, text(port))
          process.kill(process.pid, "SIGHUP")
          assert.strictEqual(yield* next, port)
        }
      })
    ))

  it.live("a change without a change of meaning is not announced", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const { next, queue } = yield* started(file)
        for (const same of [text(1, "# a comment"), text(1, "callers: []"), text(1)]) {
          yield* replace(fs, file, same)
          process.kill(process.pid, "SIGHUP")
          yield* fs.writeFileString(`${folder}/other`, same)
        }
        yield* replace(fs, file, text(2))
        assert.strictEqual(yield* next, 2)
        assert.strictEqual(yield* Queue.size(queue), 0)
      })
    ))

  it.live("a broken file is announced once; then the corrected file, even if it is the old one", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const { next } = yield* started(file)
        yield* replace(fs, file, "profiles: [")
        assert.include(String(yield* next), "a bracket that is not closed")
        process.kill(process.pid, "SIGHUP")
        yield* replace(fs, file, text(1))
        assert.strictEqual(yield* next, 1)
        yield* fs.remove(file)
        assert.strictEqual(yield* next, "none")
        yield* replace(fs, file, text(2))
        assert.strictEqual(yield* next, 2)
      })
    ))

  it.live("a change from before the stream began is announced first", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const current = yield* BrokerConfig.load(file)
        yield* fs.writeFileString(file, text(2))
        const first = yield* changes(file, current, quiet).pipe(Stream.take(1), Stream.runCollect)
        assert.deepStrictEqual(Chunk.toArray(first).map(told), [2])
      })
    ))

  it.live("a folder that cannot be watched is polled", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/etc/broker.yaml`
        yield* fs.makeDirectory(`${folder}/etc`)
        yield* fs.writeFileString(file, text(1))
        const current = yield* BrokerConfig.load(file)
        yield* fs.remove(`${folder}/etc`, { recursive: true })
        const queue = yield* Queue.unbounded<string | number>()
        yield* changes(file, current, { ...quiet, pollEvery: "20 millis" }).pipe(
          Stream.runForEach((one) => Queue.offer(queue, told(one))),
          Logger.withMinimumLogLevel(LogLevel.None),
          Effect.forkScoped
        )
        assert.strictEqual(yield* Queue.take(queue), "none")
        yield* fs.makeDirectory(`${folder}/etc`)
        yield* replace(fs, file, text(2))
        assert.strictEqual(yield* Queue.take(queue), 2)
      })
    ))

  it.live("no watcher and no timer is left when the scope closes or the consumer is interrupted", () =>
    inFolder((folder, fs) =>
      Effect.gen(function*() {
        const file = `${folder}/broker.yaml`
        yield* fs.writeFileString(file, text(1))
        const before = left()
        const scope = yield* Scopes.make()
        yield* Scopes.extend(started(file), scope)
        assert.deepStrictEqual(left(), before.map((count) => count + 1))
        yield* Scopes.close(scope, Exit.void)
        assert.deepStrictEqual(left(), before)

        const { fiber } = yield* started(file)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(left(), before)
      })
    ))
})
