import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenEvent from "effect-bearer/TokenEvent"
import * as explain from "../src/explain/explain.js"
import { find } from "../src/explain/find.js"
import * as render from "../src/explain/render.js"

const folder = fileURLToPath(new URL("../../../docs/errors", import.meta.url))
const pages = explain.read(Object.fromEntries(
  readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "README.md")
    .map((name) => [name.slice(0, -3), readFileSync(`${folder}/${name}`, "utf8")])
))

const plain = { colour: false, columns: 80, isTerminal: false }
const terminal = { colour: true, columns: 100, isTerminal: true }
const bare = (text: string): string => text.replace(/\u001b\[\d+m/g, "")

describe("explain", () => {
  // SPEC G7
  it("every code of an error and of an anomaly has a page with all its parts", () => {
    for (const code of [...TokenError.codes, ...TokenEvent.anomalyCodes]) {
      const page = pages.get(code)
      assert.isDefined(page, code)
      for (const part of ["summary", "means", "why", "todo"] as const) {
        assert.isNotEmpty(page![part], `${code}: ${part}`)
      }
      assert.notInclude(page!.summary, "\n")
      assert.notInclude(page!.todo, "## ")
    }
  })

  it("a page is found by its code, its tag, an OAuth code, and by words that only this page has", () => {
    const codeOf = (text: string) => {
      const found = find(text, pages)
      return found._tag === "Page" ? found.page.code : found._tag
    }
    for (
      const text of ["tls-error", "TLS-ERROR", "TlsError", "tls_error", "[tls-error]", " tls error ", "CERT_REVOKED"]
    ) {
      assert.strictEqual(codeOf(text), "tls-error", text)
    }
    assert.strictEqual(codeOf("OAuthError"), "oauth-error")
    assert.strictEqual(codeOf("FreshTokenRejected"), "fresh-token-rejected")
    for (const text of ["invalid_client", "INVALID_SCOPE", "unauthorized_client"]) {
      assert.deepInclude(find(text, pages), { _tag: "Page", asked: text.toLowerCase() })
      assert.strictEqual(codeOf(text), "oauth-error")
    }
    assert.deepStrictEqual(find("tsl-error", pages), { _tag: "Unknown", meant: "tls-error" })
    assert.deepStrictEqual(find("nothing of the kind", pages), { _tag: "Unknown", meant: undefined })
    for (const text of ["", "`", "constructor", "__proto__", "a".repeat(100_000)]) {
      assert.notStrictEqual(codeOf(text), "Page", text.slice(0, 20))
      assert.notInclude(codeOf(text), "error")
    }
    assert.strictEqual(find("retryable", pages)._tag, "Unknown")
  })

  it.effect("an unknown word is not repeated", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(explain.page("eyJhbGciOi.secret", pages, { json: false, style: plain }))
      assert.strictEqual(failure.exit, 2)
      assert.notInclude(failure.message, "eyJ")
    }))

  it.effect("the output is Markdown without a terminal, and an object for a program", () =>
    Effect.gen(function*() {
      const text = yield* explain.page("tls-error", pages, { json: false, style: plain })
      assert.strictEqual(text, readFileSync(`${folder}/tls-error.md`, "utf8").trim())
      const said = JSON.parse(yield* explain.page("tls-error", pages, { json: true, style: plain }))
      assert.deepStrictEqual(Object.keys(said), ["code", "summary", "means", "why", "todo"])
      assert.strictEqual(said.code, "tls-error")
      const list: ReadonlyArray<{ readonly code: string }> = JSON.parse(explain.listObject(pages))
      assert.deepStrictEqual(list.map(({ code }) => code).sort(), Array.from(pages.keys()).sort())
    }))

  it("a terminal shows every word of every page, within its width", () => {
    const words = (text: string) => text.match(/[\p{L}\p{N}]+/gu) ?? []
    for (const columns of [40, 80, 120]) {
      for (const [code, { markdown }] of pages) {
        const shown = bare(render.terminal(markdown, { ...terminal, columns }))
        for (const line of shown.split("\n")) {
          // one word may be longer than the line, and code is not wrapped
          const isOneWord = line.trim().split(" ").length === 1
          if (!isOneWord && !line.startsWith("    ")) {
            assert.isAtMost(line.length, Math.min(columns, 100), `${code}: ${line}`)
          }
        }
        const wanted = words(
          markdown.replace(/\]\([^)]*\)/g, "]").replace(/^\|(.*)\|\n(?=\|[-|: ]+\|$)/gm, "").replace(/```\w+/g, "```")
        )
        assert.deepStrictEqual(words(shown), wanted, code)
      }
    }
  })

  it("headings are bold, links lose their target, tables become lists", () => {
    const text = render.terminal(
      "# a-code\n\nOne [page](x.md) and `code`\nmore.\n\n## What\n\n| a | b |\n|---|---|\n| `x` | y \\| z |\n\n- one\n  two\n1. three\n\n```sh\n  run  it\n```\n",
      terminal
    )
    assert.include(text, "\u001b[1mWhat\u001b[22m")
    assert.strictEqual(
      bare(text),
      "a-code\n\nOne page and code more.\n\nWhat\n\n  x\n      y | z\n\n  • one two\n 1. three\n\n      run  it"
    )
    assert.include(render.terminal("`x`", { ...terminal, colour: false }), "`x`")
  })
})
