/**
 * A headless Chromium for the tests of the pages. They fail without one on CI, and are skipped, loudly, anywhere else.
 * With `SCREENSHOTS` set to a folder, what the tests look at is kept there.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import type { Vitest } from "@effect/vitest"
import { assert, describe, it, layer } from "@effect/vitest"
import type { Scope } from "effect"
import { Context, Effect, Layer } from "effect"
import * as Puppeteer from "puppeteer-core"

/** The first of the usual names that answers. */
const executable = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].find((name) =>
  name !== undefined && spawnSync(name, ["--version"]).status === 0
)

/** Conditions are waited for, not times: this is for a machine that does nothing else but other things. */
export const patience = 120_000

const launch = (path: string) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      Puppeteer.launch({
        executablePath: whichOf(path),
        headless: true,
        // a container has no user namespaces to sandbox with; what is opened is of this repository
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-dev-shm-usage",
          "--no-proxy-server",
          "--force-color-profile=srgb"
        ],
        timeout: patience,
        protocolTimeout: patience
      })
    ),
    (browser) => Effect.promise(() => browser.close())
  )

/** Puppeteer starts a file, not a name. */
const whichOf = (name: string): string =>
  name.includes("/") ? name : spawnSync("which", [name]).stdout.toString().trim()

export class Browser extends Context.Tag("test/Browser")<Browser, Puppeteer.Browser>() {}

/** A `describe` whose tests share a browser, and run one after the other. */
export const describeWithBrowser = (name: string, tests: (it: Vitest.MethodsNonLive<Browser, true>) => void): void => {
  describe.sequential(name, () => {
    if (executable !== undefined) {
      layer(Layer.scoped(Browser, launch(executable)), { excludeTestServices: true, timeout: patience })(tests)
      return
    }
    if (process.env.CI === "true") {
      it("needs chromium", () => assert.fail(`chromium is not installed: ${name} was not tested`))
    } else {
      console.warn(`chromium is not installed: ${name.toUpperCase()} IS NOT TESTED`)
      it.skip("needs chromium, which is not installed")
    }
  })
}

export interface Look {
  readonly width: number
  readonly scheme: "light" | "dark"
}

export const looks: ReadonlyArray<Look> = [400, 1400].flatMap((width) =>
  (["light", "dark"] as const).map((scheme) => ({ width, scheme }))
)

/** A page in a window of its own, with no errors when it is closed. */
export const newPage = (
  { scheme, width }: Look = looks[0]!
): Effect.Effect<Puppeteer.Page, never, Browser | Scope.Scope> =>
  Effect.gen(function*() {
    const browser = yield* Browser
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.createBrowserContext()),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const errors: Array<string> = []
    page.on("pageerror", (error) => errors.push(String(error)))
    page.on("console", (message) => {
      const text = message.text()
      // a frame that is refused to another page is as it should be
      if (text.includes("Content Security Policy") && !text.includes("frame-ancestors")) errors.push(text)
    })
    yield* Effect.addFinalizer((exit) =>
      Effect.sync(() => exit._tag === "Success" && assert.deepStrictEqual(errors, [], "errors of the page"))
    )
    page.setDefaultTimeout(patience)
    yield* Effect.promise(async () => {
      await page.setViewport({ width, height: 900 })
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }])
    })
    return page
  })

/** Waits until an expression is true in the page. */
export const until = (page: Puppeteer.Page, expression: string): Effect.Effect<void> =>
  Effect.tryPromise(() => page.waitForFunction(expression, { timeout: patience, polling: 50 })).pipe(
    Effect.catchAll((error) =>
      Effect.flatMap(
        textOf(page),
        (text) => Effect.die(new Error(`${expression} did not come: ${error.message}\n${text}`))
      )
    ),
    Effect.asVoid
  )

export const untilText = (page: Puppeteer.Page, text: string): Effect.Effect<void> =>
  until(page, `document.body.innerText.includes(${JSON.stringify(text)})`)

export const evaluate = <A>(page: Puppeteer.Page, expression: string): Effect.Effect<A> =>
  Effect.promise(() => page.evaluate(expression) as Promise<A>)

export const textOf = (page: Puppeteer.Page): Effect.Effect<string> => evaluate(page, "document.body.innerText")

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js")

interface Violation {
  readonly id: string
  readonly help: string
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
}

/** What axe finds fault with in the page as it is. */
export const assertAccessible = (page: Puppeteer.Page): Effect.Effect<void> =>
  Effect.gen(function*() {
    // through the debugger, whose code no CSP holds back
    if (yield* evaluate<boolean>(page, "typeof axe === 'undefined'")) {
      const source = yield* Effect.promise(() => readFile(axe, "utf8"))
      yield* Effect.promise(() => page.evaluate(source))
    }
    const violations = yield* evaluate<ReadonlyArray<Violation>>(
      page,
      "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)"
    )
    assert.deepStrictEqual(
      violations.map((
        { help, id, nodes }
      ) => [id, help, nodes.map(({ failureSummary, html }) => [html, failureSummary])]),
      [],
      "axe"
    )
    assert.isAtMost(
      yield* evaluate<number>(page, "document.documentElement.scrollWidth - innerWidth"),
      0,
      "the page is wider than its window"
    )
  })

/** Keeps a picture of the page, where somebody wants to look at it. */
export const picture = (page: Puppeteer.Page, name: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    const folder = process.env.SCREENSHOTS
    if (folder === undefined) return
    mkdirSync(folder, { recursive: true })
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
  })
