import { HttpClient, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Redacted, TestClock } from "effect"
import * as FakeCloud from "../src/FakeCloud.js"
import { sockets } from "./utils/cloud.js"
import { eventually, meanwhile } from "./utils/sdk.js"

const login = "https://login.mypurecloud.ie/oauth/token"
const api = "https://api.mypurecloud.ie"

const answer = (request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(request)
    const text = yield* response.text
    return {
      status: response.status,
      headers: response.headers,
      json: (text.startsWith("{") ? JSON.parse(text) : text) as Record<string, unknown>
    }
  }).pipe(Effect.scoped)

const form = (parameters: Record<string, string>) =>
  HttpClientRequest.post(login).pipe(HttpClientRequest.bodyUrlParams(parameters))

const grant = { grant_type: "client_credentials" }

const withBasic = (id: string, secret: string) => HttpClientRequest.basicAuth(id, secret)

const issue = Effect.gen(function*() {
  const fake = yield* FakeCloud.FakeCloud
  const { json } = yield* answer(form(grant).pipe(withBasic(fake.clientId, Redacted.value(fake.clientSecret))))
  return String(json["access_token"])
})

const call = (path: string, token?: string) => {
  const request = HttpClientRequest.get(api + path)
  return answer(token === undefined ? request : HttpClientRequest.bearerToken(request, token))
}

