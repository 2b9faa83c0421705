import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { setUp } from "../support/broker.js"
import { describeWithBrowser, evaluate, newPage, until } from "../support/browser.js"

/** A web page of somebody else, on a port of its own; at `/quiet` one that does not say where its requests come from. */
const elsewhere = Effect.acquireRelease(
  Effect.async<Http.Server>((resume) => {
    const server = Http.createServer((request, response) => {
      response.writeHead(200, {
        "content-type": "text/html",
        ...(request.url === "/quiet" ? { "referrer-policy": "no-referrer" } : {})
      })
      response.end("<!doctype html><html lang=en><title>elsewhere</title><body></body></html>")
    })
    server.listen(0, () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
)

const surfaces = [
  "/oauth2/main/token",
  "/auth/token/check",
  "/inject/main",
  "/v1/profiles/main/token",
  "/v1/profiles/main/tokens",
  "/metrics",
  "/status",
  "/status/events",
  "/health/live",
  "/health/ready",
  "/openapi.json",
  "/docs",
  "/",
  "/page/status.js",
  "/page/style.css",
  "/page/icon.svg"
]

/** What a page can try, with and without a key that it may have come by. */
const attack = (target: string, key: string) =>
  `(async () => {
    const surfaces = ${JSON.stringify(surfaces)}
    const read = []
    const element = (tag, attributes, name) => new Promise((resolve) => {
      const node = document.createElement(tag)
      node.onload = () => resolve(read.push(name + " loaded"))
      node.onerror = () => resolve()
      // what neither loads nor fails is not waited for: its answer is looked at all the same
      setTimeout(resolve, 15_000)
      Object.assign(node, attributes)
      document.body.append(node)
    })
    const attempt = async (name, url, options) => {
      try {
        const response = await fetch(url, options)
        const body = await response.text()
        if (response.type !== "opaque" || body !== "") read.push(name + " " + response.status + " " + body)
      } catch {}
    }
    for (const path of surfaces) {
      const url = ${JSON.stringify(target)} + path
      for (const method of ["GET", "POST"]) {
        await attempt("cors " + method + path, url, { method })
        await attempt("no-cors " + method + path, url, { method, mode: "no-cors" })
        await attempt("credentials " + method + path, url, { method, mode: "cors", credentials: "include" })
        await attempt("key " + method + path, url, {
          method,
          headers: { authorization: "Bearer ${key}", "x-effect-bearer": "true" }
        })
      }
      await attempt("form " + path, url, {
        method: "POST",
        mode: "no-cors",
        body: new URLSearchParams({ grant_type: "client_credentials", client_id: "flow", client_secret: "${key}" })
      })
      await element("img", { src: url }, "img " + path)
      await element("script", { src: url }, "script " + path)
      await element("link", { rel: "stylesheet", href: url }, "style " + path)
    }
    return read
  })()`

const refusals = (metrics: string) =>
  metrics.split("\n").filter((line) => line.startsWith("effect_bearer_broker_requests_total") && !line.endsWith(" 0"))

describeWithBrowser("pages of other origins", (it) => {
  it.scoped("no page of another origin can read from the broker: by fetch, form, image, script, style or frame", () =>
    Effect.gen(function*() {
      const { ask, key, listening, server, token } = yield* setUp()
      assert.strictEqual((yield* token()).status, 200)
      const port = new URL(listening.addresses[0]!).port
      const other = (yield* elsewhere).address() as AddressInfo
      const pairs = [
        // another port is the same site: nothing but the port tells them apart
        [`http://localhost:${other.port}`, `http://localhost:${port}`],
        [`http://127.0.0.1:${other.port}`, `http://127.0.0.1:${port}`],
        [`http://localhost:${other.port}/quiet`, `http://localhost:${port}`],
        // another name of this machine is another site
        [`http://127.0.0.1:${other.port}`, `http://localhost:${port}`],
        [`http://127.0.0.1:${other.port}/quiet`, `http://localhost:${port}`],
        [`http://localhost:${other.port}/quiet`, `http://127.0.0.1:${port}`]
      ] as const
      for (const [from, target] of pairs) {
        const page = yield* newPage()
        const answers: Array<readonly [string, number, string]> = []
        page.on("response", (response) => {
          if (response.url().startsWith(target)) {
            answers.push([response.url(), response.status(), response.request().method()])
          }
        })
        yield* Effect.promise(() => page.goto(from))
        assert.deepStrictEqual(yield* evaluate(page, attack(target, key)), [], `${from} reads ${target}`)
        assert.isAbove(answers.length, surfaces.length)
        for (const answer of answers) assert.strictEqual(answer[1], 403, answer.join(" "))

        // in a frame, where a person could be made to click
        for (const path of ["/", "/docs", "/openapi.json"]) {
          const refused = answers.length
          yield* evaluate(
            page,
            `new Promise((resolve) => {
              const frame = document.createElement("iframe")
              frame.onload = () => resolve()
              frame.src = ${JSON.stringify(target + path)}
              document.body.append(frame)
            })`
          )
          assert.deepStrictEqual(answers.slice(refused).map(([, status]) => status), [403], path)
        }

        // a form that takes the whole window there
        const before = answers.length
        yield* evaluate(
          page,
          `(() => {
            const form = document.createElement("form")
            form.method = "post"
            form.action = ${JSON.stringify(`${target}/oauth2/main/token`)}
            for (const [name, value] of Object.entries({
              grant_type: "client_credentials", client_id: "flow", client_secret: ${JSON.stringify(key)}
            })) {
              const input = document.createElement("input")
              Object.assign(input, { name, value })
              form.append(input)
            }
            document.body.append(form)
            setTimeout(() => form.submit())
          })()`
        )
        yield* until(page, `location.href.startsWith(${JSON.stringify(target)})`)
        assert.notInclude(yield* evaluate<string>(page, "document.documentElement.outerHTML"), "token-1")
        // the window asks for an icon, too
        assert.isNotEmpty(answers.slice(before))
        for (const answer of answers.slice(before)) assert.strictEqual(answer[1], 403, answer.join(" "))
      }
      assert.strictEqual(yield* server.count, 1)

      const counted = refusals((yield* ask("/metrics", { headers: { authorization: `Bearer ${key}` } })).text)
      const byBrowser = counted.filter((line) => line.includes("outcome=\"browser\""))
      for (
        const surface of ["oauth2", "check", "inject", "token", "tokens", "metrics", "status", "asset", "live", "ready"]
      ) {
        const line = byBrowser.find((line) => line.includes(`surface="${surface}"`))
        assert.isAbove(Number(line?.split(" ").at(-1)), 0, surface)
      }
      // the one token that was asked for above
      assert.lengthOf(counted.filter((line) => line.includes("outcome=\"ok\"")), 1, counted.join("\n"))
    }))

  it.scoped("a link leads to the status page, and the page works", () =>
    Effect.gen(function*() {
      const { listening } = yield* setUp()
      const port = new URL(listening.addresses[0]!).port
      const other = (yield* elsewhere).address() as AddressInfo
      const page = yield* newPage()
      yield* Effect.promise(() => page.goto(`http://127.0.0.1:${other.port}/`))
      yield* evaluate(page, `void setTimeout(() => { location.href = "http://localhost:${port}/" })`)
      yield* until(page, "document.activeElement?.id === 'key'")
      yield* Effect.promise(() => page.reload())
      yield* until(page, "document.activeElement?.id === 'key'")
    }))

  it.scoped("a request with a foreign host name that points to this address is refused", () =>
    Effect.gen(function*() {
      const { ask, listening } = yield* setUp()
      const port = new URL(listening.addresses[0]!).port
      for (const path of surfaces) {
        const reply = yield* ask(path, { headers: { host: `rebound.example:${port}` } })
        assert.strictEqual(reply.status, 421, path)
      }
    }))
})
