import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { describeWith } from "../programs.js"
import { home, run } from "./program.js"
import { atTerminal, inShell, script } from "./terminal.js"

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
const signature = "dGhpcyBpcyB0aGUgc2lnbmF0dXJl"
const jwt = `${part({ alg: "RS256", kid: "k1" })}.${
  part({ iss: "https://login.example.com", iat: 1_700_000_000, exp: 1_700_003_600, scope: "calls:read" })
}.${signature}`

describe("inspect", () => {
  // SPEC G2
  it.scoped("reads a token from standard input, with what stands before it in a header, and shows neither it nor its end", () =>
    Effect.gen(function*() {
      const user = yield* home
      for (const input of [jwt, `${jwt}\n`, `Authorization: Bearer ${jwt}\r\n`]) {
        const { code, stderr, stdout } = yield* run(user, ["inspect"], { input })
        assert.strictEqual(code, 0)
        assert.strictEqual(stderr, "")
        assert.match(stdout, /^JWT, not verified/)
        assert.include(stdout, "Warning: It has expired.")
        assert.notInclude(stdout, signature)
        assert.notInclude(stdout, "\u001b")
      }
      const json = yield* run(user, ["inspect", "--json"], { input: jwt })
      const said = JSON.parse(json.stdout)
      assert.deepInclude(said, { verified: false, format: "jwt", scopes: ["calls:read"], remaining: 0 })
      assert.deepStrictEqual(said.header, { alg: "RS256", kid: "k1" })
      assert.notInclude(json.stdout, signature)
      const opaque = yield* run(user, ["inspect", "--json"], { input: "opaque-token" })
      assert.strictEqual(opaque.code, 0)
      assert.strictEqual(JSON.parse(opaque.stdout).format, "opaque")
      assert.notInclude(opaque.stdout, "opaque-token")
    }))

  it.scoped("a reader that has gone is no failure, a full disk is one", () =>
    Effect.gen(function*() {
      const user = yield* home
      writeFileSync(join(user.cwd, "token"), jwt)
      // the reader is gone before anything is written
      const gone = yield* inShell(user, `{ "$@" < token; echo "code $?" >&2; } | true`, ["inspect"])
      assert.strictEqual(gone.stderr, "code 0\n")
      const full = yield* inShell(user, `"$@" < token > /dev/full`, ["inspect"])
      assert.strictEqual(full.code, 1)
      assert.match(full.stderr, /standard output \(ENOSPC\)/)
    }))

  it.scoped("more than a token, and too much, is refused without repeating it", () =>
    Effect.gen(function*() {
      const user = yield* home
      const two = yield* run(user, ["inspect"], { input: `${jwt} ${jwt}` })
      assert.strictEqual(two.code, 2)
      assert.notInclude(two.stderr, signature)
      const long = yield* run(user, ["inspect"], { input: "a".repeat(100_000) })
      assert.strictEqual(long.code, 1)
      assert.notInclude(long.stderr, "aaaa")
    }))
})

describeWith([script], "inspect at a terminal", () => {
  // SPEC G8
  it.scoped("has colours there alone, and none where NO_COLOR is set", () =>
    Effect.gen(function*() {
      const user = yield* home
      const file = join(user.cwd, "token")
      writeFileSync(file, jwt)
      const colours = yield* atTerminal(user, ["inspect"], { redirected: `< '${file}'` })
      assert.strictEqual(colours.code, 0)
      assert.include(colours.shown, "\u001b[1mJWT, not verified\u001b[22m")
      const none = yield* atTerminal(user, ["inspect"], { redirected: `< '${file}'`, env: { NO_COLOR: "1" } })
      assert.notInclude(none.shown, "\u001b")
      assert.match(none.shown, /^JWT, not verified/)
    }))
})
