/** The token file of a profile, for programs that read one anew at each use, or watch it. */
import { watch } from "node:fs"
import { readFile, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import { start } from "../programs.js"
import * as TestBroker from "./TestBroker.js"

/** What a program sees that watches the folder of a file, as a rename wants it, and reads the file when its name comes. */
const watching = (file: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const seen = new Set<string>()
        const watcher = watch(dirname(file), (_event, name) => {
          if (name !== basename(file)) return
          readFile(file, "utf8").then((content) => seen.add(content), (error) => seen.add(String(error)))
        })
        return { seen, watcher }
      }),
      ({ watcher }) => Effect.sync(() => watcher.close())
    ),
    ({ seen }) => seen
  )

/** What a process sees that reads the file as often as it can; each content once. */
const reading = (file: string) =>
  Effect.map(
    start(process.execPath, [new URL("reader.mjs", import.meta.url).pathname, file]),
    ({ stderr, stdout }) => ({
      contents: () =>
        stdout().split("\n").slice(0, -1).map((line) =>
          JSON.parse(line) as { readonly content: string } | { readonly error: string }
        ),
      stderr
    })
  )

describe("a token file", () => {
  // SPEC F6
  it.scopedLive("readers and watchers see whole tokens, each good for the API, through three rotations", () =>
    Effect.gen(function*() {
      const directory = yield* TestBroker.folder
      const file = join(directory, "token")
      const watched = yield* watching(file)
      const { api, issuer } = yield* TestBroker.start({
        lifetime: "12 seconds",
        profile: { file: { path: file } }
      })
      yield* eventually(Effect.promise(() => readFile(file, "utf8").catch(() => "")), (text) => text !== "")
      assert.strictEqual((yield* Effect.promise(() => stat(file))).mode & 0o777, 0o600)
      const reader = yield* reading(file)

      /** One scrape: the file, and a call with what stands in it. */
      const scrape = Effect.promise(async () => {
        const content = await readFile(file, "utf8")
        const response = await fetch(api.callsUrl, { headers: { authorization: `Bearer ${content.trim()}` } })
        await response.body?.cancel()
        return { content, status: response.status }
      })
      const scraped = new Map<string, Set<number>>()
      yield* eventually(
        Effect.map(scrape, ({ content, status }) => {
          scraped.set(content, (scraped.get(content) ?? new Set()).add(status))
          return scraped.size
        }),
        (tokens) => tokens >= 4
      )
      assert.deepStrictEqual([...scraped.values()].map((statuses) => [...statuses]), [[200], [200], [200], [200]])
      assert.strictEqual((yield* api.seen).tokensAccepted, 4)

      // whoever reads all the time, or at each change, sees these and nothing in between
      const tokens = [...scraped.keys()]
      const isThere = (contents: ReadonlyArray<unknown>) => contents.length >= tokens.length
      const seen = yield* eventually(Effect.sync(reader.contents), isThere)
      assert.deepStrictEqual(seen, tokens.map((content) => ({ content })), reader.stderr())
      assert.deepStrictEqual(yield* eventually(Effect.sync(() => [...watched]), isThere), tokens)
      assert.strictEqual((yield* issuer.seen).tokensIssued, 4)
    }))
})
