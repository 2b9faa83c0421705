/**
 * Programs of the machine that tests run: whether they are there, and what they say. All of them are gone when the
 * scope is closed, or the test is stopped.
 */
import type { ChildProcess } from "node:child_process"
import { spawn, spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Servers are in a folder that is not everybody's to search. */
const environment = { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` }

const works = (command: string, args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { env: environment, stdio: "ignore" }).status === 0

/** A program that tests need. */
export interface Program {
  readonly name: string
  /** How it is run, if it is there. */
  readonly command: string | undefined
}

/** A program that is on the path. */
export const program = (name: string, args: ReadonlyArray<string> = ["--version"]): Program => ({
  name,
  command: works(name, args) ? name : undefined
})

/** A Python that has a module: that of the system, for which packages are installed, before one that somebody built. */
export const python = (module: string): Program => ({
  name: `Python's ${module}`,
  command: ["/usr/bin/python3", "python3"].find((command) => works(command, ["-c", `import ${module}`]))
})

/** A `describe` whose tests need programs: they fail without them on CI, and are skipped, loudly, anywhere else. */
export const describeWith = (needed: ReadonlyArray<Program>, name: string, tests: () => void): void => {
  const missing = needed.filter(({ command }) => command === undefined).map(({ name }) => name).join(", ")
  if (missing === "") return void describe(name, tests)
  describe(name, () => {
    if (process.env.CI === "true") {
      it(`needs ${missing}`, () => assert.fail(`${missing} not installed: ${name} was not tested`))
    } else {
      console.warn(`${missing} not installed: ${name.toUpperCase()} IS NOT TESTED`)
      it.skip(`needs ${missing}, not installed`)
    }
  })
}

/** Scopes do not close when a process is stopped in the middle of a test. */
const running = new Set<ChildProcess>()
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")))

/** A process that runs. */
export interface Running {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Its exit code, when it has ended and everything that it wrote is read; -1 if a signal ended it. */
  readonly ended: Effect.Effect<number>
}

/** Starts a program, and kills it when the scope is closed. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {}
) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const child = spawn(command, args, { env: { ...environment, ...options.env } })
      running.add(child)
      let stdout = ""
      let stderr = ""
      let code: number | undefined
      child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text)
      child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
      // one that ends before it has read its input says so by its exit code
      child.stdin.on("error", () => {})
      child.stdin.end(options.stdin ?? "")
      child.on("error", (error) => stderr += error.message)
      child.on("close", (exit) => {
        running.delete(child)
        code = exit ?? -1
      })
      return {
        child,
        stdout: () => stdout,
        stderr: () => stderr,
        ended: Effect.async((resume) => {
          if (code !== undefined) return resume(Effect.succeed(code))
          child.once("close", (exit) => resume(Effect.succeed(exit ?? -1)))
        })
      }
    }),
    ({ child }) =>
      Effect.async<void>((resume) => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        // not `close`: a child of its own may keep its output open
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** What a program said, and how it ended. */
export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. */
export const run = (...given: Parameters<typeof start>): Effect.Effect<Said> =>
  Effect.scoped(Effect.gen(function*() {
    const { ended, stderr, stdout } = yield* start(...given)
    const code = yield* ended
    return { code, stdout: stdout(), stderr: stderr() }
  }))
