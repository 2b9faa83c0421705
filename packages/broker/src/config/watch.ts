/**
 * New configurations, as their file changes or a signal asks for it.
 *
 * The folder is watched, not the file: what is replaced by renaming, as editors and Kubernetes (`..data`) do, is another
 * file afterwards. A poll finds what the watching does not tell: a link that leads out of the folder, a network file
 * system, a folder that was replaced itself.
 */
import { createHash } from "node:crypto"
import { watch } from "node:fs"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as BrokerConfig from "../BrokerConfig.js"

export interface Options {
  /** How often the file is looked at, beside watching its folder. Default 5 seconds. */
  readonly pollEvery?: Duration.DurationInput | undefined
  /** How long the file must have been left alone before it is read. Default 200 milliseconds. */
  readonly settle?: Duration.DurationInput | undefined
  /** The signal to read it at once, changed or not. Default `SIGHUP`. */
  readonly signal?: NodeJS.Signals | undefined
}

/** A file that is written without end is read all the same, after so many looks. */
const mostLooks = 25

/**
 * Each configuration that means something else than the one before, beginning with `current`; and each time that the
 * file cannot be used, what is wrong with it, once: whoever consumes this keeps what it had. When the file is right
 * again it comes as a configuration, even if it is the old one.
 *
 * What changed between the reading of `current` and the start of the stream is found too. Watcher, timer and listener
 * are those of the stream's scope, and do not keep the process running.
 */
export const changes = (
  file: string,
  current: BrokerConfig.Config,
  options: Options = {}
): Stream.Stream<
  Either.Either<BrokerConfig.Config, BrokerConfig.ConfigurationProblems>,
  never,
  FileSystem.FileSystem | Path.Path
> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const settle = Duration.decode(options.settle ?? "200 millis")
    const path = (yield* Path.Path).resolve(file)
    const folder = (yield* Path.Path).dirname(path)
    const look = signature(yield* FileSystem.FileSystem, path)

    const wake = yield* Queue.sliding<void>(1)
    // what may have changed before the stream began is looked at first
    let asked = true
    yield* Queue.offer(wake, undefined)
    yield* onSignal(options.signal ?? "SIGHUP", () => {
      asked = true
      Queue.unsafeOffer(wake, undefined)
    })
    yield* onChange(folder, () => Queue.unsafeOffer(wake, undefined))
    yield* Effect.sleep(options.pollEvery ?? "5 seconds").pipe(
      Effect.zipRight(Queue.offer(wake, undefined)),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )

    let seen = ""
    let told = fingerprint(Either.right(current))
    const next = Effect.gen(function*() {
      for (;;) {
        yield* Queue.take(wake)
        // other files of the folder may change all the time: they cost a look now and then
        let found = yield* look
        for (let looks = 0; looks < mostLooks; looks++) {
          yield* Effect.sleep(settle)
          const before = found
          found = yield* look
          if (found === before) break
        }
        if (!asked && found === seen) continue
        asked = false
        seen = found
        const result = yield* Effect.either(BrokerConfig.load(file))
        const print = fingerprint(result)
        if (print === told) continue
        told = print
        return result
      }
    })
    return Stream.repeatEffect(next)
  }))

/** What tells whether a file is another than before, without reading it. */
const signature = (fs: FileSystem.FileSystem, path: string): Effect.Effect<string> =>
  Effect.match(fs.stat(path), {
    onFailure: (error) => error._tag === "SystemError" ? error.reason : error._tag,
    onSuccess: ({ dev, ino, mtime, size }) =>
      [dev, Option.getOrElse(ino, () => 0), Option.match(mtime, { onNone: () => 0, onSome: Number }), size].join(" ")
  })

const encode = Schema.encodeSync(BrokerConfig.Config)

/** Two that are equal mean the same. It is a digest, because a configuration may hold secrets in clear. */
const fingerprint = (
  result: Either.Either<BrokerConfig.Config, BrokerConfig.ConfigurationProblems>
): string =>
  createHash("sha256").update(
    Either.match(result, { onLeft: ({ message }) => message, onRight: (config) => JSON.stringify(encode(config)) })
  ).digest("hex")

const onSignal = (signal: NodeJS.Signals, listener: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => void process.on(signal, listener)),
    () => Effect.sync(() => void process.removeListener(signal, listener))
  )

/** Where a folder cannot be watched (too many are, or the file system tells nothing), the poll has to do. */
const onChange = (folder: string, listener: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try(() => {
      const watcher = watch(folder, { persistent: false }, listener)
      // of a watcher that breaks, nothing more comes
      watcher.on("error", () => watcher.close())
      return watcher
    }),
    (watcher) => Effect.sync(() => watcher.close())
  ).pipe(
    Effect.catchAll(() =>
      Effect.logWarning(`The folder ${folder} cannot be watched: changes of the configuration are found by polling it.`)
    ),
    Effect.asVoid
  )
