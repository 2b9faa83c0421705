/** All commands, as `@effect/cli` reads them. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { inOrder } from "./commands/argumentOrder.js"
import * as token from "./commands/token.js"
import { exitCodes, Failure } from "./output/failure.js"
import { run } from "./run.js"
import { version } from "./version.js"

const root = Command.make("effect-bearer").pipe(
  Command.withDescription("OAuth 2.0 access tokens: get, look at, use and revoke them, find out what is wrong."),
  Command.withSubcommands([token.command])
)

const main = Command.run(root, { name: "effect-bearer", version, executable: "effect-bearer" })

/** What `@effect/cli` has said about a wrong command line is not said again. */
const told = new Failure({ exit: exitCodes.usage, detail: "" })

const hasFlag = (argv: ReadonlyArray<string>, ...names: ReadonlyArray<string>): boolean => {
  const end = argv.indexOf("--")
  return (end < 0 ? argv : argv.slice(0, end)).some((argument) => names.includes(argument))
}

export const start = (argv: ReadonlyArray<string>): void =>
  run(
    main(["node", "effect-bearer", ...argv.length === 0 ? ["--help"] : inOrder(argv)]).pipe(
      Effect.catchIf(ValidationError.isValidationError, () => Effect.fail(told)),
      Effect.provide(Layer.merge(NodeTerminal.layer, CliConfig.layer({ showBuiltIns: false })))
    ),
    { json: hasFlag(argv, "--json"), quiet: hasFlag(argv, "--quiet", "-q") }
  )
