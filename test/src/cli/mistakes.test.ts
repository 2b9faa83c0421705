/** What somebody mistypes, and where somebody else has been before. */
import { chmodSync, mkdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { home, run } from "./program.js"

const environment = {
  OAUTH_TOKEN_ENDPOINT: "http://127.0.0.1:9/token",
  OAUTH_CLIENT_ID: "reports",
  OAUTH_CLIENT_SECRET: "hidden-in-the-environment"
}

describe("a command line that is wrong", () => {
  // SPEC G8
  it.scoped("is told in the manner that is wanted, and nothing of it repeated", () =>
    Effect.gen(function*() {
      const user = yield* home
      for (
        const args of [
          ["serve", "--port", "hidden"],
          ["serve", "--config", "/dev/null"],
          ["introspect", "--hint", "hidden"],
          ["call"],
          ["call", "GET"],
          ["call", "GET", "https://api.example.com", "hidden"],
          ["token", "--profile", "a", "--profile", "hidden"],
          ["doctor", "hidden"]
        ]
      ) {
        const ended = yield* run(user, [...args, "--json"], { env: environment })
        assert.deepStrictEqual([ended.code, ended.stdout], [2, ""], args.join(" "))
        const { error } = JSON.parse(ended.stderr) as { readonly error: { readonly message: string } }
        assert.isNotEmpty(error.message)
        assert.notInclude(ended.stderr, "hidden")
      }
    }))
})

describe("the folders of a user", () => {
  // SPEC G8
  it.scoped("a configuration that leads nowhere, or to nothing that may be looked at, is none", () =>
    Effect.gen(function*() {
      const user = yield* home
      symlinkSync("effect-bearer.yaml", join(user.cwd, "effect-bearer.yaml"))
      const looped = yield* run(user, ["token"], { env: {} })
      assert.strictEqual(looped.code, 2)
      assert.include(looped.stderr, "There is no configuration")
      // for root every folder is open
      if (process.getuid?.() === 0) return
      const config = join(user.home, ".config")
      mkdirSync(config)
      chmodSync(config, 0)
      const closed = yield* run(user, ["token"], { env: {} })
      chmodSync(config, 0o700)
      assert.strictEqual(closed.code, 2)
      assert.include(closed.stderr, "There is no configuration")
    }))

  it.scoped("a proxy that is none is named, and its password is not", () =>
    Effect.gen(function*() {
      const user = yield* home
      const env = { ...environment, HTTP_PROXY: "socks5://me:hidden@127.0.0.1:9" }
      const ended = yield* run(user, ["token"], { env })
      assert.strictEqual(ended.code, 4)
      assert.include(ended.stderr, "HTTP_PROXY is no URL of an HTTP proxy")
      assert.notInclude(ended.stderr, "hidden")
    }))
})
