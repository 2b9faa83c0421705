/** Runs the command line as a process: the bundle that is published, in an environment of its own. */
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect } from "effect"

const script = fileURLToPath(new URL("../../../packages/cli/scripts/bundle.mjs", import.meta.url))

let built: string | undefined
const made: Array<string> = []

// a worker that runs tests does not live to its exit
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** The bundle, built once in each process that runs tests. */
export const bundle = (): string => {
  if (built !== undefined) return built
  const folder = mkdtempSync(join(tmpdir(), "effect-bearer-cli-"))
  made.push(folder)
  const { status, stderr } = spawnSync(process.execPath, [script, "--outdir", folder], { encoding: "utf8" })
  if (status !== 0) throw new Error(`The bundle could not be built: ${stderr}`)
  built = join(folder, "effect-bearer.cjs")
  return built
}

/** What a run ended with. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  /** Beside those of {@link Home}; nothing of this process's own but `PATH`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Standard input; nothing if it is left out. */
  readonly input?: string | undefined
  readonly cwd?: string | undefined
}

/** A user of the machine who has nothing yet: an empty home, and an empty folder to work in. */
export interface Home {
  readonly home: string
  readonly cwd: string
}

export const home: Effect.Effect<Home, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "effect-bearer-home-"))
    const made = { home: join(folder, "home"), cwd: join(folder, "work"), folder }
    mkdirSync(made.home, { mode: 0o700 })
    mkdirSync(made.cwd)
    return made
  }),
  ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export const environmentOf = (user: Home, env: Options["env"] = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: user.home,
  ...env
})

/** A run that is under way; it is gone with its scope. */
export const start = (
  user: Home,
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<ChildProcessWithoutNullStreams, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [bundle(), ...args], {
        cwd: options.cwd ?? user.cwd,
        env: environmentOf(user, options.env)
      })
    ),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )

/** Waits for its end. */
export const ended = (child: ChildProcessWithoutNullStreams): Effect.Effect<Ended> =>
  Effect.async((resume) => {
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => stdout += chunk)
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => stderr += chunk)
    child.on("close", (code, signal) => resume(Effect.succeed({ code, signal, stdout, stderr })))
  })

/** A run from its start to its end. */
export const run = (user: Home, args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(user, args, options), (child) => {
    child.stdin.on("error", () => {})
    child.stdin.end(options.input ?? "")
    return ended(child)
  }))
