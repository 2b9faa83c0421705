/** Where the program begins. */
import { tokenOptions } from "./fastPath.js"
import { run } from "./run.js"
import * as print from "./token/print.js"

const argv = process.argv.slice(2)
const options = tokenOptions(argv)

if (options !== undefined) {
  run(print.run(options, process.env), options)
} else {
  void import("./app.js").then(({ start }) => start(argv))
}
