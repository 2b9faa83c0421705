import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Fiber, Option, Redacted, TestClock, Tracer } from "effect"
import { RetryPolicy } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import * as FakeCloud from "../src/FakeCloud.js"
import { GenesysError, SdkBridge } from "../src/index.js"
import { renderings } from "./utils/cloud.js"
import {
  api,
  counts,
  DefaultHttpClient,
  eventually,
  HttpRequestOptions,
  inTime,
  made,
  meanwhile,
  newClient,
  noLeak,
  query,
  reasonOf,
  rejection,
  setUp,
  withFake
} from "./utils/sdk.js"

/** An SDK at a server that says how long its answer is, and breaks off before that; it goes on counting. */
const breakingOff = (status: number) =>
  Effect.gen(function*() {
    let requests = 0
    const server = createServer((_, response) => {
      requests++
      response.writeHead(status, { "content-type": "application/json", "content-length": 1000 })
      response.write("{\"id\":")
      setTimeout(() => response.destroy(), 20)
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.sync(() => server.close())
    )
    const client = newClient()
    const region = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const sdk = yield* SdkBridge.make(client, { region, tokens: yield* made })
    return { client, sdk, count: () => requests }
  })

describe.concurrent("SdkBridge", () => {
  describe("calls", () => {
    // SPEC B4
    it.effect("calls get the 401 after exactly one replay, and do not cost a token each", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        // what makes the SDK refresh and send without an end
        client.authData.refreshToken = "refresh"
        yield* fake.failAlways(FakeCloud.badCredentials, api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual([error.status, error.code], [401, "bad.credentials"])
        assert.deepStrictEqual(yield* counts(fake), [2, 2])
        for (let i = 0; i < 5; i++) assert.strictEqual((yield* rejection(users.getUser(ada.id))).status, 401)
        yield* meanwhile
        assert.deepStrictEqual(yield* counts(fake), [7, 2])
        assert.include(reasonOf(error, "ApiError").message, "check that it is for this region")
        yield* noLeak(fake, error)
      })))

    // SPEC B4
    it.live("calls with a body are sent again once after a 401, with the same body", () =>
      withFake(Effect.gen(function*() {
        const { analytics, fake } = yield* setUp()
        yield* fake.revokeAll
        const found = yield* Effect.promise(() => analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual(found.totalHits, 3)
        const posts = (yield* fake.seen).requests.filter(({ path }) => path.startsWith("/api/"))
        assert.deepStrictEqual(posts.map(({ body, status }) => [body, status]), [
          [JSON.stringify(query), 401],
          [JSON.stringify(query), 200]
        ])
      })))

    // SPEC B4
    it.live("calls with a stream are not sent again after a 401, but the next call has another token", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        yield* fake.revokeAll
        // callApi would write the stream to its log, and fail after any answer
        const upload = () =>
          client.getHttpClient().request(
            Object.assign(new HttpRequestOptions(`${fake.url}/api/v2/uploads`, "POST"), {
              headers: { Authorization: `Bearer ${client.authData.accessToken}` },
              data: Readable.from(["a", "b"])
            })
          )
        assert.strictEqual((yield* rejection(upload())).status, 401)
        assert.strictEqual((yield* counts(fake))[0], 1)
        assert.strictEqual((yield* fake.seen).requests.at(1)!.body, "ab")
        const user = yield* Effect.promise(() => users.getUser(ada.id))
        assert.strictEqual(user.name, "Ada Lovelace")
        assert.deepStrictEqual((yield* fake.seen).statuses, { 200: 3, 401: 1 })
      })))

    // SPEC B5
    it.effect("calls of any method wait as long as a 429 says", () =>
      withFake(Effect.gen(function*() {
        const { ada, analytics, fake, users } = yield* setUp()
        for (
          const call of [() => users.getUser(ada.id), () => analytics.postAnalyticsConversationsDetailsQuery(query)]
        ) {
          yield* fake.fail(1, FakeCloud.rateLimited("1 second"), api)
          const [first] = yield* counts(fake)
          yield* inTime(Effect.promise<unknown>(call))
          assert.strictEqual((yield* counts(fake))[0], first + 2)
          const [refused, served] = (yield* fake.seen).requests.slice(-2)
          assert.deepStrictEqual([refused!.status, served!.status], [429, 200])
          assert.isAtLeast(served!.at - refused!.at, 1_000)
        }
      })))

    it.effect("calls fail at once if a 429 asks for too long a wait, and the error says when to come back", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp({ sdk: { maxRetryAfter: "10 seconds" } })
        yield* fake.failAlways(FakeCloud.rateLimited("42 seconds"), api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual([error.status, error.code, error.headers["retry-after"], error.retryable], [
          429,
          "too.many.requests.retry.after",
          "42",
          true
        ])
        const left = Option.getOrThrow(reasonOf(error, "ApiRateLimited").retryAt) - (yield* Clock.currentTimeMillis)
        assert.strictEqual(left, 42_000)
        assert.strictEqual((yield* counts(fake))[0], 1)
        yield* noLeak(fake, error)
      })))

    it.live("calls are tried as often as the policy says", () =>
      withFake(Effect.gen(function*() {
        const retry = RetryPolicy.exponentialJitter<GenesysError.Transient>({ base: "10 millis", maxRetries: 2 })
        const { ada, fake, users } = yield* setUp({ sdk: { retry } })
        yield* fake.failAlways(FakeCloud.unavailable(), api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual([error.status, error.code], [503, "service.unavailable"])
        assert.strictEqual(reasonOf(error, "ApiUnavailable").attempts, 3)
        assert.strictEqual((yield* counts(fake))[0], 3)
      })))

    it.live("calls that only read are sent again after a 503, others are not", () =>
      withFake(Effect.gen(function*() {
        const { ada, analytics, fake, users } = yield* setUp()
        yield* fake.fail(1, FakeCloud.unavailable("1 second"), api)
        const user = yield* Effect.promise(() => users.getUser(ada.id))
        assert.strictEqual(user.name, "Ada Lovelace")
        assert.strictEqual((yield* counts(fake))[0], 2)
        yield* fake.fail(1, FakeCloud.unavailable("1 second"), api)
        const error = yield* rejection(analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.deepStrictEqual([error.status, error.headers["retry-after"]], [503, "1"])
        assert.strictEqual((yield* counts(fake))[0], 3)
        yield* noLeak(fake, error)
      })))

    it.live("calls fail if the answer is an HTML page", () =>
      withFake(Effect.gen(function*() {
        const { ada, analytics, fake, users } = yield* setUp()
        yield* fake.fail(1, FakeCloud.html(), api)
        const page = yield* rejection(users.getUser(ada.id))
        assert.include(reasonOf(page, "UnexpectedReply").detail, "an HTML page")
        assert.strictEqual(page.status, 200)
        yield* fake.fail(1, FakeCloud.html(502), api)
        const gateway = yield* rejection(analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual(gateway.status, 502)
        assert.include(reasonOf(gateway, "ApiUnavailable").message, "an HTML page")
        assert.include(gateway.body, "<h1>Sign in")
        yield* noLeak(fake, [page, gateway])
      })))

    it.live("calls fail if the answer says that it is JSON and is not", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, sdk, users } = yield* setUp()
        const answer = (body: string, type = "application/json") =>
          fake.fail(1, FakeCloud.reply({ status: 200, headers: { "content-type": type }, body }), api)
        for (
          const [body, type] of [
            ["{\"id\":"],
            [" [{}, "],
            ["{\"id\":", "Application/Problem+JSON; charset=utf-8"]
          ] as const
        ) {
          yield* answer(body, type)
          const error = yield* rejection(users.getUser(ada.id))
          assert.include(reasonOf(error, "UnexpectedReply").message, "its JSON breaks off, or is none")
          assert.deepStrictEqual([error.status, error.body], [200, body])
          assert.strictEqual(error.correlationId, Option.getOrThrow(reasonOf(error, "UnexpectedReply").correlationId))
          yield* answer(body, type)
          const failed = yield* Effect.flip(sdk.call((api) => new platformClient.UsersApi(api).getUser(ada.id)))
          assert.strictEqual(failed._tag, "UnexpectedReply")
        }
        // each of them is what it says
        for (
          const [body, type, expected] of [
            ["\"OK\"", undefined, "OK"],
            ["\"{\\\"id\\\":1}\"", undefined, "{\"id\":1}"],
            ["{\"id\":", "text/plain", "{\"id\":"],
            ["{\"id\":1}\n{\"id\":2}\n", "application/x-ndjson", "{\"id\":1}\n{\"id\":2}\n"],
            ["{\"id\":1}\n{\"id\":2}\n", "application/json-seq", "{\"id\":1}\n{\"id\":2}\n"]
          ] as const
        ) {
          yield* answer(body, type)
          assert.strictEqual<unknown>(yield* Effect.promise(() => users.getUser(ada.id)), expected)
        }
      })))

    it.live("calls fail if the answer breaks off, and are not sent again", () =>
      Effect.gen(function*() {
        const { client, count, sdk } = yield* breakingOff(200)
        const users = new platformClient.UsersApi(client)
        const read = yield* rejection(users.getUser("1"))
        const { message } = reasonOf(read, "ApiUnreachable")
        assert.include(message, "the answer with status 200 broke off: stream has been aborted")
        assert.isUndefined(read.status)
        const write = yield* rejection(users.postUsers({ name: "Ada", email: "ada@example.com", divisionId: "1" }))
        reasonOf(write, "ApiUnreachable")
        const failed = yield* Effect.flip(sdk.call((api) => new platformClient.UsersApi(api).getUser("1")))
        assert.strictEqual(failed._tag, "ApiUnreachable")
        assert.strictEqual(count(), 3)
        assert.notInclude(inspect([read, write, failed], { depth: Infinity, showHidden: true }), "made-up-token")
      }).pipe(Effect.scoped))

    it.live("calls fail with the status of the refusal although its body breaks off", () =>
      Effect.gen(function*() {
        const { client } = yield* breakingOff(404)
        const error = yield* rejection(new platformClient.UsersApi(client).getUser("1"))
        assert.strictEqual(reasonOf(error, "ApiError").status, 404)
      }).pipe(Effect.scoped))

    it.live("calls fail if the program's own HTTP client rejects a success, or rejects with something that is no answer", () =>
      Effect.gen(function*() {
        for (
          const [rejected, detail] of [
            [{ response: { status: 299, data: {} } }, "the answer with status 299 broke off"],
            [Object.assign(new Error("no status"), { response: { data: {} } }), "no status"]
          ] as const
        ) {
          const client = newClient()
          class Rejecting extends DefaultHttpClient {
            override request() {
              return Promise.reject(rejected)
            }
          }
          client.setHttpClient(new Rejecting() as never)
          yield* SdkBridge.make(client, { region: "http://127.0.0.1:1", tokens: yield* made })
          const error = yield* rejection(new platformClient.UsersApi(client).getUser("1"))
          assert.strictEqual(reasonOf(error, "ApiUnreachable").detail, detail)
        }
      }).pipe(Effect.scoped))

    it.effect("calls that take too long fail, and are not sent again", () =>
      withFake(Effect.gen(function*() {
        const client = newClient()
        client.timeout = 300
        // no time passes for the cloud: it never answers
        const { ada, analytics, fake, users } = yield* setUp({ client })
        yield* fake.failAlways(FakeCloud.slow("2 seconds"), api)
        for (
          const call of [() => users.getUser(ada.id), () => analytics.postAnalyticsConversationsDetailsQuery(query)]
        ) {
          const error = yield* rejection(call())
          assert.strictEqual(error.code, "ECONNABORTED")
          assert.include(reasonOf(error, "ApiTimeout").message, "did not answer within 300 ms")
          yield* noLeak(fake, error)
        }
        // on a busy machine the time can be over before the server has seen the call
        assert.isAtMost((yield* counts(fake))[0], 2)
      })))

    it.live("calls have a time limit for head and body together, if it is set", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp({ sdk: { timeout: "200 millis" } })
        yield* fake.failAlways(FakeCloud.slow("1 second"), api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.include(reasonOf(error, "ApiTimeout").message, "200 ms")
        yield* noLeak(fake, error)
        // the SDK cannot cancel what it has sent
        yield* eventually(fake.seen, ({ statuses }) => statuses[200] === 2)
      })))

    it.live("calls fail if no server listens", () =>
      Effect.gen(function*() {
        const client = newClient()
        yield* SdkBridge.make(client, { region: "http://127.0.0.1:1", tokens: yield* made })
        const error = yield* rejection(new platformClient.UsersApi(client).getUser("1"))
        assert.strictEqual(error.code, "ECONNREFUSED")
        assert.strictEqual(reasonOf(error, "ApiUnreachable").url, "http://127.0.0.1:1/api/v2/users/1")
        assert.notInclude(renderings(error) + inspect(error, { depth: Infinity, showHidden: true }), "made-up-token")
      }).pipe(Effect.scoped))

    it.live("calls without a token fail with the error of the token source", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        yield* fake.rotateSecret("another")
        yield* fake.revokeAll
        const error = yield* rejection(users.getUser(ada.id))
        assert.strictEqual(reasonOf(error, "OAuthError").error, "invalid_client")
        assert.isFalse(error.retryable)
        yield* noLeak(fake, error)
      })))

    it.live("calls with an Authorization header of their own are left unchanged", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        const customHeaders = { Authorization: "Bearer of-my-own" }
        const error = yield* rejection(users.getUser(ada.id, { customHeaders }))
        assert.strictEqual(error.status, 401)
        assert.deepStrictEqual(yield* counts(fake), [1, 1])
        assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), "of-my-own")
      })))

    it.live("calls go through the HTTP client, the hooks and the agents of the SDK", () =>
      withFake(Effect.gen(function*() {
        class Counting extends DefaultHttpClient {
          // a client of a class with private members has to be called as itself
          #requests = 0
          get requests() {
            return this.#requests
          }
          override request(options: HttpRequestOptions) {
            this.#requests++
            return super.request(options)
          }
        }
        const client = newClient()
        const counting = new Counting()
        client.setHttpClient(counting as never)
        const { ada, fake, users } = yield* setUp({ client })
        client.setPreHook((config) => Object.assign(config, { headers: { ...config.headers, "X-Hook": "seen" } }))
        const agent = { some: "agent" }
        client.setProxyAgent(agent)
        assert.strictEqual(counting.httpsAgent, agent)
        client.setProxyAgent(undefined)
        yield* Effect.promise(() => users.getUser(ada.id))
        assert.strictEqual(counting.requests, 1)
        assert.strictEqual((yield* fake.seen).requests.at(-1)!.headers["x-hook"], "seen")
      })))
  })

  describe("errors", () => {
    it.live("errors have the members that users of the SDK look for", () =>
      withFake(Effect.gen(function*() {
        const { client, fake, users } = yield* setUp()
        const error = yield* rejection(users.getUser("nobody"))
        assert.instanceOf(error, Error)
        assert.strictEqual(error.message, "There is no user with this id.")
        assert.include(error, { status: 404, statusText: "Not Found", code: "not.found" })
        assert.deepInclude({ ...error }, { messageParams: {}, details: [], errors: [] } as object)
        assert.strictEqual(error.contextId, error.correlationId)
        assert.strictEqual(error.headers["inin-correlation-id"], error.correlationId)
        assert.deepInclude(error.body, { code: "not.found", contextId: error.contextId })
        assert.deepInclude(JSON.parse(JSON.stringify(error)), { status: 404, message: error.message })
        assert.isTrue(GenesysError.isGenesysError(error.reason))

        client.setReturnExtendedResponses(true)
        const extended = yield* rejection(users.getUser("nobody"))
        assert.include(extended, { status: 404, statusText: "Not Found" })
        assert.deepInclude(extended.body, { code: "not.found" })
        assert.strictEqual(extended.headers["inin-correlation-id"], extended.correlationId)
        assert.instanceOf(extended.error, Error)
        assert.strictEqual(Option.getOrThrow(SdkBridge.errorOf(extended))._tag, "ApiError")
        yield* noLeak(fake, [error, extended])
      })))

    it.live("a member of an answer cannot overwrite the members of an error", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        client.authData.refreshToken = "refresh"
        const body = JSON.stringify({
          response: { status: 401 },
          stack: "stack",
          reason: "reason",
          name: "name",
          own: 1
        })
        yield* fake.fail(
          1,
          FakeCloud.reply({ status: 400, body, headers: { "content-type": "application/json" } }),
          api
        )
        const error = yield* rejection(users.getUser(ada.id))
        assert.strictEqual(reasonOf(error, "ApiError").status, 400)
        assert.notProperty(error, "response")
        assert.strictEqual(error.name, "SdkError")
        assert.strictEqual(Reflect.get(error, "own"), 1)
        assert.match(error.stack!, /^SdkError|^Error/)
      })))

    it.live("a refusal without a body is an error with its status", () =>
      withFake(Effect.gen(function*() {
        const { analytics, fake } = yield* setUp()
        yield* fake.fail(1, FakeCloud.reply({ status: 502 }), api)
        const error = yield* rejection(analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual(error.status, 502)
        assert.include(error.message, "was answered 502")
      })))

    it.live("errors hold no credential that the server repeats", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        const token = Redacted.value((yield* fake.tokens)[0]!)
        yield* fake.failAlways(
          FakeCloud.reply({
            status: 400,
            headers: { "content-type": "application/json", "x-debug": `Bearer ${token}`, "set-cookie": "session=abc" },
            body: JSON.stringify({ code: "debug", message: `got ${token}`, details: [{ header: `Bearer ${token}` }] })
          }),
          api
        )
        const error = yield* rejection(users.getUser(ada.id))
        assert.strictEqual(error.message, "got <redacted>")
        assert.deepStrictEqual(error.headers["x-debug"], "Bearer <redacted>")
        assert.notProperty(error.headers, "set-cookie")
        yield* noLeak(fake, error)
      })))

    it.live("errors hold no credential in an answer, known or not, and keep everything else", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        const opaque = "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5oQ7sU9wY1aC3eG5i"
        const id = "6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10"
        const long = `${"a long text\n".repeat(3000)}${opaque}`
        const body = {
          code: "not.found",
          message: `no user ${id} at /api/v2/users/${id}, token ${opaque}`,
          status: 404,
          contextId: id,
          access_token: opaque,
          clientSecret: "hunter2",
          details: [{
            errorCode: "nope",
            fieldName: "id",
            session: { password: 1234, cookies: ["a", true, null, ""] }
          }],
          credentials: [{ user: "a", of: { n: 1 } }],
          text: long,
          [opaque]: { count: 3, found: false, none: null }
        }
        const headers = { "content-type": "application/json", "x-auth-token": "hunter2", "x-debug": opaque }
        yield* fake.fail(1, FakeCloud.reply({ status: 404, headers, body: JSON.stringify(body) }), api)
        const error = yield* rejection(users.getUser(ada.id))
        const shown = inspect(error, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity })
        for (const secret of [opaque, "hunter2"]) {
          assert.notInclude(shown + renderings(error) + JSON.stringify(error), secret)
        }
        assert.strictEqual(error.message, `no user ${id} at /api/v2/users/${id}, token <redacted>`)
        assert.deepStrictEqual(error.body, {
          code: "not.found",
          message: error.message,
          status: 404,
          contextId: id,
          access_token: "<redacted>",
          clientSecret: "<redacted>",
          details: [{
            errorCode: "nope",
            fieldName: "id",
            session: { password: "<redacted>", cookies: ["<redacted>", true, null, ""] }
          }],
          credentials: [{ user: "<redacted>", of: { n: "<redacted>" } }],
          text: long.replace(opaque, "<redacted>"),
          "<redacted>": { count: 3, found: false, none: null }
        })
        assert.deepInclude({ ...error }, { code: "not.found", contextId: id, access_token: "<redacted>" } as object)
        assert.include(error.headers, {
          "content-type": "application/json",
          "x-auth-token": "<redacted>",
          "x-debug": "<redacted>"
        })
        assert.match(error.correlationId!, /^[0-9a-f-]{36}$/)
        assert.strictEqual(error.correlationId, error.headers["inin-correlation-id"])

        yield* fake.failAlways(
          FakeCloud.reply({ status: 200, headers: { "content-type": `text/html; x=${opaque}` }, body: "<p>" }),
          api
        )
        const page = yield* rejection(users.getUser(ada.id))
        assert.strictEqual(reasonOf(page, "UnexpectedReply").contentType, "text/html")
      })))

    it.live("errors hold no credential that the program's own HTTP client passes on, and are limited in size", () =>
      Effect.gen(function*() {
        class Rejecting extends DefaultHttpClient {
          override request({ headers }: HttpRequestOptions) {
            const { Authorization } = headers as { readonly Authorization: string }
            const deep = Array.from({ length: 200 }).reduce<unknown>((data) => [data], 1)
            const response = { status: 404, statusText: `Not ${Authorization}`, data: { [Authorization]: deep } }
            return Promise.reject({ response })
          }
        }
        const client = newClient()
        client.setHttpClient(new Rejecting() as never)
        yield* SdkBridge.make(client, { region: "http://127.0.0.1:1", tokens: yield* made })
        const error = yield* rejection(new platformClient.UsersApi(client).getUser("1"))
        assert.strictEqual(error.statusText, "Not Bearer <redacted>")
        const body = JSON.stringify(error.body)
        assert.match(body, /^\{"Bearer <redacted>":\[+null\]+\}$/)
        assert.lengthOf(body.match(/\[/g)!, 64)
      }).pipe(Effect.scoped))

    it.live("errors hold no credential if the SDK logs in by itself", () =>
      withFake(Effect.gen(function*() {
        const { client, fake } = yield* setUp()
        const { hostname, port } = new URL(fake.url)
        client.setGateway({ host: hostname, port: Number(port), protocol: "http" })
        const secret = "a-secret-of-another-client"
        const refused = yield* rejection(client.loginClientCredentialsGrant(fake.clientId, secret))
        assert.include(refused, { status: 401, code: "invalid_client" })
        assert.notInclude(refused.message, "A token just issued")
        client.setGateway({ host: hostname, port: 1, protocol: "http" })
        const unreachable = yield* rejection(client.loginClientCredentialsGrant(fake.clientId, secret))
        assert.strictEqual(unreachable.code, "ECONNREFUSED")
        const shown = inspect([refused, unreachable], { depth: Infinity, showHidden: true, getters: true })
        for (const leak of [secret, Buffer.from(`${fake.clientId}:${secret}`).toString("base64")]) {
          assert.notInclude(shown + JSON.stringify([refused, unreachable]), leak)
        }
        yield* noLeak(fake, [refused, unreachable])
      })))

    for (const format of ["text", "json"]) {
      it.live(`errors and the SDK's own log hold no credential (${format})`, () =>
        withFake(Effect.gen(function*() {
          const { ada, client, fake, users } = yield* setUp()
          const lines: Array<unknown> = []
          const { logger } = client.config
          Object.assign(logger, { log_format: format, log_request_body: true, log_response_body: true })
          Object.assign(logger, { logger: { transports: [{}], log: (...line: Array<unknown>) => lines.push(line) } })
          yield* Effect.promise(() => users.getUser(ada.id))
          yield* fake.revokeAll
          yield* Effect.promise(() => users.getUser(ada.id))
          yield* rejection(users.getUser("nobody"))
          assert.isAtLeast(lines.length, 5)
          assert.include(inspect(lines, { depth: Infinity }), "not.found")
          yield* noLeak(fake, lines)
        })))
    }
  })

  describe("call", () => {
    it.live("call gives the answer, or the typed error", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, sdk } = yield* setUp()
        const get = (id: string) => sdk.call((api) => new platformClient.UsersApi(api).getUser(id))
        assert.strictEqual((yield* get(ada.id)).name, "Ada Lovelace")
        const handled = yield* get("nobody").pipe(
          Effect.catchTag("ApiError", (error) => Effect.succeed([error.status, Option.getOrThrow(error.code)]))
        )
        assert.deepStrictEqual(handled, [404, "not.found"])
        client.setReturnExtendedResponses(true)
        const error = yield* Effect.flip(get("nobody"))
        assert.strictEqual(error._tag, "ApiError")
        yield* noLeak(fake, error)
      })))

    it.live("call belongs to the span of its caller, and the promise to none", () =>
      withFake(Effect.gen(function*() {
        const spans: Array<Tracer.Span> = []
        const native = yield* Effect.tracer
        const tracer = Tracer.make({
          ...native,
          span: (...args) => {
            const span = native.span(...args)
            spans.push(span)
            return span
          }
        })
        yield* Effect.gen(function*() {
          const { ada, sdk, users } = yield* Effect.withSpan(setUp(), "connecting")
          spans.splice(0)
          yield* sdk.call((api) => new platformClient.UsersApi(api).getUser(ada.id)).pipe(Effect.withSpan("caller"))
          yield* Effect.promise(() => users.getUser(ada.id))
        }).pipe(Effect.withTracer(tracer))
        const parents = spans.filter(({ kind }) => kind === "client").map(({ name, parent }) => [
          name,
          Option.getOrUndefined(parent) === spans[0] ? "caller" : Option.isNone(parent)
        ])
        assert.deepStrictEqual(parents, [["http.client GET", "caller"], ["http.client GET", true]])
      })))

    it.live("the error says which parameter is missing", () =>
      withFake(Effect.gen(function*() {
        const { fake, sdk } = yield* setUp()
        const error = yield* Effect.flip(sdk.call((api) => new platformClient.UsersApi(api).getUser("")))
        assert.strictEqual(error._tag, "InvalidCall")
        assert.strictEqual(error.message, "Invalid userId: getUser needs it.")
        assert.deepStrictEqual(yield* counts(fake), [0, 1])
      })))

    it.live("an exception of the program's own code is a defect", () =>
      withFake(Effect.gen(function*() {
        const { sdk } = yield* setUp()
        const fault = new TypeError("not a function")
        const cause = yield* Effect.flip(Effect.sandbox(sdk.call(() => Promise.reject(fault))))
        assert.deepStrictEqual(Cause.dieOption(cause), Option.some(fault))
      })))

    it.effect("an interrupted call that waits for a rate limit is not sent any more", () =>
      withFake(Effect.gen(function*() {
        const { analytics, fake, sdk } = yield* setUp()
        yield* fake.fail(1, FakeCloud.rateLimited("1 second"), api)
        const late = yield* Effect.fork(
          sdk.call((api) => new platformClient.AnalyticsApi(api).postAnalyticsConversationsDetailsQuery(query))
        )
        yield* eventually(fake.seen, ({ statuses }) => statuses[429] === 1)
        yield* meanwhile
        yield* Fiber.interrupt(late)
        yield* TestClock.adjust("1 minute")
        yield* meanwhile
        assert.strictEqual((yield* counts(fake))[0], 1)
        // others were not touched
        yield* Effect.promise(() => analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual((yield* counts(fake))[0], 2)
      })))
  })
})
