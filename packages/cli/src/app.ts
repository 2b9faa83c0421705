/** All commands, as `@effect/cli` reads them. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import type { Shape } from "./commands/argumentOrder.js"
import { inOrder, mostArguments, tableOf } from "./commands/argumentOrder.js"
import * as broker from "./commands/broker.js"
import * as call from "./commands/call.js"
import { Rest } from "./commands/common.js"
import * as doctor from "./commands/doctor.js"
import * as exec from "./commands/exec.js"
import * as explain from "./commands/explain.js"
import { help } from "./commands/help.js"
import * as inspect from "./commands/inspect.js"
import * as introspect from "./commands/introspect.js"
import * as revoke from "./commands/revoke.js"
import * as serve from "./commands/serve.js"
import * as token from "./commands/token.js"
import type { Failure } from "./output/failure.js"
import { usage } from "./output/failure.js"
import * as terminal from "./output/terminal.js"
import type { Manner } from "./run.js"
import { levels, run } from "./run.js"
import { version } from "./version.js"

/** Each is told in a line by `commands/help.ts`, too. */
export const commands = [
  token.command,
  inspect.command,
  introspect.command,
  revoke.command,
  doctor.command,
  call.command,
  explain.command,
  serve.command,
  exec.command,
  broker.command
] as const

const root = Command.make("effect-bearer").pipe(
  Command.withDescription("OAuth 2.0 access tokens: get, look at, use and revoke them, find out what is wrong."),
  Command.withSubcommands(commands)
)

const main = Command.run(root, { name: "effect-bearer", version, executable: "effect-bearer" })

const shapeOf = (descriptor: CommandDescriptor.Command<unknown>): Shape => {
  // a command without others below it names itself
  const own = Array.from(CommandDescriptor.getNames(descriptor))
  const below = Array.from(CommandDescriptor.getSubcommands(descriptor)).filter(([name]) => !own.includes(name))
  return {
    options: tableOf(CommandDescriptor.getUsage(descriptor)),
    most: mostArguments(CommandDescriptor.getUsage(descriptor)),
    rest: own.includes("exec"),
    below: new Map(below.map(([name, descriptor]) => [name, shapeOf(descriptor)]))
  }
}

/** Seen from the root a command has lost those below it: each is asked itself. */
const rootShape: Shape = {
  ...shapeOf(root.descriptor),
  below: new Map(
    commands.map(({ descriptor }) => descriptor as CommandDescriptor.Command<unknown>).flatMap((descriptor) =>
      Array.from(CommandDescriptor.getNames(descriptor), (name) => [name, shapeOf(descriptor)] as const)
    )
  )
}

/** What `@effect/cli` finds wrong, without what was given: it may be a secret in the wrong place. */
const mistake = (error: ValidationError.ValidationError, words: ReadonlyArray<string>): Failure => {
  const text = plain(HelpDoc.toAnsiText(error.error), false).trim()
  const [command = ""] = words
  const what = /^Missing argument <[\w-]+>$/.test(text) ? text : /^Expected one of .*: ([\w, -]+)$/.test(text)
    ? text.replace(/^.*: /, "An option takes one of these alone: ")
    : /^Expected path /.test(text)
    ? "An option names a file that does not exist, or that is no file"
    : "The value of an option or an argument is not allowed"
  return usage(`${what}. See effect-bearer ${command} --help.`)
}

/** Help for a reader that is no terminal has no colours. */
const plainConsole = (colour: boolean) =>
  Effect.map(
    Effect.console,
    (console) => ({
      ...console,
      log: (text?: unknown) =>
        Effect.catchAll(terminal.answer(plain(text, colour)), ({ message }) => terminal.note(message)),
      // told when the command has failed, in the manner that is wanted
      error: () => Effect.void
    })
  )

/** What `@effect/cli` says of every option: more than anybody reads. */
const boilerplate =
  /^ *(A user-defined piece of text|A true or false value|An integer|A file|One of the following: .*|This setting is optional|This (option|argument) may be repeated zero or more times)\.?\n\n?/gm

/** The script for bash takes the name of the program for two, and offers what there is not. */
const completions = (script: string): string =>
  script.replaceAll("cmd=\"effect-bearer\"", "cmd=\"effect__bearer\"")
    .replaceAll(/^( +)effect-bearer\)$/gm, "$1effect__bearer)")
    .replaceAll(" --wizard", "")

const plain = (text: unknown, colour: boolean): string => {
  const given = String(text ?? "")
  if (given.includes("COMPREPLY")) return completions(given)
  const shown = given.replace(boilerplate, "").replace(/^\$ (?!effect-bearer)/m, "$ effect-bearer ")
    .trimEnd()

  return colour ? shown : shown.replace(/\u001b\[[\d;]*m/g, "")
}

/** Of a command line that could not be read, as far as it can be told. */
const roughly = (argv: ReadonlyArray<string>): Manner => ({
  json: argv.includes("--json"),
  quiet: argv.includes("--quiet") || argv.includes("-q")
})

/** A broker tells what it does, and what goes wrong while it goes on. */
const usualLevel = ([command]: ReadonlyArray<string>, { quiet }: Manner): LogLevel.LogLevel | undefined =>
  quiet ? undefined : command === "serve" ? levels["info"] : command === "exec" ? levels["warning"] : undefined

export const start = (argv: ReadonlyArray<string>): void => {
  const ordered = inOrder(rootShape, argv)
  if (Either.isLeft(ordered)) return run(Effect.fail(ordered.left), roughly(argv))
  const { argv: words, flags, logLevel, rest } = ordered.right
  const manner: Manner = { json: flags.has("--json"), quiet: flags.has("--quiet") }
  const level = logLevel === undefined ? undefined : levels[logLevel.toLowerCase()]
  if (logLevel !== undefined && level === undefined) {
    return run(Effect.fail(usage(`--log-level is one of ${Object.keys(levels).join(", ")}.`)), manner)
  }
  const style = terminal.styleOf(process.stdout, process.env)
  if (words.length === 1 && words[0] === "--help") return run(terminal.answer(help(style)), manner)
  run(
    Effect.flatMap(plainConsole(style.colour), (console) =>
      main(["node", "effect-bearer", ...words]).pipe(
        Effect.withConsole(console),
        Effect.provideService(Rest, rest),
        Effect.catchIf(ValidationError.isValidationError, (error) => Effect.fail(mistake(error, words))),
        Effect.provide(Layer.merge(NodeTerminal.layer, CliConfig.layer({ showBuiltIns: false })))
      )),
    { ...manner, logLevel: level ?? usualLevel(words, manner) }
  )
}
