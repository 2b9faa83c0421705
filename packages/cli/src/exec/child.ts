/**
 * The command: it has this program's own input and output, it is told what this program is told, and its end is this
 * program's end.
 */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as terminal from "../output/terminal.js"
import * as signals from "../signals.js"

/** Keys of the terminal send these to every process in the foreground, so the command has got them already. */
const ofTheTerminal: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT"]

const windows = process.platform === "win32"

const others: ReadonlyArray<NodeJS.Signals> = windows ? ["SIGTERM"] : ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]

/** Whether a terminal could have sent a signal. */
const hasTerminal = (): boolean => {
  if (windows) return true
  try {
    closeSync(openSync("/dev/tty", "r"))
    return true
  } catch {
    return false
  }
}

/** As a shell has it: 127 for a command that is not there, 126 for one that cannot be run. */
const notStarted = (command: string, error: unknown, json: boolean): Effect.Effect<number> => {
  const code = Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : "unknown"
  const [exit, reason] = code === "ENOENT"
    ? [127, "there is no such command"] as const
    : code === "EACCES"
    ? [126, "it may not be executed"] as const
    : code === "ENOEXEC" || code === "UNKNOWN"
    ? [126, "it is no program, and no script that names its interpreter in its first line"] as const
    : [126, code] as const
  const message = `${command} could not be started: ${reason}.`
  return Effect.as(terminal.note(json ? JSON.stringify({ error: { message } }) : `effect-bearer: ${message}`), exit)
}

/** Runs it, and gives its exit code: 128 and the number of the signal for one that a signal has ended. */
export const run = (
  command: readonly [string, ...Array<string>],
  env: NodeJS.ProcessEnv,
  json: boolean
): Effect.Effect<number> =>
  Effect.scoped(Effect.gen(function*() {
    const [file, ...args] = command
    const isFromTerminal = hasTerminal()
    let child: ChildProcess | undefined
    yield* signals.take(windows ? ["SIGINT", ...others] : [...ofTheTerminal, ...others], (name) => {
      if (!isFromTerminal || !ofTheTerminal.includes(name)) child?.kill(name)
    })
    return yield* Effect.async<number>((resume) => {
      try {
        child = spawn(file, args, { env, stdio: "inherit" })
      } catch (error) {
        return resume(notStarted(file, error, json))
      }
      child.once("error", (error) => resume(notStarted(file, error, json)))
      child.once(
        "exit",
        (code, signal) => resume(Effect.succeed(code ?? (signal === null ? 1 : signals.exitCodeOf(signal))))
      )
    })
    // nothing ends this but the end of the command
  })).pipe(Effect.uninterruptible)