describe("FakeCloud", () => {
  it.live("the fake issues tokens as the login host does", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const secret = Redacted.value(fake.clientSecret)
      const good = yield* answer(form(grant).pipe(withBasic(fake.clientId, secret)))
      assert.strictEqual(good.status, 200)
      assert.deepInclude(good.json, { token_type: "bearer", expires_in: 3600 })
      assert.match(good.headers["inin-correlation-id"]!, /^[0-9a-f-]{36}$/)
      const post = yield* answer(form({ ...grant, client_id: fake.clientId, client_secret: secret }))
      assert.strictEqual(post.status, 200)

      const refusals: ReadonlyArray<readonly [HttpClientRequest.HttpClientRequest, number, string]> = [
        [form(grant).pipe(withBasic(fake.clientId, "wrong")), 401, "invalid_client"],
        [form(grant).pipe(withBasic("nobody", secret)), 400, "invalid_client"],
        [form(grant), 400, "invalid_client"],
        [form({ grant_type: "password" }).pipe(withBasic(fake.clientId, secret)), 400, "unsupported_grant_type"],
        [form({}).pipe(withBasic(fake.clientId, secret)), 400, "invalid_request"],
        [form({ ...grant, scope: "a,b" }).pipe(withBasic(fake.clientId, secret)), 400, "invalid_scope"],
        [
          HttpClientRequest.post(login).pipe(
            HttpClientRequest.bodyUnsafeJson(grant),
            withBasic(fake.clientId, secret)
          ),
          400,
          "invalid_request"
        ]
      ]
      for (const [request, status, error] of refusals) {
        const { json, ...reply } = yield* answer(request)
        assert.deepStrictEqual([reply.status, json["error"]], [status, error])
        assert.strictEqual(json["description"], json["error_description"])
      }
      assert.deepInclude(yield* fake.seen, { tokenRequests: 9, tokensIssued: 2 })
    }).pipe(Effect.provide(sockets({ lifetime: "1 hour" }))))

  it.effect("the fake accepts a token in its region and until its end", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const token = yield* issue
      assert.strictEqual((yield* call("/api/v2/organizations/me", token)).status, 200)
      const bad = yield* call("/api/v2/organizations/me", "x".repeat(20))
      assert.deepInclude(bad.json, { status: 401, code: "bad.credentials" })
      assert.strictEqual(bad.json["contextId"], bad.headers["inin-correlation-id"])
      assert.strictEqual((yield* call("/api/v2/organizations/me")).json["code"], "authentication.required")
      const elsewhere = yield* answer(
        HttpClientRequest.get("https://api.mypurecloud.com/api/v2/organizations/me").pipe(
          HttpClientRequest.bearerToken(token)
        )
      )
      assert.strictEqual(elsewhere.status, 401)
      yield* fake.setLifetime("1 second")
      const short = yield* issue
      assert.strictEqual((yield* call("/api/v2/organizations/me", short)).status, 200)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* call("/api/v2/organizations/me", short)).status, 401)
      assert.strictEqual((yield* call("/api/v2/organizations/me", token)).status, 200)
      yield* fake.revokeAll
      assert.strictEqual((yield* call("/api/v2/organizations/me", token)).status, 401)
    }).pipe(Effect.provide(sockets())))

  it.live("each host of the fake has its own paths", () =>
    Effect.gen(function*() {
      const token = yield* issue
      const there = yield* answer(
        HttpClientRequest.get("https://login.mypurecloud.ie/api/v2/users").pipe(HttpClientRequest.bearerToken(token))
      )
      assert.strictEqual(there.status, 404)
      assert.strictEqual((yield* answer(HttpClientRequest.post(`${api}/oauth/token`))).status, 404)
      assert.strictEqual((yield* call("/api/v2/nothing", token)).json["code"], "not.found")
    }).pipe(Effect.provide(sockets())))

  it.live("pages, permissions and limits are those of the API", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const token = yield* issue
      const page = yield* call("/api/v2/users?pageSize=2&pageNumber=1", token)
      assert.deepInclude(page.json, {
        pageSize: 2,
        pageNumber: 1,
        pageCount: 2,
        total: 3,
        nextUri: "/api/v2/users?pageSize=2&pageNumber=2"
      })
      assert.strictEqual((yield* call("/api/v2/users?pageSize=501", token)).status, 400)
      assert.strictEqual((yield* call("/api/v2/users?pageNumber=0", token)).status, 400)
      yield* fake.setPermissions(["analytics:conversationDetail:view"])
      const denied = yield* call("/api/v2/users", token)
      assert.deepInclude(denied.json, { status: 403, code: "missing.any.permissions" })
      yield* fake.setRateLimit(5)
      const limited = yield* call("/api/v2/users", token).pipe(Effect.repeatN(1))
      assert.strictEqual(limited.status, 429)
      assert.strictEqual(limited.json["code"], "too.many.requests.retry.after")
      const wait = Number(limited.headers["retry-after"])
      assert.isTrue(wait > 0 && wait <= 60)
      assert.include(limited.json["message"], `[${wait}] seconds`)
      assert.strictEqual(limited.headers["inin-ratelimit-allowed"], "5")
      yield* fake.setTokenRateLimit(1)
      const busy = yield* answer(form(grant))
      assert.deepStrictEqual([busy.status, busy.json["error"]], [429, "too.many.requests.retry.after"])
    }).pipe(Effect.provide(sockets())))

  it.effect("the fake fails as told, for the calls that were named, and recovers", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const token = yield* issue
      const status = Effect.map(call("/api/v2/users", token), ({ status }) => status)
      yield* fake.fail(2, FakeCloud.unavailable("2 seconds"), { host: "api" })
      assert.deepStrictEqual(yield* Effect.all([status, status, status]), [503, 503, 200])
      yield* fake.fail(1, FakeCloud.html(), { path: "/api/v2/users" })
      assert.strictEqual((yield* call("/api/v2/organizations/me", token)).status, 200)
      const page = yield* call("/api/v2/users", token)
      assert.match(page.headers["content-type"]!, /^text\/html/)
      yield* fake.failAlways(FakeCloud.rateLimited("42 seconds"))
      assert.deepStrictEqual(yield* Effect.all([status, status]), [429, 429])
      assert.strictEqual((yield* answer(form(grant))).json["error"], "too.many.requests.retry.after")
      yield* fake.recover
      yield* fake.fail(1, FakeCloud.slow("200 millis"))
      const slow = yield* Effect.fork(status)
      yield* eventually(fake.seen, ({ requests }) => requests.at(-1)!.status === 0)
      yield* TestClock.adjust("199 millis")
      yield* meanwhile
      assert.isTrue(Option.isNone(yield* Fiber.poll(slow)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(slow)
      const { statuses } = yield* fake.seen
      assert.deepStrictEqual(statuses, { 200: 5, 429: 3, 503: 2 })
    }).pipe(Effect.provide(sockets())))
})
