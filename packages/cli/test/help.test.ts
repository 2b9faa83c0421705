import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import { assert, describe, it } from "@effect/vitest"
import { commands } from "../src/app.js"
import * as help from "../src/commands/help.js"

const style = { colour: false, columns: 80, isTerminal: false }

describe("help", () => {
  it("the help lists every command, and no other", () => {
    const names = commands.map(({ descriptor }) => descriptor as CommandDescriptor.Command<unknown>)
      .flatMap((descriptor) => Array.from(CommandDescriptor.getNames(descriptor)))
    assert.deepStrictEqual(help.commands.map(([name]) => name.split(" ")[0]!).sort(), names.sort())
  })

  it("the help fits into 100 columns, and has no colours without a terminal", () => {
    for (const line of help.help(style).split("\n")) assert.isAtMost(line.length, 100)
    assert.notInclude(help.help(style), "\u001b")
    assert.include(help.help({ ...style, colour: true }), "\u001b[1m")
  })
})
