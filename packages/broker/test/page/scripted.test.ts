import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type * as Puppeteer from "puppeteer-core"
import type { Snapshot } from "../../src/operations/snapshot.js"
import {
  assertAccessible,
  describeWithBrowser,
  evaluate,
  looks,
  newPage,
  picture,
  until,
  untilText
} from "../support/browser.js"
import { scriptedPage } from "../support/scriptedPage.js"

const hour = 3_600_000

type Profile = Snapshot["profiles"][number]

const profile = (name: string, more: Partial<Profile> = {}): Profile => ({
  name,
  clientId: "7f3c2a90-5f1d-4c1e-9a54-0d6d6f1f2a11",
  required: false,
  usable: true,
  remaining: 0.8 * hour,
  lifetime: hour,
  refreshing: false,
  stale: false,
  lastRenewal: Date.now() - 0.2 * hour,
  nextRenewal: Date.now() + 0.7 * hour,
  askedBy: "this",
  scopes: ["users:read", "conversations:write"],
  problem: null,
  store: null,
  askedLastMinute: 84,
  refusedLastMinute: 0,
  ...more
})

const problem = (message: string, retryIn: number | null) => ({
  since: Date.now() - 95_000,
  error: "OAuthError",
  message,
  retryAt: retryIn === null ? null : Date.now() + retryIn
})

const advice =
  "https://login.example.com/oauth/token refused the request with 401 \"invalid_client\". Credentials were sent " +
  "form-encoded in a Basic header: if they are right, the server may want them not encoded, or in the body."

const snapshot = (profiles: ReadonlyArray<Profile>, more: Partial<Snapshot> = {}): Snapshot => ({
  now: Date.now(),
  startedAt: Date.now() - 27 * hour,
  draining: false,
  auditLinesLost: 0,
  refusals: [{ reason: "browser", count: 1204 }, { reason: "credentials", count: 3 }],
  profiles,
  callers: [{
    id: "architect-flow",
    profiles: profiles.map(({ name }) => name),
    permissions: [],
    limit: 10_000,
    interval: 10_000,
    askedLastMinute: 412,
    refusedLastMinute: 3
  }],
  events: [
    { at: Date.now() - 2000, profile: "billing", kind: "RefreshFailed", isAnomaly: true, detail: advice },
    {
      at: Date.now() - 30 * hour,
      profile: "crm",
      kind: "TokenAcquired",
      isAnomaly: false,
      detail: "a token arrived after 82 ms"
    }
  ],
  ...more
})

const everyState = () => [
  profile("crm"),
  profile("crm-eu-central-1-reporting-with-a-long-name", { refreshing: true, stale: true, remaining: 0.05 * hour }),
  profile("warehouse", { stale: true, remaining: 0.07 * hour, nextRenewal: Date.now() - 5000, askedBy: "another" }),
  profile("payroll", {
    remaining: 0.04 * hour,
    stale: true,
    nextRenewal: Date.now() - 60_000,
    problem: problem(advice, 12_000),
    store: { since: Date.now() - 80_000, detail: "the shared store failed (get, timeout): this process works alone" }
  }),
  profile("billing", {
    usable: false,
    remaining: null,
    lifetime: null,
    nextRenewal: null,
    required: true,
    refusedLastMinute: 12,
    problem: problem(advice, null)
  }),
  profile("archive", {
    usable: false,
    remaining: null,
    lifetime: null,
    lastRenewal: null,
    nextRenewal: null,
    askedBy: "nobody",
    askedLastMinute: 0,
    scopes: []
  }),
  profile("legacy", { remaining: null, lifetime: null, nextRenewal: null })
]

const signIn = (page: Puppeteer.Page, origin: string) =>
  Effect.gen(function*() {
    yield* Effect.promise(() => page.goto(`${origin}/`))
    yield* until(page, "document.activeElement === document.getElementById('key')")
    yield* Effect.promise(() => page.keyboard.sendCharacter("a-key"))
    yield* Effect.promise(() => page.keyboard.press("Enter"))
    yield* untilText(page, "Sign out")
  })

const states = "Array.from(document.querySelectorAll('.card'), (card) => card.dataset.state)"

describeWithBrowser("status page, with events that a test writes", (it) => {
  it.scoped("each state has its word, its shape and its colour", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      server.say(snapshot(everyState(), { auditLinesLost: 7 }))
      for (const look of looks) {
        const page = yield* newPage(look)
        yield* signIn(page, server.origin)
        yield* until(page, `${states}.length === 7`)
        yield* assertAccessible(page)
        yield* picture(page, `states-${look.width}-${look.scheme}`)
        assert.deepStrictEqual(yield* evaluate(page, states), [
          "good",
          "renewing",
          "due",
          "failing",
          "dead",
          "idle",
          "good"
        ])
        const told = yield* evaluate<ReadonlyArray<ReadonlyArray<string>>>(
          page,
          `Array.from(document.querySelectorAll('.card')).slice(0, 6).map((card) => [
            card.querySelector('[data-part=state]').textContent,
            card.querySelector('use').getAttribute('href'),
            getComputedStyle(card.querySelector('.badge')).color
          ])`
        )
        for (const index of [0, 1, 2]) assert.lengthOf(new Set(told.map((one) => one[index])), 6)
        yield* untilText(page, "2 of 7 profiles need attention")
        yield* untilText(page, "Callers get no token of billing.")
        yield* untilText(page, "1,204 from other web pages")
        yield* untilText(page, "7 lines are lost")
      }
    }))

  it.scoped("all that the server sends is shown as text, never as HTML", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      const evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
      server.say(snapshot([profile(evil, { clientId: evil, scopes: [evil], problem: problem(evil, null) })], {
        callers: [{ ...snapshot([]).callers[0]!, id: evil, profiles: [evil], permissions: [evil] }],
        events: [{ at: Date.now(), profile: evil, kind: evil, isAnomaly: true, detail: evil }],
        refusals: [{ reason: evil, count: 1 }]
      }))
      const page = yield* newPage(looks[0])
      yield* signIn(page, server.origin)
      yield* until(page, `${states}.length === 1`)
      assert.strictEqual(yield* evaluate(page, "document.querySelectorAll('img, script').length"), 2)
      assert.notInclude(yield* evaluate<string>(page, "document.title"), "owned")
      assert.strictEqual(yield* evaluate(page, "document.querySelector('.card h3').textContent"), evil)
      yield* assertAccessible(page)
    }))

  it.scoped("if the server goes silent the page says so, connects again, and is live again", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      server.say(snapshot([profile("crm", { remaining: 60_000, lifetime: 60_000 })]))
      const page = yield* newPage(looks[3])
      yield* signIn(page, server.origin)
      yield* untilText(page, "Live")
      server.setSilent(true)
      // the stream is open, and silent
      yield* untilText(page, "No connection to the broker")
      yield* untilText(page, "Last seen")
      const left = "document.querySelector('[data-part=left]').textContent"
      const before = yield* evaluate<string>(page, left)
      // nobody knows what has become of the token since: it stands still
      yield* until(page, "/Last seen (1\\d|[2-9]\\d) s/.test(document.getElementById('banner-text').textContent)")
      assert.strictEqual(yield* evaluate(page, left), before)
      yield* picture(page, "lost-1400-dark")
      yield* assertAccessible(page)
      server.refuse(503)
      const streams = server.streams()
      yield* Effect.promise(() => page.click("#try-now"))
      yield* Effect.iterate(0, {
        while: () => server.streams() === streams,
        body: (turns) => Effect.delay(Effect.succeed(turns + 1), "50 millis")
      })
      yield* untilText(page, "No connection to the broker")
      server.refuse(undefined)
      server.setSilent(false)
      yield* Effect.promise(() => page.click("#try-now"))
      yield* until(page, "document.getElementById('link').textContent === 'Live'")
      assert.isTrue(yield* evaluate(page, "document.getElementById('banner').hidden"))
    }))

  it.scoped("if the key is no longer accepted the session ends, and the page says so", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      server.say(snapshot([profile("crm")]))
      const page = yield* newPage(looks[0])
      yield* signIn(page, server.origin)
      yield* untilText(page, "Live")
      server.refuse(401)
      server.end()
      yield* untilText(page, "The broker takes this key no more. No caller has this key.")
      assert.notInclude(yield* evaluate<string>(page, "document.body.outerHTML"), "crm")
      server.refuse(429, { "retry-after": "90" })
      yield* Effect.promise(() => page.keyboard.sendCharacter("a-key"))
      yield* Effect.promise(() => page.keyboard.press("Enter"))
      yield* untilText(page, "Too many attempts. Try again in 1 min 30 s.")
    }))

  it.scoped("the page says when the broker stops; with reduced motion the bar moves once per second", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      server.say(snapshot([profile("crm", { remaining: 60_000, lifetime: 60_000 })]))
      const page = yield* newPage(looks[1])
      yield* Effect.promise(() => page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]))
      yield* signIn(page, server.origin)
      const scale = "document.querySelector('.fill').style.transform"
      yield* until(page, `${scale} !== ""`)
      const before = yield* evaluate<string>(page, scale)
      yield* until(page, `${scale} !== ${JSON.stringify(before)}`)
      server.say(snapshot([profile("crm")], { draining: true }))
      yield* untilText(page, "The broker is stopping")
      yield* untilText(page, "Stopping")
      yield* picture(page, "stopping-400-dark")
      server.refuse(503)
      server.end()
      yield* untilText(page, "The broker has stopped")
    }))

  it.scoped("every control can be reached by the keyboard, and shows the focus", () =>
    Effect.gen(function*() {
      const server = yield* scriptedPage
      const { events } = snapshot([])
      server.say(snapshot([profile("crm")], {
        events: Array.from({ length: 60 }, (_, index) => ({ ...events[1]!, at: Date.now() - index * 1000 }))
      }))
      const page = yield* newPage(looks[3])
      yield* signIn(page, server.origin)
      yield* until(page, "document.activeElement === document.getElementById('headline')")
      yield* Effect.promise(() => page.evaluate("document.body.tabIndex = -1; document.body.focus()"))
      const reached: Array<string> = []
      for (let i = 0; i < 6; i++) {
        yield* Effect.promise(() => page.keyboard.press("Tab"))
        const [name, outline] = yield* evaluate<readonly [string, string]>(
          page,
          "[document.activeElement.id || document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.push(name)
        assert.notStrictEqual(outline, "none", name)
      }
      assert.deepStrictEqual(reached, ["Skip to the content", "Status", "API", "sign-out", "only-anomalies", "older"])
      assert.strictEqual(yield* evaluate(page, "document.querySelectorAll('.event').length"), 20)
      yield* Effect.promise(() => page.keyboard.press("Enter"))
      yield* until(page, "document.querySelectorAll('.event').length === 60")
      yield* Effect.promise(() => page.click("#only-anomalies"))
      yield* untilText(page, "No anomaly among the last events.")
    }))
})
