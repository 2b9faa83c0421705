import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import type * as Puppeteer from "puppeteer-core"
import { newKey, setUp } from "../support/broker.js"
import {
  assertAccessible,
  describeWithBrowser,
  evaluate,
  looks,
  newPage,
  picture,
  textOf,
  until,
  untilText
} from "../support/browser.js"

const open = (page: Puppeteer.Page, url: string) => Effect.promise(() => page.goto(url))

/** As a person does it: the field has the focus. */
const signIn = (page: Puppeteer.Page, key: string) =>
  Effect.gen(function*() {
    yield* until(page, "document.activeElement === document.getElementById('key')")
    yield* Effect.promise(() => page.keyboard.sendCharacter(key))
    yield* Effect.promise(() => page.keyboard.press("Enter"))
  })

const card = (name: string) =>
  `Array.from(document.querySelectorAll('.card')).find((card) => card.querySelector('h3').textContent === ${
    JSON.stringify(name)
  })`

const untilState = (page: Puppeteer.Page, name: string, ...states: ReadonlyArray<string>) =>
  until(page, `${JSON.stringify(states)}.includes(${card(name)}?.dataset.state)`)

/** What a secret could be found in, other than the memory of the script. */
const traces = (page: Puppeteer.Page) =>
  evaluate<string>(
    page,
    `(async () => JSON.stringify([
      document.documentElement.outerHTML,
      Array.from(document.querySelectorAll("input"), (input) => input.value),
      location.href, document.title, document.cookie, document.referrer, name, history.state,
      { ...localStorage }, { ...sessionStorage },
      await indexedDB.databases(), await caches.keys(),
      performance.getEntriesByType("resource").map((entry) => entry.name)
    ]))()`
  )

const assertNoTrace = (page: Puppeteer.Page, secrets: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const found = yield* traces(page)
    assert.include(found, "Token broker")
    for (const secret of secrets) assert.notInclude(found, secret)
  })

