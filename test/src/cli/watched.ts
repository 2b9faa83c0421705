/** A run of the command line that goes on for a while: what it has said so far, and its end. */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdirSync, readdirSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import type { Scope } from "effect"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import type { Ended, Home, Options } from "./program.js"
import { bundle, environmentOf } from "./program.js"

export interface Watched {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits until one of the two says something like it. */
  readonly says: (text: RegExp) => Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for its end, and for that of everything that has its output. */
  readonly ended: Effect.Effect<Ended>
}

/** The folder for temporary files that a run has for itself. */
export const temporary = (user: Home): string => {
  const folder = join(user.home, "tmp")
  mkdirSync(folder, { recursive: true })
  return folder
}

/** What is left there. */
export const leftovers = (user: Home): ReadonlyArray<string> => readdirSync(temporary(user))

/** Starts a program with its own folder for temporary files, in a session of its own: it has no terminal. */
export const watch = (
  user: Home,
  command: string,
  args: ReadonlyArray<string>,
  env: Options["env"] = {}
): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(command, args, {
          cwd: user.cwd,
          env: environmentOf(user, { TMPDIR: temporary(user), ...env }),
          detached: true
        })
        const said = { stdout: "", stderr: "" }
        let end: Ended | undefined
        for (const name of ["stdout", "stderr"] as const) {
          child[name].setEncoding("utf8").on("data", (text: string) => said[name] += text)
        }
        child.stdin.on("error", () => {})
        child.on("close", (code, signal) => end = { code, signal, ...said })
        return { child, said, ended: () => end }
      }),
      ({ child, ended }) =>
        Effect.sync(() => {
          if (ended() !== undefined || child.pid === undefined) return
          try {
            process.kill(-child.pid, "SIGKILL")
          } catch {
            // all of them have ended
          }
        })
    ),
    ({ child, ended, said }): Watched => ({
      child,
      stdout: () => said.stdout,
      stderr: () => said.stderr,
      says: (text) =>
        Effect.asVoid(eventually(
          Effect.suspend(() =>
            text.test(said.stdout) || text.test(said.stderr)
              ? Effect.succeed(true)
              : Effect.fail(`${String(text)}: ${JSON.stringify({ ...said, ended: ended() })}`)
          ),
          (yes) => yes
        )),
      signal: (name) => Effect.sync(() => void child.kill(name)),
      ended: Effect.map(eventually(Effect.sync(ended), (end) => end !== undefined), (end) => end!)
    })
  )

/** The command line itself. */
export const watchProgram = (user: Home, args: ReadonlyArray<string>, env: Options["env"] = {}) =>
  watch(user, process.execPath, [bundle(), ...args], env)

/** Whether somebody listens at the origin. */
export const listens = (origin: string): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const { hostname, port } = new URL(origin)
    const socket = createConnection({ host: hostname, port: Number(port) })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })
