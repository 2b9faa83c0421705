/** Runs the command line at a terminal of its own: util-linux `script` makes one. */
import { spawn } from "node:child_process"
import { Effect } from "effect"
import { program, run } from "../programs.js"
import type { Ended, Home } from "./program.js"
import { bundle, ended, environmentOf } from "./program.js"

export const script = program("script")

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** What the terminal shows, line ends as `\n`. `redirected` stands behind the command, as in a shell: `< file`. */
export const atTerminal = (
  user: Home,
  args: ReadonlyArray<string>,
  options: { readonly env?: Readonly<Record<string, string>>; readonly redirected?: string } = {}
) => {
  const command = [process.execPath, bundle(), ...args].map(quoted).join(" ")
  const { HOME } = environmentOf(user)
  return Effect.map(
    run("script", ["-qec", `${command} ${options.redirected ?? ""}`, "/dev/null"], {
      env: { HOME: HOME ?? "", TERM: "xterm", ...options.env }
    }),
    ({ code, stdout }) => ({ code, shown: stdout.replaceAll("\r\n", "\n") })
  )
}

/** Runs a line of a shell, in which `"$@"` is the command line. */
export const inShell = (
  user: Home,
  line: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Ended> =>
  Effect.suspend(() => {
    const child = spawn("sh", ["-c", line, "sh", process.execPath, bundle(), ...args], {
      env: environmentOf(user, env),
      cwd: user.cwd
    })
    child.stdin.end()
    return ended(child)
  })