describeWithBrowser("status page", (it) => {
  it.scoped("signing in without a key, with a wrong key, with a key without permission, and with the right key", () =>
    Effect.gen(function*() {
      const poor = yield* newKey
      const { key, listening } = yield* setUp({
        callers: [{ id: "poor", keys: [poor.digest], profiles: {} }]
      })
      const port = new URL(listening.addresses[0]!).port
      for (const [host, look] of [["localhost", looks[0]!], ["127.0.0.1", looks[3]!]] as const) {
        const page = yield* newPage(look)
        const urls: Array<string> = []
        page.on("request", (request) => urls.push(request.url()))
        yield* open(page, `http://${host}:${port}/`)
        yield* untilText(page, "Sign in with the key of a caller")
        yield* assertAccessible(page)
        yield* picture(page, `sign-in-${look.width}-${look.scheme}`)
        yield* signIn(page, " ")
        yield* untilText(page, "Enter the key of a caller.")
        yield* signIn(page, "wrong-key-0f3a")
        yield* untilText(page, "No caller has this key.")
        assert.strictEqual(yield* evaluate(page, "document.getElementById('key').value"), "")
        yield* assertAccessible(page)
        yield* picture(page, `sign-in-wrong-${look.width}-${look.scheme}`)
        yield* signIn(page, poor.key)
        yield* untilText(page, "Give it the permission")
        yield* signIn(page, key)
        yield* untilText(page, "Live")
        // where the page begins, for who does not see it
        yield* until(page, "document.activeElement === document.getElementById('headline')")
        yield* assertNoTrace(page, [key, poor.key, "wrong-key-0f3a"])
        assert.deepStrictEqual(urls.filter((url) => url.includes(key) || url.includes("wrong-key")), [])
        // signing out forgets what was shown
        yield* Effect.promise(() => page.click("#sign-out"))
        yield* until(page, "document.activeElement === document.getElementById('key')")
        assert.notInclude(yield* traces(page), "upstream-client")
      }
    }))

  it.scoped("a wrong key opens no dialog of the browser", () =>
    Effect.gen(function*() {
      const { listening } = yield* setUp()
      const page = yield* newPage(looks[0])
      let asked = 0
      yield* Effect.promise(async () => {
        const session = await page.createCDPSession()
        session.on("Fetch.requestPaused", ({ requestId }) => void session.send("Fetch.continueRequest", { requestId }))
        session.on("Fetch.authRequired", ({ requestId }) => {
          asked++
          void session.send("Fetch.continueWithAuth", { requestId, authChallengeResponse: { response: "CancelAuth" } })
        })
        await session.send("Fetch.enable", { handleAuthRequests: true })
      })
      yield* open(page, `http://localhost:${new URL(listening.addresses[0]!).port}/`)
      yield* signIn(page, "wrong-key-0f3a")
      yield* untilText(page, "No caller has this key.")
      assert.strictEqual(asked, 0)
    }))

  it.scoped("the page shows a token that gets older, fails to renew, ends and is replaced; then a broker that stops and comes back", () =>
    Effect.gen(function*() {
      const life = yield* Scope.make()
      const reader = yield* newKey
      const callers = [
        {
          id: "reader",
          keys: [reader.digest],
          profiles: { main: {}, other: {} },
          permissions: ["status", "metrics"]
        },
        { id: "nightly-report", keys: [], profiles: { other: {} }, rate: { limit: 5, interval: "1 minute" } }
      ]
      // long enough for a look at each part of it, on a busy machine too
      const broker = yield* setUp({
        server: { expiresIn: 32 },
        profiles: { other: { scopes: ["users:read", "users:write"] } },
        config: { callers }
      }).pipe(Scope.extend(life))
      yield* Effect.addFinalizer(() => Scope.close(life, Exit.void))
      const { port } = new URL(broker.origin)
      const ask = broker.ask("/oauth2/main/token", {
        method: "POST",
        headers: {
          authorization: `Bearer ${reader.key}`,
          "content-type": "application/x-www-form-urlencoded"
        },
        body: "grant_type=client_credentials"
      })
      const pages = yield* Effect.forEach(looks, (look) =>
        Effect.gen(function*() {
          const page = yield* newPage(look)
          yield* open(page, `http://localhost:${port}/`)
          yield* signIn(page, reader.key)
          yield* untilState(page, "main", "idle")
          return { page, look }
        }))
      const onAll = (
        name: string,
        check: (page: Puppeteer.Page) => Effect.Effect<void>,
        options: { readonly isStill: boolean }
      ) =>
        Effect.gen(function*() {
          yield* Effect.forEach(pages, ({ page }) => check(page), { concurrency: "unbounded", discard: true })
          for (const { look, page } of pages) {
            yield* picture(page, `status-${name}-${look.width}-${look.scheme}`)
            if (options.isStill) yield* assertAccessible(page)
          }
        })
      yield* onAll("idle", (page) => untilText(page, "Nothing has happened yet"), { isStill: true })

      assert.strictEqual((yield* ask).status, 200)
      yield* onAll("usable", (page) =>
        Effect.gen(function*() {
          yield* untilState(page, "main", "good")
          const width = `${card("main")}.querySelector('.fill').getBoundingClientRect().width`
          // a bar that is not drawn yet has no width, and less than that never comes
          yield* until(page, `${width} > 3`)
          const before = yield* evaluate<number>(page, width)
          yield* until(page, `${width} < ${before - 3}`)
          yield* untilText(page, "left of 32 s")
          yield* untilText(page, "this process")
          yield* untilText(page, "1 in the last minute")
          yield* untilText(page, "Token acquired")
        }), { isStill: false })

      yield* broker.server.setOutage(true)
      // asked for, as programs do
      const asking = yield* Effect.fork(Effect.forever(Effect.delay(ask, "500 millis")))
      yield* onAll("failing", (page) => untilState(page, "main", "failing", "dead"), { isStill: false })
      yield* onAll("dead", (page) =>
        Effect.gen(function*() {
          yield* untilState(page, "main", "dead")
          yield* untilText(page, "answered 503 and cannot serve now")
          yield* untilText(page, "1 of 2 profiles needs attention")
          yield* untilText(page, "Refresh failed")
          yield* untilText(page, "Anomaly")
          assert.match(yield* evaluate<string>(page, "document.title"), /^\(1\)/)
        }), { isStill: true })

      yield* broker.server.setOutage(false)
      yield* broker.server.setExpiresIn(3600)
      yield* onAll("again", (page) =>
        Effect.gen(function*() {
          yield* untilState(page, "main", "good")
          yield* until(page, `${card("main")}.querySelector('.trouble').hidden`)
        }), { isStill: true })
      yield* Fiber.interrupt(asking)

      const tokens = yield* broker.server.issued
      assert.isNotEmpty(tokens)
      for (const { page } of pages) yield* assertNoTrace(page, [reader.key, reader.digest.slice(7), ...tokens])

      yield* Effect.fork(Scope.close(life, Exit.void))
      yield* onAll("stopped", (page) =>
        Effect.gen(function*() {
          yield* untilText(page, "The broker has stopped")
          yield* untilText(page, "Last seen")
        }), { isStill: true })

      yield* setUp({
        profiles: { other: {} },
        config: { callers, listen: [{ port: Number(port) }] }
      })
      yield* onAll("restarted", (page) => until(page, "document.getElementById('link').textContent === 'Live'"), {
        isStill: true
      })
      for (const { page } of pages) {
        assert.isTrue(yield* evaluate(page, "document.getElementById('banner').hidden"))
        assert.include(yield* textOf(page), "Nothing has happened yet")
      }
    }))
})
