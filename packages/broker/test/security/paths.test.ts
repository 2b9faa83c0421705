import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, basic, form, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

describe("paths and methods", () => {
  // SPEC BROKER §1, §3
  it.scopedLive("a name that no profile can have is unknown, and is not logged", () =>
    Effect.gen(function*() {
      const { audit, key, origin, server, token } = yield* setUp()
      const names = [
        "..",
        ".",
        "",
        "%2e%2e",
        "%2e",
        "..%2fmain",
        "%2fmain",
        "main%2f..",
        "main%00",
        "%00",
        "main%0d%0aX-Injected:%201",
        "main%20",
        "main;x",
        "m%61in",
        "%6dain",
        "MAIN",
        "Main",
        "main.",
        "a".repeat(65),
        "a".repeat(5000),
        "__proto__",
        "constructor",
        "hasOwnProperty",
        "main\\",
        "mäin",
        "*",
        ":profile",
        "main%"
      ]
      const paths = (name: string) => [
        ["GET", `/v1/profiles/${name}/token`],
        ["GET", `/v1/profiles/${name}/tokens`],
        ["GET", `/inject/${name}`],
        ["POST", `/oauth2/${name}/token`]
      ]
      const body = form({ grant_type: "client_credentials" })
      for (const name of names) {
        for (const [method, path] of paths(name)) {
          const text = yield* raw.exchange(
            origin,
            raw.request(path!, [
              ["Host", new URL(origin).host],
              ...Object.entries(get(key)),
              ...(method === "POST"
                ? [["Content-Type", "application/x-www-form-urlencoded"], [
                  "Content-Length",
                  String(body.length)
                ]] as const
                : [])
            ], { method, body: method === "POST" ? body : "" })
          )
          const status = raw.statusOf(text)
          assert.isTrue(status === 404 || status === 403 || status === 400, `${path}: ${status}`)
          assert.strictEqual(raw.answersIn(text), 1)
          assert.notInclude(text.toLowerCase(), "x-injected")
          if (status !== 400) assert.include(text.toLowerCase(), "cache-control: no-store")
          if (name.length > 4) assert.notInclude(text, name)
        }
      }
      assert.strictEqual(yield* server.count, 0)

      // a caller that makes up names of the right form fills neither counters nor metrics
      for (let i = 0; i < 50; i++) yield* token({}, {}, `made-up-${i}`)
      const metrics = yield* ask(origin, "/metrics", { headers: get(key) })
      const status = yield* ask(origin, "/status", { headers: get(key) })
      assert.strictEqual(metrics.status, 200)
      for (const text of [metrics.text, status.text, yield* audit]) {
        assert.notInclude(text, "made-up")
        assert.notInclude(text, "__proto__")
        assert.notInclude(text, "aaaaaaaa")
        assert.notInclude(text, "%2e")
      }
    }))

  // SPEC BROKER §3
  it.scopedLive("no variation of a known path works: traversal, slashes, case, escapes, absolute and odd targets", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* setUp()
      const targets = [
        "/v1/profiles/main/../main/token",
        "/v1/profiles/x/../main/token",
        "/v1/profiles/x/%2e%2e/main/token",
        "/health/../v1/profiles/main/token",
        "/page/../v1/profiles/main/token",
        "/page/../../package.json",
        "/page/..%2f..%2fpackage.json",
        "/page/%2e%2e/%2e%2e/package.json",
        "/page/style.css/../../../package.json",
        "/page/",
        "/page/style.css%00.js",
        "//v1/profiles/main/token",
        "/v1//profiles/main/token",
        "/v1/profiles/main//token",
        "/v1/profiles/main/token/",
        "/v1/profiles/main/token%20",
        "/v1/profiles/main/token;x=1",
        "/v1/profiles/main/token#x",
        "/V1/profiles/main/token",
        "/v1/profiles/main/Token",
        "/v1/profiles/main/%74oken",
        "/%76%31/profiles/main/token",
        "/.well-known/oauth-authorization-server",
        "/STATUS",
        "/status/",
        "/metrics/",
        "/health/live/",
        "/etc/passwd",
        "/..",
        "/.git/config",
        "*",
        `${"/a".repeat(2000)}`
      ]
      for (const target of targets) {
        const text = yield* raw.exchange(
          origin,
          raw.request(target, [["Host", new URL(origin).host], ...Object.entries(get(key))])
        )
        const status = raw.statusOf(text)
        assert.isTrue(status === 404 || status === 400, `${target}: ${status}`)
      }
      assert.strictEqual(yield* server.count, 0)
    }))

  // SPEC BROKER §3
  it.scopedLive("each path accepts its own method only, whatever override headers say", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* setUp()
      const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]
      const paths: Record<string, ReadonlyArray<string>> = {
        "/oauth2/main/token": ["POST"],
        "/auth/token/check": ["POST"],
        "/inject/main": ["GET"],
        "/v1/profiles/main/token": ["GET"],
        "/v1/profiles/main/tokens": ["GET"],
        "/health/live": ["GET", "HEAD"],
        "/health/ready": ["GET"],
        "/metrics": ["GET"],
        "/status": ["GET"],
        "/status/events": ["GET"],
        "/": ["GET"],
        "/openapi.json": ["GET"]
      }
      for (const [path, allowed] of Object.entries(paths)) {
        for (const method of methods.filter((method) => !allowed.includes(method))) {
          const overrides = {
            "X-HTTP-Method-Override": allowed[0]!,
            "X-HTTP-Method": allowed[0]!,
            "X-Method-Override": allowed[0]!
          }
          const body = form({ grant_type: "client_credentials", _method: allowed[0]! })
          const text = yield* raw.exchange(
            origin,
            raw.request(`${path}?_method=${allowed[0]}`, [
              ["Host", new URL(origin).host],
              ...Object.entries(get(key)),
              ...Object.entries(overrides),
              ["Content-Type", "application/x-www-form-urlencoded"],
              ["Content-Length", String(body.length)]
            ], { method, body })
          )
          const status = raw.statusOf(text)
          assert.isTrue(status === 405 || (status === 400 && method === "QUERY"), `${method} ${path}: ${status}`)
          if (status === 405) assert.match(text, new RegExp(`^allow: ${allowed[0]}\r$`, "im"))
          if (method === "TRACE") assert.notInclude(text, key)
        }
      }
      const head = yield* raw.exchange(
        origin,
        raw.request("/health/live", [["Host", new URL(origin).host]], { method: "HEAD" })
      )
      assert.strictEqual(raw.statusOf(head), 200)
      // a tunnel is no request
      assert.notInclude(
        yield* raw.exchange(
          origin,
          raw.request("evil.example:443", [["Host", new URL(origin).host]], { method: "CONNECT" })
        ),
        " 200 "
      )
      // nor is another protocol
      const upgrade = yield* raw.exchange(
        origin,
        `GET /v1/profiles/main/token HTTP/1.1\r\nHost: ${
          new URL(origin).host
        }\r\nConnection: close, Upgrade, HTTP2-Settings\r\n` +
          "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
      )
      assert.notInclude(upgrade, " 101 ")
      assert.strictEqual(yield* server.count, 0)
    }))

  // SPEC BROKER §3
  it.scopedLive("no text of a request becomes a header of the answer", () =>
    Effect.gen(function*() {
      const { ask, key, token } = yield* setUp()
      const crlf = "x\r\nX-Injected: 1"
      const replies = [
        yield* token({ scope: crlf }),
        yield* token({ audience: crlf }),
        yield* token({ grant_type: crlf }),
        yield* token({ client_id: crlf }),
        yield* ask(`/v1/profiles/main/token?min_ttl=${encodeURIComponent(crlf)}`, { headers: get(key) }),
        yield* ask(`/health/live?${encodeURIComponent(crlf)}`),
        yield* ask("/auth/token/check", {
          method: "POST",
          headers: { authorization: basic("flow", key), "content-type": "application/json" },
          body: JSON.stringify({ client_id: "upstream-client", request_timestamp: crlf })
        }),
        yield* ask("/v1/profiles/main/tokens", {
          headers: { authorization: "Bearer x", "x-effect-bearer": "true", "last-event-id": "1%0d%0a" }
        })
      ]
      for (const { headers, text } of replies) {
        assert.notProperty(headers, "x-injected")
        assert.notInclude(JSON.stringify(headers), "Injected")
        assert.notInclude(text, "Injected")
      }
    }))
})
