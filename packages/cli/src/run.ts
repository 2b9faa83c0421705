/**
 * Runs a command to its end: its answer is written, its failure told, and the process ends with the exit code for it.
 * Ctrl-C and SIGTERM let the command put things in order; a second one ends the process at once. A command may take them
 * over (`signals.ts`).
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as http from "./http/client.js"
import type { Ending } from "./output/failure.js"
import { endingOf, exitCodes } from "./output/failure.js"
import * as terminal from "./output/terminal.js"
import type { Services } from "./services.js"
import * as signals from "./signals.js"

/** How this run talks. */
export interface Manner {
  readonly json: boolean
  readonly quiet: boolean
  readonly logLevel?: LogLevel.LogLevel | undefined
}

const services = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, http.layer)

/** The levels that `--log-level` knows. */
export const levels: Readonly<Record<string, LogLevel.LogLevel>> = {
  all: LogLevel.All,
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  none: LogLevel.None
}

/** A line of the log: when, how grave, about which profile, what. */
const line = ({ annotations, date, logLevel, message }: Logger.Logger.Options<unknown>): string =>
  [
    date.toISOString(),
    logLevel.label,
    ...Option.match(HashMap.get(annotations, "profile"), {
      onNone: () => [],
      onSome: (name) => [`${String(name)}:`]
    }),
    ...(Array.isArray(message) ? message : [message]).filter((one) => typeof one === "string")
  ].join(" ")

/**
 * The log of the library goes to standard error. Where nobody asked for a level these are its warnings: an error of the
 * library is what the command fails with, and told by that.
 */
const logs = ({ logLevel, quiet }: Manner) =>
  Layer.merge(
    Logger.replace(
      Logger.defaultLogger,
      Logger.make((options) => {
        if (logLevel === undefined && options.logLevel !== LogLevel.Warning) return
        terminal.lastNote(line(options))
      })
    ),
    Logger.minimumLogLevel(logLevel ?? (quiet ? LogLevel.None : LogLevel.Warning))
  )

/** What `doctor` can look into. */
const fromServer: ReadonlySet<number> = new Set([exitCodes.refused, exitCodes.unreachable])

/** The failure as it is told: one line and more for a person, an object for a program. */
const told = ({ code, exit, message, page = code }: Ending, manner: Manner): string =>
  manner.json
    ? JSON.stringify({ error: { ...(code === undefined ? {} : { code }), message } })
    : `effect-bearer: ${message}${
      page === undefined ?
        "" :
        `\nMore about it: effect-bearer explain ${page}${
          fromServer.has(exit) ? "; what is wrong here: effect-bearer doctor" : ""
        }`
    }`

/** Runs the command, and ends the process. */
export const run = <E>(
  command: Effect.Effect<number | void, E, Services>,
  manner: Manner
): void => {
  terminal.listenForErrors()
  let signalled: NodeJS.Signals | undefined
  const fiber = Effect.runFork(command.pipe(
    Effect.provide(services),
    Effect.provide(logs(manner))
  ))
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (signals.passOn(name)) return
      if (signalled !== undefined) process.exit(signals.exitCodeOf(name))
      signalled = name
      fiber.unsafeInterruptAsFork(fiber.id())
    })
  }
  fiber.addObserver((exit) => process.exit(codeOf(exit, manner, signalled)))
}

const codeOf = (
  exit: Exit.Exit<number | void, unknown>,
  manner: Manner,
  signalled: NodeJS.Signals | undefined
): number => {
  if (Exit.isSuccess(exit)) return typeof exit.value === "number" ? exit.value : exitCodes.fine
  if (signalled !== undefined && Cause.isInterrupted(exit.cause)) return signals.exitCodeOf(signalled)
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  const ending = endingOf(failure ?? Cause.squash(exit.cause))
  terminal.lastNote(told(ending, manner))
  return ending.exit
}
