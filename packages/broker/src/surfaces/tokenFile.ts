/**
 * F6: writes the token of a profile to a file at each rotation, for programs that read one.
 *
 * **The rule.** Whoever reads sees the old token or the new one, whole: it is written beside the file, forced to the disk,
 * and renamed. What cannot be written leaves the old token where it is, is told once, and is tried again.
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { AccessToken } from "effect-bearer/AccessToken"
import * as TokenSource from "effect-bearer/TokenSource"
import type { TokenFile } from "../BrokerConfig.js"
import type { Running } from "../profile/registry.js"
import { authorization, tokenBody } from "./serving.js"

/** How often a file that could not be written is tried again, and a token that is over is noticed. */
const lookEvery = Duration.seconds(30)

const encoder = new TextEncoder()

/** Keeps the file current until its scope closes. */
export const keep = (
  { name, own }: Running,
  file: TokenFile
): Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const path = (yield* Path.Path).resolve(file.path)
    let written: AccessToken | undefined
    let isTold = false
    const step = Effect.gen(function*() {
      const { remaining, token } = yield* TokenSource.status(own)
      if (Option.isNone(token)) {
        if (file.removeDead && written !== undefined) {
          yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(path, { force: true }))
          written = undefined
        }
        return
      }
      if (written === token.value) return
      yield* replace(path, textOf(token.value, Option.getOrUndefined(remaining), file.format))
      written = token.value
      isTold = false
    }).pipe(
      Effect.catchAll((error) => {
        if (isTold) return Effect.void
        isTold = true
        return Effect.logWarning(
          `The token file of profile ${name} cannot be written (${
            reasonOf(error)
          }); the old one stays, and it is tried again.`
        )
      })
    )
    const happened = yield* TokenSource.subscribe(own)
    yield* Stream.runForEach(Stream.merge(happened, Stream.tick(lookEvery)), () => step)
  }).pipe(Effect.scoped)

/** The code of the system, such as ENOSPC: it tells a full disk from a missing folder. */
const reasonOf = (error: PlatformError.PlatformError): string =>
  error._tag === "SystemError" ? /^E[A-Z0-9]+(?=:)/.exec(error.description ?? "")?.[0] ?? error.reason : "bad argument"

const textOf = (token: AccessToken, remaining: Duration.Duration | undefined, format: TokenFile["format"]): string => {
  switch (format) {
    case "raw":
      return Redacted.value(token.value)
    case "header":
      return authorization(token)
    case "json":
      return JSON.stringify(tokenBody({
        token,
        remaining: remaining === undefined ? undefined : Duration.toMillis(remaining)
      }))
  }
}

/** Puts a file in the place of another in one step; mode 0600. */
const replace = (
  path: string,
  text: string
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const { basename, dirname, join } = yield* Path.Path
    const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.new`)
    const write = Effect.scoped(Effect.gen(function*() {
      // what a process that was killed has left
      yield* fs.remove(temporary, { force: true })
      const handle = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
      yield* handle.writeAll(encoder.encode(text))
      yield* handle.sync
    }))
    yield* Effect.zipRight(write, fs.rename(temporary, path)).pipe(
      // a token is left nowhere but in its file
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true })))
    )
  })
