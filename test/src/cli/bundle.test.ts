import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import { Effect, Redacted } from "effect"
import { bundle, home, run } from "./program.js"

const manifest = JSON.parse(
  readFileSync(new URL("../../../packages/cli/package.json", import.meta.url), "utf8")
) as Record<string, unknown>

describe("the bundle", () => {
  // SPEC G8
  it("is one file, which installs nothing else, with the licences of what is in it", () => {
    const folder = dirname(bundle())
    assert.deepStrictEqual(readdirSync(folder).sort(), ["LICENSES.txt", "effect-bearer.cjs"])
    assert.isUndefined(manifest["dependencies"])
    assert.isUndefined(manifest["peerDependencies"])
    assert.isUndefined(manifest["optionalDependencies"])
    const licences = readFileSync(join(folder, "LICENSES.txt"), "utf8")
    for (const name of ["effect", "@effect/cli", "@effect/platform", "undici", "yaml", "jose", "oidc-provider"]) {
      assert.match(licences, new RegExp(`^${name}@\\d`, "m"))
    }
  })

  it("asks for nothing that is not in it, but for the modules of Node.js", () => {
    const source = readFileSync(bundle(), "utf8")
    const asked = new Set(Array.from(source.matchAll(/\brequire\("([^"]+)"\)/g), ([, name]) => name!))
    const own = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)])
    const foreign = Array.from(asked).filter((name) => !name.startsWith("./") && !own.has(name))
    // packages look for these, and do without them
    assert.deepStrictEqual(
      foreign.filter((name) => !["bufferutil", "utf-8-validate", "@node-rs/xxhash"].includes(name)),
      []
    )
  })

  it("parses no more for token than token needs: no commands, no YAML, no Schema of the configuration", () => {
    const [, places = ""] = /=(\{"?main"?:\[[^}]*\})/.exec(readFileSync(bundle(), "utf8")) ?? []
    const [, length] = /main"?:\[\d+,(\d+)\]/.exec(places) ?? []
    assert.isAbove(Number(length), 100_000)
    assert.isBelow(Number(length), 650_000)
  })

  it("runs as it is executed, and says its version", () => {
    assert.strictEqual(statSync(bundle()).mode & 0o111, 0o111)
    assert.match(readFileSync(bundle(), "utf8"), /^#!\/usr\/bin\/env node\n/)
  })
})

describe("what V8 made of the bundle is kept", () => {
  const world = Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
    const user = yield* home
    const env = {
      OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
      OAUTH_CLIENT_ID: server.clients.basic.id,
      OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret)
    }
    const root = join(user.home, ".cache", "effect-bearer", "code")
    // not what was printed last: the program itself
    return { user, env, root, token: () => run(user, ["token", "--min-ttl", "1"], { env }) }
  })

  it.scoped("in a folder of the user's own, for each version of the program one", () =>
    Effect.gen(function*() {
      const { root, token } = yield* world
      const first = yield* token()
      const [kind, ...others] = readdirSync(root)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(statSync(join(root, kind!)).mode & 0o777, 0o700)
      for (const file of readdirSync(join(root, kind!))) {
        assert.strictEqual(statSync(join(root, kind!, file)).mode & 0o777, 0o600)
        assert.notInclude(readFileSync(join(root, kind!, file), "latin1"), first.stdout.trim())
      }
      assert.deepStrictEqual(yield* token(), first)
    }))

  it.skipIf(process.platform !== "linux")(
    "where no folder can be made, nothing is kept, and nothing hangs",
    () =>
      Effect.gen(function*() {
        const { env, user } = yield* world
        const { code, stderr } = yield* run(user, ["token"], { env: { ...env, XDG_CACHE_HOME: "/proc/effect-bearer" } })
        assert.strictEqual(code, 0)
        assert.include(stderr, "The token is not kept")
      }).pipe(Effect.scoped, Effect.runPromise)
  )

  it.scoped("and not believed: damaged, cut short or of others it is not used", () =>
    Effect.gen(function*() {
      const { env, root, token, user } = yield* world
      const first = yield* token()
      const folder = join(root, readdirSync(root)[0]!)
      const file = join(folder, "main")
      const whole = readFileSync(file)
      for (const damaged of [Buffer.alloc(0), Buffer.from("no code"), whole.subarray(0, whole.length / 2)]) {
        writeFileSync(file, damaged)
        assert.deepStrictEqual(yield* token(), first)
        // and mended
        assert.isAbove(statSync(file).size, 100_000)
      }
      chmodSync(folder, 0o777)
      writeFileSync(file, "of others")
      assert.deepStrictEqual(yield* token(), first)
      assert.strictEqual(readFileSync(file, "utf8"), "of others")
      rmSync(root, { recursive: true })
      writeFileSync(root, "no folder")
      assert.deepStrictEqual(yield* token(), first)
      rmSync(root)
      const without = yield* run(user, ["token", "--min-ttl", "1"], {
        env: { ...env, NODE_DISABLE_COMPILE_CACHE: "1" }
      })
      assert.deepStrictEqual(without, first)
      assert.throws(() => statSync(root))
    }))
})

