/** What `effect-bearer` says of itself: each command in a line. The options of one are told by `COMMAND --help`. */
import type { Style } from "../output/terminal.js"
import { paint } from "../output/terminal.js"
import { version } from "../version.js"

/** In the order in which they are told. */
export const commands: ReadonlyArray<readonly [name: string, what: string]> = [
  ["token", "Print an access token, which is kept between runs"],
  ["call", "Send an authenticated request, as curl does"],
  ["exec", "Run a program that gets its tokens from a broker of its own"],
  ["inspect", "Show what a token says of itself (not verified)"],
  ["introspect", "Ask the server about a token (RFC 7662)"],
  ["revoke", "Revoke a token (RFC 7009)"],
  ["doctor", "Find out what is wrong, and what to do first"],
  ["explain", "Show the page about an error or a finding"],
  ["serve", "Run the token broker; --demo needs no configuration"],
  ["broker key", "Make a key for a caller of a broker"]
]

const options: ReadonlyArray<readonly [name: string, what: string]> = [
  ["-c, --config FILE", "The configuration. Default: effect-bearer.yaml here, config.yaml in your"],
  ["", "configuration folder, or the variables OAUTH_* or GENESYS_* alone"],
  ["-p, --profile NAME", "The profile of the configuration"],
  ["--json", "The answer, and a failure, as JSON"],
  ["-q, --quiet", "Say nothing but the answer, and why there is none"],
  ["--log-level LEVEL", "all, trace, debug, info, warning, error or none; goes to standard error"],
  ["-h, --help", "Help, also of a command: effect-bearer token --help"],
  ["--version", "The version"],
  ["--completions SHELL", "Completions for bash, fish or zsh"]
]

const exits: ReadonlyArray<readonly [name: string, what: string]> = [
  ["0", "Done"],
  ["1", "Not done"],
  ["2", "The command line or the configuration is wrong"],
  ["3", "The server refused"],
  ["4", "The server could not be reached, or cannot serve now"],
  ["5", "doctor found something"]
]

export const help = (style: Style): string => {
  const title = (text: string) => paint(style, "bold", text)
  const table = (rows: ReadonlyArray<readonly [string, string]>) => {
    const width = Math.max(...rows.map(([name]) => name.length))
    return rows.map(([name, what]) => `  ${paint(style, "cyan", name)}${" ".repeat(width - name.length)}  ${what}`)
  }
  return [
    `${title("effect-bearer")} ${version}: OAuth 2.0 access tokens on the command line`,
    "",
    title("Commands"),
    ...table(commands),
    "",
    title("Options"),
    ...table(options),
    "",
    title("Exit codes"),
    ...table(exits),
    "",
    "Try it without a server of your own: effect-bearer serve --demo"
  ].join("\n")
}
