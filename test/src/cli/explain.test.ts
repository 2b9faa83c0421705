import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { describeWith } from "../programs.js"
import { home, run } from "./program.js"
import { atTerminal, inShell, script } from "./terminal.js"

const folder = new URL("../../../docs/errors/", import.meta.url)
const codes = readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "README.md").map((name) =>
  name.slice(0, -3)
)

describe("explain", () => {
  // SPEC G7
  it.scoped("has every page of docs/errors in it, as it is", () =>
    Effect.gen(function*() {
      const user = yield* home
      const list = yield* run(user, ["explain", "--json"])
      assert.strictEqual(list.code, 0, list.stderr)
      assert.sameMembers(JSON.parse(list.stdout).map((one: { readonly code: string }) => one.code), codes)
      const one = yield* run(user, ["explain", "TransportError"])
      assert.strictEqual(one.stdout.trim(), readFileSync(new URL("transport-error.md", folder), "utf8").trim())
      assert.strictEqual(one.stderr, "")
    }))

  it.scoped("a code that is none: exit code 2, and the nearest", () =>
    Effect.gen(function*() {
      const user = yield* home
      const near = yield* run(user, ["explain", "tsl-error"])
      assert.strictEqual(near.code, 2)
      assert.strictEqual(near.stdout, "")
      assert.include(near.stderr, "Did you mean \"tls-error\"?")
      const json = yield* run(user, ["explain", "eyJhbGciOi.payload.sig", "--json"])
      assert.strictEqual(json.code, 2)
      assert.notInclude(json.stderr, "eyJ")
      assert.isString(JSON.parse(json.stderr).error.message)
      assert.strictEqual((yield* run(user, ["explain", "tls-error", "oauth-error"])).code, 2)
      const full = yield* inShell(user, "\"$@\" > /dev/full", ["explain", "tls-error"])
      assert.strictEqual(full.code, 1)
    }))
})

describeWith([script], "explain at a terminal", () => {
  it.scoped("is wrapped and has bold headings", () =>
    Effect.gen(function*() {
      const user = yield* home
      const { code, shown } = yield* atTerminal(user, ["explain", "invalid_client"])
      assert.strictEqual(code, 0)
      assert.include(shown, "\u001b[1mWhat to do\u001b[22m")
      assert.match(shown, /invalid_client is described on this page/)
      const plain = yield* atTerminal(user, ["explain", "tls-error"], { env: { NO_COLOR: "1" } })
      assert.notInclude(plain.shown, "\u001b")
      assert.notInclude(plain.shown, "|---|")
    }))
})