describe("what token printed last", () => {
  const world = Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
    const user = yield* home
    const env: Record<string, string | undefined> = {
      OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
      OAUTH_REVOCATION_ENDPOINT: server.revocationEndpoint,
      OAUTH_CLIENT_ID: server.clients.basic.id,
      OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret)
    }
    const answers = join(user.home, ".cache", "effect-bearer", "answers")
    const printed = (args: ReadonlyArray<string> = [], more: typeof env = {}) =>
      Effect.map(run(user, ["token", ...args], { env: { ...env, ...more } }), ({ code, stderr, stdout }) => {
        assert.deepStrictEqual([code, stderr], [0, ""])
        return stdout.trim()
      })
    /** Puts another text into what is kept, so that it can be told. */
    const forge = (more: Record<string, unknown> = {}) => {
      const [name, ...others] = readdirSync(answers)
      assert.deepStrictEqual(others, [])
      const file = join(answers, name!)
      const kept = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>
      writeFileSync(file, JSON.stringify({ ...kept, text: "forged", ...more }))
      return { file, kept }
    }
    return { server, user, env, answers, printed, forge }
  })

  // SPEC G1
  it.scoped("is printed again while nothing has changed, from a folder and files of the user's own", () =>
    Effect.gen(function*() {
      const { answers, forge, printed, server } = yield* world
      const first = yield* printed()
      const { file, kept } = forge()
      assert.strictEqual(yield* printed(), "forged")
      assert.strictEqual(statSync(answers).mode & 0o777, 0o700)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(kept["text"], first)
      assert.notInclude(JSON.stringify(kept), Redacted.value(server.clients.basic.secret))
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))

  // FAULTS S: the value of every variable with a known beginning was kept in clear, a secret of another name with it
  it.scoped("keeps no secret, whatever the variable is called that holds it", () =>
    Effect.gen(function*() {
      const { answers, env, server, user } = yield* world
      const file = join(user.home, "some.yaml")
      const secret = Redacted.value(server.clients.basic.secret)
      writeFileSync(
        file,
        JSON.stringify({
          profiles: {
            calls: {
              tokenEndpoint: server.tokenEndpoint,
              clientId: server.clients.basic.id,
              authentication: { method: "basic", secret: { env: "OAUTH_CLIENT_SECRET_CALLS" } }
            }
          }
        })
      )
      const others = {
        OAUTH_REFRESH_TOKEN: "rt-of-a-person",
        GENESYS_CLIENT_SECRET_EU: "another-secret",
        EFFECT_BEARER_STORE_KEY: "key-of-a-store"
      }
      const variables = { ...env, OAUTH_CLIENT_SECRET_CALLS: secret, ...others }
      const token = (more: typeof env = {}) => run(user, ["token", "-c", file], { env: { ...variables, ...more } })
      const first = yield* token()
      assert.strictEqual(first.code, 0)
      const kept = () => readdirSync(answers).map((name) => readFileSync(join(answers, name), "utf8")).join()
      assert.include(kept(), first.stdout.trim())
      for (const hidden of [secret, ...Object.values(others)]) assert.notInclude(kept(), hidden)
    }))

  it("knows every variable that the program reads", () => {
    const folder = new URL("../../../packages/cli/", import.meta.url)
    const read = (name: string) => readFileSync(new URL(name, folder), "utf8")
    const named = ["settings/environmentProfile.ts", "settings/settings.ts", "settings/places.ts", "token/formats.ts"]
      .flatMap((name) => read(`src/${name}`).match(/(?<=")(OAUTH|GENESYS|EFFECT_BEARER|KUBERNETES|XDG)_[A-Z_]+(?=")/g))
    const known = read("scripts/lastAnswer.cjs")
    assert.isAbove(named.length, 20)
    for (const name of named) assert.include(known, `"${name}"`)
  })

  it.scoped("rests on the file of the configuration as it is now", () =>
    Effect.gen(function*() {
      const { answers, env, server, user } = yield* world
      const file = join(user.home, "some.yaml")
      const write = (clientId: string) =>
        writeFileSync(
          file,
          JSON.stringify({
            profiles: {
              calls: {
                tokenEndpoint: server.tokenEndpoint,
                clientId,
                authentication: { method: "basic", secret: { env: "CALLS_SECRET" } }
              }
            }
          })
        )
      const token = () => run(user, ["token", "-c", file], { env: { CALLS_SECRET: env["OAUTH_CLIENT_SECRET"] } })
      write(server.clients.basic.id)
      const first = yield* token()
      assert.strictEqual(first.code, 0)
      const [name] = readdirSync(answers)
      const kept = JSON.parse(readFileSync(join(answers, name!), "utf8")) as Record<string, unknown>
      writeFileSync(join(answers, name!), JSON.stringify({ ...kept, text: "forged" }))
      assert.strictEqual((yield* token()).stdout, "forged\n")
      write("nobody")
      assert.strictEqual((yield* token()).code, 3)
    }))

  it.scoped("is not printed once the token was revoked, or taken from the store by another run", () =>
    Effect.gen(function*() {
      const { env, forge, printed, user } = yield* world
      const first = yield* printed()
      forge()
      assert.strictEqual((yield* run(user, ["revoke", "--current"], { env })).code, 0)
      const second = yield* printed()
      assert.notInclude([first, "forged"], second)
      assert.strictEqual(yield* printed(), second)
      yield* run(user, ["token", "--format", "git", "erase"], { env, input: `credential=${second}\n\n` })
      assert.notInclude([first, second, "forged"], yield* printed())
    }))

  it.scoped("is not printed for other words, other variables, another configuration", () =>
    Effect.gen(function*() {
      const { forge, printed, user } = yield* world
      const first = yield* printed()
      forge()
      assert.strictEqual(yield* printed(["--quiet"]), first)
      assert.strictEqual(yield* printed(["--format", "raw"]), first)
      assert.strictEqual(JSON.parse(yield* printed(["--format=json"])).access_token, first)
      assert.strictEqual(yield* printed(["--min-ttl", "1"]), first)
      assert.notStrictEqual(yield* printed([], { OAUTH_SCOPES: "calls:read" }), "forged")
      writeFileSync(join(user.cwd, "effect-bearer.yaml"), "profiles: {}")
      const { code } = yield* run(user, ["token"], { env: {} })
      assert.strictEqual(code, 2)
    }))

  it.scoped("is not printed when it is over, kept for the future, or of a clock that was put forward", () =>
    Effect.gen(function*() {
      const { forge, printed } = yield* world
      const first = yield* printed()
      const now = Date.now()
      for (
        const wrong of [{ until: now - 1 }, { from: now + 3_600_000 }, { from: "x" }, { until: null }, { tokens: 1 }]
      ) {
        forge(wrong)
        assert.strictEqual(yield* printed(), first, JSON.stringify(wrong))
      }
    }))

  it.scoped("is not printed from what others could have written", () =>
    Effect.gen(function*() {
      const { answers, forge, printed } = yield* world
      const first = yield* printed()
      chmodSync(forge().file, 0o666)
      assert.strictEqual(yield* printed(), first)
      forge()
      chmodSync(answers, 0o777)
      assert.strictEqual(yield* printed(), first)
      chmodSync(answers, 0o700)
      const { file } = forge()
      for (const damaged of ["", "{", "null", "[]", "x".repeat(200_000)]) {
        writeFileSync(file, damaged)
        assert.strictEqual(yield* printed(), first)
      }
    }))
})
