import { spawn, spawnSync } from "node:child_process"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { setUp } from "../support/broker.js"
import { assertAccessible, describeWithBrowser, evaluate, looks, newPage, picture, until } from "../support/browser.js"

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, unknown>> }>>>
  >
}

/** As a person does who pastes it. */
const run = (example: string, key: string) =>
  Effect.async<string>((resume) => {
    const shell = spawn("bash", ["-c", example], { env: { ...process.env, KEY: key } })
    let output = ""
    shell.stdout.on("data", (chunk) => output += chunk)
    shell.stderr.on("data", (chunk) => output += chunk)
    shell.once("close", () => resume(Effect.succeed(output)))
    return Effect.sync(() => shell.kill())
  })

const hasCurl = spawnSync("bash", ["-c", "curl --version"]).status === 0

describeWithBrowser("docs page", (it) => {
  it.scoped("the docs page has every path of /openapi.json, with its answers and an example", () =>
    Effect.gen(function*() {
      const { ask, listening } = yield* setUp()
      const { port } = new URL(listening.addresses[0]!)
      const { paths } = (yield* ask("/openapi.json")).json as Document
      const operations = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
      )
      assert.include(operations, "POST /oauth2/{profile}/token")
      for (const look of looks) {
        const page = yield* newPage(look)
        yield* Effect.promise(() => page.goto(`http://localhost:${port}/docs#tokens-token`))
        yield* until(page, "document.querySelectorAll('.operation').length > 0")
        assert.sameMembers(
          yield* evaluate<Array<string>>(
            page,
            "Array.from(document.querySelectorAll('.operation h3'), (title) => title.textContent)"
          ),
          operations
        )
        // without which a caller could not do what it reads
        const examples = yield* evaluate<Array<string>>(
          page,
          "Array.from(document.querySelectorAll('.operation pre'), (example) => example.textContent)"
        )
        assert.lengthOf(examples, operations.length)
        for (const example of examples) {
          assert.strictEqual(example.includes("Authorization: Bearer $KEY"), !example.includes("/health/"), example)
          assert.strictEqual(
            example.includes("X-Effect-Bearer: true"),
            /\/(inject|v1)\//.test(example),
            example
          )
        }
        assert.isTrue(yield* evaluate(page, "document.getElementById('failure').hidden"))
        assert.isAbove(yield* evaluate<number>(page, "scrollY"), 0)
        yield* picture(page, `docs-${look.width}-${look.scheme}`)
        yield* assertAccessible(page)
      }
    }))

  it.scoped("the examples work as they stand", () =>
    Effect.gen(function*() {
      const { key, listening } = yield* setUp()
      const { port } = new URL(listening.addresses[0]!)
      const page = yield* newPage(looks[3])
      yield* Effect.promise(() => page.goto(`http://localhost:${port}/docs`))
      yield* until(page, "document.querySelectorAll('.operation').length > 0")
      if (!hasCurl) return console.warn("curl is not installed: THE EXAMPLES OF THE DOCS PAGE ARE NOT TESTED")
      for (
        const [id, expected] of [
          ["tokens-oauth2", /"access_token":"token-1"/],
          ["tokens-inject", /^authorization: Bearer token-1\r$/mi],
          ["tokens-token", /"access_token":"token-1"/],
          ["operations-live", /^\{"status":"live"\}$/],
          ["operations-ready", /"ready":true/],
          ["operations-metrics", /^effect_bearer_broker_requests_total/m],
          ["operations-status", /"profiles":\[\{"name":"main"/]
        ] as const
      ) {
        const example = yield* evaluate<string>(page, `document.querySelector("#${id} pre").textContent`)
        assert.match(yield* run(example, key), expected, example)
      }
    }))
})
