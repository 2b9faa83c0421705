/** Where the program begins. */
import { tokenOptions } from "./fastPath.js"
import * as terminal from "./output/terminal.js"
import { run } from "./run.js"
import * as print from "./token/print.js"

// a fault of this program says so in a line: a stack would print what the bundle is made of
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    terminal.lastNote(
      `effect-bearer: Something failed that should not (${error instanceof Error ? error.name : "unknown error"}). ` +
        "Please report it."
    )
    process.exit(1)
  })
}

const argv = process.argv.slice(2)
const options = tokenOptions(argv)

if (options !== undefined) {
  run(print.run(options, process.env), options)
} else {
  void import("./app.js").then(({ start }) => start(argv))
}
