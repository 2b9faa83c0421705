import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as Options from "@effect/cli/Options"
import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import type { Shape } from "../src/commands/argumentOrder.js"
import { inOrder, mostArguments, tableOf } from "../src/commands/argumentOrder.js"

const call = Command.make("call", {
  header: Options.repeated(Options.withAlias(Options.text("header"), "H")),
  data: Options.optional(Options.withAlias(Options.text("data"), "d")),
  json: Options.boolean("json"),
  quiet: Options.withAlias(Options.boolean("quiet"), "q"),
  method: Args.text({ name: "method" }),
  url: Args.optional(Args.text({ name: "url" }))
})

const shape: Shape = {
  options: new Map(),
  most: 0,
  below: new Map<string, Shape>([
    ["call", { options: tableOf(CommandDescriptor.getUsage(call.descriptor)), most: 2, below: new Map() }],
    ["exec", { options: new Map(), most: 0, rest: true, below: new Map() }],
    ["broker", {
      options: new Map(),
      most: 0,
      below: new Map([["key", { options: new Map(), most: 0, below: new Map() }]])
    }]
  ])
}

const ordered = (...argv: ReadonlyArray<string>) => Either.getOrThrow(inOrder(shape, argv))
const refused = (...argv: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(inOrder(shape, argv))).message

describe("the order of a command line", () => {
  it("puts options before arguments, and the values of one option together", () => {
    assert.deepStrictEqual(
      ordered("call", "GET", "-H", "a: 1", "https://api.example.com", "--json", "--header=b: 2").argv,
      ["call", "--header", "a: 1", "--header", "b: 2", "--json", "true", "GET", "https://api.example.com"]
    )
  })

  it("the value of an option is taken as it is, whatever it looks like", () => {
    assert.deepStrictEqual(ordered("call", "-d", "--json", "POST").argv, ["call", "--data", "--json", "POST"])
    assert.deepStrictEqual(ordered("call", "-dx=1", "POST").argv, ["call", "--data", "x=1", "POST"])
  })

  it("an argument that looks like the value of a flag is an argument", () => {
    assert.deepStrictEqual(ordered("call", "--json", "yes").argv, ["call", "--json", "true", "yes"])
  })

  it("combined short flags are taken apart", () => {
    assert.deepStrictEqual(ordered("call", "-qHa: 1", "x").argv, ["call", "--quiet", "true", "--header", "a: 1", "x"])
  })

  it("everything after -- is left unchanged", () => {
    const { argv, rest } = ordered("exec", "--", "ls", "--json", "-x")
    assert.deepStrictEqual(argv, ["exec"])
    assert.deepStrictEqual(rest, ["ls", "--json", "-x"])
    assert.strictEqual(ordered("call").rest, undefined)
  })

  it("help is shown for a line without a command, and for every line that asks for it", () => {
    assert.deepStrictEqual(ordered().argv, ["--help"])
    assert.deepStrictEqual(ordered("call", "GET", "-h", "--json").argv, ["call", "--help"])
    assert.deepStrictEqual(ordered("broker", "--help").argv, ["broker", "--help"])
  })

  it("an unknown option or command is refused, and the error names what may be meant", () => {
    assert.include(refused("cal"), "Did you mean \"call\"?")
    assert.include(refused("call", "--heade", "x"), "Did you mean --header?")
    assert.include(refused("broker", "kez"), "Did you mean \"broker key\"?")
    assert.include(refused("broker"), "needs one of: key")
    assert.include(refused("call", "--data"), "--data needs a value")
    assert.include(refused("call", "--json=1"), "--json takes no value")
  })

  it("words after -- are arguments, unless they are a command line of their own", () => {
    assert.deepStrictEqual(ordered("call", "GET", "--", "https://api.example.com").argv.slice(1), [
      "GET",
      "https://api.example.com"
    ])
    assert.include(refused("call", "--", "GET", "x", "surplus"), "takes 2 arguments at most")
    assert.include(refused("call", "--", "--json"), "begins with a hyphen")
    assert.include(refused("--", "call"), "stands before --")
  })

  it("an option that is given twice is refused, unless it may be repeated", () => {
    assert.strictEqual(refused("call", "-d", "one", "--data=two"), "--data is given more than once.")
    assert.strictEqual(
      refused("call", "--log-level", "all", "--log-level", "none"),
      "--log-level is given more than once."
    )
    assert.deepStrictEqual(ordered("call", "--json", "--json", "-H", "a: 1", "-H", "b: 2").argv.slice(1), [
      "--json",
      "true",
      "--header",
      "a: 1",
      "--header",
      "b: 2"
    ])
  })

  it("too many and too few arguments are refused", () => {
    assert.strictEqual(mostArguments(CommandDescriptor.getUsage(call.descriptor)), 2)
    assert.include(refused("call", "GET", "x", "surplus"), "\"call\" takes 2 arguments at most")
    assert.notInclude(refused("call", "GET", "x", "surplus"), "surplus")
    assert.include(refused("broker", "key", "one"), "\"broker key\" takes no argument")
  })

  it("no error repeats a value: a token in the wrong place is not shown", () => {
    const secret = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzZWNyZXQifQ."
    assert.notInclude(refused(secret), "eyJ")
    assert.notInclude(refused("call", `--${secret}`), "eyJ")
    assert.notInclude(refused("broker", secret), "eyJ")
  })
})

describe("options before the command", () => {
  it("options before the command count for the command, or are refused by it", () => {
    assert.deepStrictEqual(ordered("--json", "-q", "call", "GET").argv, [
      "call",
      "--json",
      "true",
      "--quiet",
      "true",
      "GET"
    ])
    assert.deepStrictEqual(ordered("-d", "x", "call", "GET").argv, ["call", "--data", "x", "GET"])
    assert.include(refused("--json", "broker", "key"), "\"broker key\" has no option --json")
    assert.include(refused("-x", "call"), "There is no option -x")
  })
})
