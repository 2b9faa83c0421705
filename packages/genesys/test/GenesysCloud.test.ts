import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { HttpClientResponse } from "@effect/platform"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  ConfigProvider,
  Effect,
  Exit,
  Layer,
  Option,
  Redacted,
  Schedule,
  Schema,
  Stream,
  TestClock
} from "effect"
import { TokenSource } from "effect-bearer"
import * as FakeCloud from "../src/FakeCloud.js"
import type { GenesysError } from "../src/index.js"
import { Analytics, GenesysApi, GenesysCloud, Organizations, Region, Users } from "../src/index.js"
import { connect, connectTo, memory, renderings, secret, Server, sockets, token, withCloud } from "./utils/cloud.js"
import { inTime } from "./utils/sdk.js"

const environment = (variables: Record<string, string>) => (settings: Partial<GenesysCloud.Options> = {}) =>
  GenesysCloud.fromEnvironment(settings).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

const complete = { GENESYS_CLIENT_ID: "id", GENESYS_CLIENT_SECRET: secret, GENESYS_REGION: "eu-central-1" }

const apiError = (error: GenesysError.GenesysError): GenesysError.ApiError => {
  assert.strictEqual(error._tag, "ApiError")
  return error as GenesysError.ApiError
}

describe("configuration", () => {
  // SPEC E1
  it.effect("the configuration is read from the environment", () =>
    Effect.gen(function*() {
      for (
        const url of ["https://api.mypurecloud.de", "https://api.mypurecloud.de/", "mypurecloud.de", "eu_central_1"]
      ) {
        const { GENESYS_REGION: _, ...rest } = complete
        const options = yield* environment({ ...rest, GENESYS_ENV_URL: url, GENESYS_SCOPES: "a, b" })()
        assert.strictEqual((options.region as Region.Region).tokenEndpoint, "https://login.mypurecloud.de/oauth/token")
        assert.strictEqual(options.clientId, "id")
        assert.strictEqual(options.scopes, "a, b")
      }
      const both = yield* environment({ ...complete, GENESYS_ENV_URL: "https://api.mypurecloud.de/" })()
      assert.strictEqual((both.region as Region.Region).name, "eu_central_1")
    }))

  // FAULTS W
  it.effect("an environment that may not be read is InvalidConfiguration, which names the permission", () =>
    Effect.gen(function*() {
      const denied = ConfigProvider.fromMap(new Map()).pipe(ConfigProvider.mapInputPath((name) => {
        throw Object.assign(new Error(`Requires env access to "${name}", run again with the --allow-env flag`), {
          name: "NotCapable"
        })
      }))
      const error = yield* Effect.flip(GenesysCloud.fromEnvironment()).pipe(Effect.withConfigProvider(denied))
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "--allow-env")
    }))

  // SPEC E6
  it.effect("one error names everything in the environment that is missing, blank, wrong or has spaces around it, and shows no secret", () =>
    Effect.gen(function*() {
      const failing = (variables: Record<string, string>) => Effect.flip(environment(variables)())
      const nothing = yield* failing({})
      assert.deepStrictEqual(nothing.fields, ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_REGION"])
      assert.include(nothing.message, "GENESYS_ENV_URL")

      const blank = yield* failing({ GENESYS_CLIENT_ID: " ", GENESYS_CLIENT_SECRET: "", GENESYS_REGION: "\t" })
      assert.deepStrictEqual(blank.fields, nothing.fields)

      const padded = yield* failing({
        GENESYS_CLIENT_ID: "id ",
        GENESYS_CLIENT_SECRET: `${secret}\n`,
        GENESYS_REGION: "mypurecloud.de "
      })
      assert.deepStrictEqual(padded.fields, nothing.fields)
      assert.match(padded.message, /GENESYS_CLIENT_SECRET begins or ends with white space: .* remove it/)
      assert.notInclude(padded.message, secret)

      const wrong = yield* failing({ ...complete, GENESYS_REGION: "mypurecloud.dee" })
      assert.match(wrong.message, /GENESYS_REGION is wrong: .* Did you mean mypurecloud.de\?/)

      const contradicting = yield* failing({ ...complete, GENESYS_ENV_URL: "https://api.mypurecloud.com" })
      assert.deepStrictEqual(contradicting.fields, ["GENESYS_ENV_URL", "GENESYS_REGION"])
      assert.include(contradicting.message, "contradict each other (mypurecloud.com, mypurecloud.de)")
    }))

  it.effect("the error names scopes that are not well-formed", () =>
    Effect.gen(function*() {
      for (const scopes of [",,", " ; , "]) {
        const error = yield* Effect.flip(environment({ ...complete, GENESYS_SCOPES: scopes })())
        assert.deepStrictEqual(error.fields, ["GENESYS_SCOPES"])
        assert.include(error.message, "GENESYS_SCOPES has separators and no scope")
      }
      for (const scopes of ["", "  "]) {
        assert.isUndefined((yield* environment({ ...complete, GENESYS_SCOPES: scopes })()).scopes)
      }
    }))

  it.effect("a client id that is the secret is refused, and not shown", () =>
    Effect.gen(function*() {
      const clientId = `id:${secret}`
      const read = yield* Effect.flip(environment({ ...complete, GENESYS_CLIENT_ID: clientId })())
      assert.deepStrictEqual(read.fields, ["GENESYS_CLIENT_ID"])
      const stated = yield* Effect.flip(connectTo(memory(() => Response.json({})).client, { clientId }))
      assert.deepStrictEqual(stated.fields, ["clientId"])
      for (const { message } of [read, stated]) {
        assert.include(message, "has a colon, which no client id of Genesys Cloud has: was the secret copied along?")
        assert.notInclude(message, secret)
      }
    }).pipe(Effect.scoped))

  it.effect("options of the program win over the environment", () =>
    Effect.gen(function*() {
      const options = yield* environment({})({ region: "us_east_1", clientId: "a", clientSecret: Redacted.make("b") })
      assert.strictEqual(options.region, "us_east_1")
      const error = yield* Effect.flip(environment({})({ region: "us_east_1" }))
      assert.deepStrictEqual(error.fields, ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"])
    }))

  it.effect("an unknown region is refused before any network call", () =>
    Effect.gen(function*() {
      const error = yield* GenesysCloud.make({ region: "nowhere", clientId: "a", clientSecret: Redacted.make("b") })
        .pipe(Effect.flip, Effect.provide(NodeHttpClient.layer))
      assert.strictEqual(error._tag, "InvalidConfiguration")
    }).pipe(Effect.scoped))
})

describe("GenesysCloud, over sockets", () => {
  // SPEC E4
  it.live("a call gets a user, with the token attached, in every region", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const ada = FakeCloud.user("Ada Lovelace")
      yield* fake.setUsers([ada])
      for (const region of Region.all) {
        const cloud = yield* connect({ region })
        const user = yield* Users.get(ada.id).pipe(Effect.provideService(GenesysCloud.GenesysCloud, cloud))
        assert.strictEqual(user.name, "Ada Lovelace")
        assert.strictEqual(user.email, "ada.lovelace@example.com")
      }
      const { byPath, requests, tokenRequests } = yield* fake.seen
      assert.strictEqual(tokenRequests, 18)
      assert.deepStrictEqual(byPath, { [`GET /api/v2/users/${ada.id}`]: 18 })
      // SPEC C1
      assert.deepStrictEqual(
        requests.map(({ host }) => host),
        Region.all.flatMap(({ environment }) => [`login.${environment}`, `api.${environment}`])
      )
      const [login, call] = requests
      assert.strictEqual(login!.body, "grant_type=client_credentials")
      assert.match(login!.headers["content-type"]!, /^application\/x-www-form-urlencoded/)
      assert.strictEqual(login!.headers["authorization"], "Basic <redacted>")
      assert.strictEqual(call!.headers["authorization"], "Bearer <redacted>")
    }).pipe(Effect.scoped, Effect.provide(sockets())))

  // SPEC C1
  it.effect("one token request gives a token with its lifetime and its scopes", () =>
    withCloud(
      Effect.gen(function*() {
        const { tokens } = yield* GenesysCloud.GenesysCloud
        const token = yield* tokens.get()
        assert.deepStrictEqual([...token.scopes], ["analytics:readonly", "users:readonly"])
        assert.strictEqual(token.tokenType.toLowerCase(), "bearer")
        const left = Option.getOrThrow(token.expiresAt) - (yield* Clock.currentTimeMillis)
        assert.strictEqual(left, 3_600_000)
        yield* Effect.all(Array.from({ length: 50 }, () => Organizations.me), { concurrency: "unbounded" })
        assert.strictEqual((yield* (yield* FakeCloud.FakeCloud).seen).tokenRequests, 1)
      }),
      { fake: { lifetime: "1 hour" }, cloud: { scopes: "users:readonly, analytics:readonly" } }
    ))

  it.live("the bytes of the credentials are sent as they are", () =>
    withCloud(Organizations.me, { fake: { clientSecret: "ä+&%/= ~§" } }))

  it.live("provides a TokenSource too, from the environment", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const program = Effect.gen(function*() {
        const organization = yield* Organizations.me
        const token = yield* Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get())
        return [organization.name, Redacted.value(token.value)]
      })
      const [name, token] = yield* program.pipe(
        Effect.provide(GenesysCloud.layerConfig()),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(FakeCloud.environment(fake)))),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      assert.strictEqual(name, "Fake Organization")
      assert.strictEqual(token, Redacted.value((yield* fake.tokens)[0]!))
      assert.strictEqual((yield* fake.seen).tokensIssued, 1)
    }).pipe(Effect.provide(FakeCloud.layer().pipe(Layer.provide(Server)))))

  it.live("recovers from a revocation: one new token, the call replayed once", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      yield* Organizations.me
      assert.strictEqual(yield* fake.revokeAll, 1)
      yield* Organizations.me
      assert.deepInclude(yield* fake.seen, { tokenRequests: 2, apiRequests: 3, statuses: { 200: 4, 401: 1 } })
    })))

  it.live("replays a POST after a 401, which means that it was not processed", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const query = Analytics.conversationDetails({ interval: "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z" })
      yield* query
      yield* fake.revokeAll
      yield* query
      const posts = (yield* fake.seen).requests.filter(({ path }) => path.startsWith("/api/"))
      assert.deepStrictEqual(posts.map(({ status }) => status), [200, 401, 200])
      assert.strictEqual(new Set(posts.map(({ body }) => body)).size, 1)
    })))

  it.effect("a long error body is read, and one that is too long is described", () =>
    Effect.gen(function*() {
      const answer = (length: number, type = "application/json") => () =>
        Response.json(
          { details: [{ errorCode: "nope" }], code: "bad.request", contextId: "c0ffee", message: "m".repeat(length) },
          { status: 400, headers: { "content-type": type } }
        )
      const failing = (script: () => Response) =>
        Effect.flatMap(connectTo(memory(script).client), ({ client }) =>
          Effect.map(Effect.flip(client.get("/api/v2/users")), apiError))
      const long = yield* failing(answer(1_000_000))
      assert.deepInclude(long, { code: Option.some("bad.request"), contextId: Option.some("c0ffee") })
      assert.deepStrictEqual(long.details, [{ errorCode: "nope" }])
      assert.isBelow(long.message.length, 1000)
      const tooLong = yield* failing(answer(1_048_576))
      assert.deepStrictEqual(tooLong.description, Option.some("the reply is too long to be read"))
      const page = yield* failing(answer(1_048_576, "text/html"))
      assert.include(page.message, "an HTML page")
      const none = yield* failing(() =>
        new Response("no", { status: 400 })
      )
      assert.deepStrictEqual(none.description, Option.some("the reply is no JSON object"))
    }).pipe(Effect.scoped))

  it.effect("fills the parameters into a message", () =>
    Effect.gen(function*() {
      const opaque = "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5oQ7sU9wY1aC3eG5i"
      const cases = [
        [{ messageWithParams: "Value {v} bad", messageParams: { v: "x" } }, "Value x bad"],
        [
          { messageWithParams: "{v}, {toString}, {v} of {n}", messageParams: { v: "{n}", n: 3 } },
          "{n}, {toString}, {n} of 3"
        ],
        [{ messageWithParams: "Value {v} bad" }, "Value {v} bad"],
        [{ messageWithParams: "Value {v} bad", messageParams: { v: opaque } }, "Value <redacted> bad"],
        // two halves make a whole
        [{ messageWithParams: "password: {v}", messageParams: { v: "hunter2" } }, "password: <redacted>"],
        [{ messageWithParams: "{v}".repeat(160), messageParams: { v: "x,".repeat(80) } }, `${"x,".repeat(250)}…`],
        [{ message: "Value x bad", messageWithParams: "Value {v} bad", messageParams: { v: "y" } }, "Value x bad"]
      ] as const
      for (const [body, expected] of cases) {
        const { client } = yield* connectTo(memory(() => Response.json(body, { status: 400 })).client)
        const error = apiError(yield* Effect.flip(client.get("/api/v2/users")))
        assert.deepStrictEqual(error.description, Option.some(expected))
      }
    }).pipe(Effect.scoped))

  it.effect("takes the explanation of the login host, in either of its members", () =>
    Effect.gen(function*() {
      for (const member of ["description", "error_description"]) {
        const reply = () => Response.json({ error: "invalid_client", [member]: "client not found" }, { status: 400 })
        const cloud = yield* connectTo(memory(() => Response.json({}), reply).client)
        const error = yield* Effect.flip(cloud.client.get("/api/v2/users"))
        assert.match(error.message, /400 "invalid_client" \(client not found\).*is that mypurecloud\.de\?/)
      }
    }).pipe(Effect.scoped))

  it.live("a second 401 goes to the caller", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      yield* fake.failAlways(FakeCloud.badCredentials, { host: "api" })
      const error = apiError(yield* Effect.flip(Organizations.me))
      assert.deepInclude(error, { status: 401, code: Option.some("bad.credentials") })
      assert.include(error.message, "mypurecloud.de")
      assert.strictEqual((yield* fake.seen).apiRequests, 2)
    })))

  it.live("an error names the status, the code and the ids of a refusal", () =>
    withCloud(Effect.gen(function*() {
      const error = apiError(yield* Effect.flip(Users.get("nobody")))
      assert.strictEqual(error.status, 404)
      assert.deepStrictEqual(error.code, Option.some("not.found"))
      assert.match(Option.getOrThrow(error.correlationId), /^[0-9a-f-]{36}$/)
      assert.deepStrictEqual(error.contextId, error.correlationId)
      assert.include(error.message, `correlation id ${Option.getOrThrow(error.correlationId)}`)
      assert.include(error.url, "https://api.mypurecloud.de/api/v2/users/nobody")
      const me = apiError(yield* Effect.flip(Users.me))
      assert.strictEqual(me.status, 400)
    })))

  // SPEC E6
  it.live("an error says what went wrong and how to fix it", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      const message = (options: Partial<GenesysCloud.Options> = {}) =>
        Effect.flatMap(connect({ retry: Schedule.recurs(0), ...options }), (cloud) =>
          Organizations.me.pipe(
            Effect.flip,
            Effect.map(({ message }) => message),
            Effect.provideService(GenesysCloud.GenesysCloud, cloud)
          ))
      // SPEC E2
      const wrongSecret = yield* message({ clientSecret: Redacted.make(`${secret}!`) })
      assert.match(wrongSecret, /401 "invalid_client" \(authentication failed\)/)
      assert.match(wrongSecret, /client id or .*secret/i)
      const wrongRegion = yield* message({ region: "us_east_1" })
      assert.match(wrongRegion, /is that mypurecloud\.com\?/)
      const space = yield* message({ clientSecret: Redacted.make(`${Redacted.value(fake.clientSecret)} `) })
      assert.match(space, /starts or ends with white space/)
      // SPEC E2
      const scope = yield* message({ scopes: "everything" })
      assert.match(scope, /400 "invalid_scope".*[Cc]heck the spelling of the scopes/)
      yield* fake.fail(1, FakeCloud.refusal({ status: 400, code: "unsupported_grant_type", message: "no such grant" }))
      assert.match(yield* message(), /no such grant.*JSON instead of a form/)
      yield* fake.fail(1, FakeCloud.html(), { host: "login" })
      assert.match(yield* message(), /text\/html.*login page or a proxy/)
      yield* fake.fail(1, FakeCloud.html(502), { host: "api" })
      assert.match(yield* message({ api: { retry: false } }), /502.*HTML page/)
      yield* fake.fail(1, FakeCloud.html(), { host: "api" })
      assert.match(yield* message(), /a page, so it came from a proxy/)
      yield* fake.fail(1, FakeCloud.missingPermission("directory:organization:view"), { host: "api" })
      assert.match(yield* message(), /403 "missing.any.permissions".*role with the permission directory:organization/)
      yield* fake.fail(1, FakeCloud.rateLimited("30 minutes"), { host: "api" })
      assert.match(yield* message(), /rate limit.*come back at 2/)
    }).pipe(Effect.scoped, Effect.provide(sockets({ home: "eu_central_1", scopes: ["users:readonly"] }))))

  // SPEC B5
  it.effect("after a 429 a call of any method waits as long as told, and gets its answer", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      yield* fake.fail(1, FakeCloud.rateLimited("1 second"), { host: "api" })
      const interval = "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
      const page = yield* inTime(Analytics.conversationDetails({ interval }))
      assert.strictEqual(page.conversations.length, 3)
      const [, first, second] = (yield* fake.seen).requests
      assert.isAtLeast(second!.at - first!.at, 1000)
    })))

  it.effect("a rate limit of the API is kept, and logged", () =>
    withCloud(
      Effect.gen(function*() {
        yield* Organizations.me
        yield* Organizations.me
        const error = yield* Effect.flip(Organizations.me)
        assert.strictEqual(error._tag, "ApiRateLimited")
        if (error._tag !== "ApiRateLimited") return
        assert.deepStrictEqual(error.rateLimit.allowed, Option.some(2))
        assert.deepStrictEqual(error.rateLimit.count, Option.some(2))
        assert.isTrue(Option.isSome(error.retryAfter))
        // the headers had said so already: it was not even sent
        assert.strictEqual(error.attempts, 0)
        assert.strictEqual((yield* (yield* FakeCloud.FakeCloud).seen).apiRequests, 2)
      }),
      { fake: { rateLimit: 2 }, cloud: { api: { retry: false } } }
    ))

  it.live("lists users, page after page", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      yield* fake.setUsers(Array.from({ length: 55 }, (_, i) => FakeCloud.user(`User ${i}`)))
      const users = yield* Stream.runCollect(Users.list({ pageSize: 25 }))
      assert.strictEqual(users.length, 55)
      assert.strictEqual((yield* fake.seen).byPath["GET /api/v2/users"], 3)
      const few = yield* Users.list({ pageSize: 25 }).pipe(Stream.take(25), Stream.runCollect)
      assert.strictEqual(few.length, 25)
      // what nobody needs is not fetched
      assert.strictEqual((yield* fake.seen).byPath["GET /api/v2/users"], 4)
    })))

  it.live("conversations can be streamed by page and by cursor", () =>
    withCloud(Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      yield* fake.setConversations(
        Array.from({ length: 23 }, (_, i) =>
          FakeCloud.conversation(`2026-01-01T${String(i).padStart(2, "0")}:00:00.000Z`))
      )
      const query = { interval: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"], order: "desc" } as const
      const found = Array.from(yield* Stream.runCollect(Analytics.conversations(query, { pageSize: 10 })))
      assert.lengthOf(found, 23)
      assert.strictEqual(found[0]!.conversationStart, "2026-01-01T22:00:00.000Z")
      assert.strictEqual(found[0]!.participants![1]!.purpose, "agent")
      const empty = yield* Analytics.conversationDetails({ interval: "2027-01-01T00:00:00Z/2027-01-02T00:00:00Z" })
      assert.deepStrictEqual([empty.conversations, empty.totalHits], [[], 0])
      const results = yield* GenesysApi.listByCursor(
        "/api/v2/analytics/conversations/details/jobs/1/results",
        Analytics.Conversation,
        { items: "conversations", pageSize: 10 }
      ).pipe(Stream.runCollect)
      assert.strictEqual(results.length, 23)
    })))

  it.live("no token is sent to another host", () =>
    withCloud(Effect.gen(function*() {
      const { client } = yield* GenesysCloud.GenesysCloud
      for (const url of ["https://api.mypurecloud.com/api/v2/users", "https://login.mypurecloud.de/", "http://x.y/"]) {
        const error = yield* Effect.flip(client.get(url))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, "calls https://api.mypurecloud.de and nothing else")
      }
      // a path is a path, however it begins
      const error = apiError(yield* Effect.flip(client.get("//evil.example/api")))
      assert.include(error.url, "https://api.mypurecloud.de/evil.example/api")
      assert.strictEqual((yield* (yield* FakeCloud.FakeCloud).seen).apiRequests, 1)
    })))

  for (
    const [name, platform] of [
      ["fetch", FetchHttpClient.layer],
      ["undici", NodeHttpClient.layerUndici],
      ["node:http", NodeHttpClient.layer]
    ] as const
  ) {
    it.live(`no redirect is followed, with any method (${name})`, () =>
      Effect.gen(function*() {
        const start = Effect.flatMap(Layer.build(FakeCloud.layer().pipe(Layer.provide(Server))), (context) =>
          Effect.provide(FakeCloud.FakeCloud, context))
        const fake = yield* start
        const elsewhere = yield* start
        const cloud = yield* GenesysCloud.make(fake).pipe(Effect.provide(yield* Layer.build(platform)))
        const location = `${elsewhere.url}/api/v2/users/42`
        const calls = [
          [301, Users.get("42")],
          [302, Users.get("42")],
          [303, GenesysApi.post("/api/v2/users", { private: "payload" }, Schema.Unknown)],
          [307, GenesysApi.post("/api/v2/users", { private: "payload" }, Schema.Unknown)],
          [308, Users.get("42")]
        ] as const
        for (const [status, call] of calls) {
          yield* fake.fail(1, FakeCloud.reply({ status, headers: { location } }), { host: "api" })
          const error = yield* Effect.flip(
            Effect.provideService(call as typeof calls[0][1], GenesysCloud.GenesysCloud, cloud)
          )
          assert.strictEqual(error._tag, "ApiError", error.message)
          assert.include(error, { status } as object)
          assert.include(error.message, "A redirect, which the API does not use")
        }
        assert.lengthOf((yield* elsewhere.seen).requests, 0)
        assert.strictEqual((yield* fake.seen).apiRequests, calls.length)
      }).pipe(Effect.scoped))
  }

  it.live("other settings of RequestInit are left as they are", () =>
    Effect.gen(function*() {
      const seen: Array<RequestInit> = []
      const fetch = (_: RequestInfo | URL, init: RequestInit = {}) => {
        seen.push(init)
        return Promise.resolve(seen.length === 1 ? Response.json({ access_token: "a" }) : Response.error())
      }
      const init = (init: RequestInit) => Effect.provideService(FetchHttpClient.RequestInit, init)
      const cloud = yield* GenesysCloud.make({
        region: "mypurecloud.de",
        clientId: "id",
        clientSecret: Redacted.make(secret)
      }).pipe(
        Effect.provide(Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, fetch))),
        init({ credentials: "omit", cache: "no-store", redirect: "follow" })
      )
      const error = apiError(
        yield* Effect.flip(cloud.client.get("/api/v2/users")).pipe(init({ cache: "reload", redirect: "follow" }))
      )
      assert.include(seen[1], { credentials: "omit", cache: "reload", redirect: "manual" })
      // what a browser shows of a redirect it was told not to follow
      assert.strictEqual(error.status, 0)
      assert.include(error.message, "A redirect, which the API does not use")
    }).pipe(Effect.scoped))

  it.live("a new secret takes effect at the next token request", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      let current = fake.clientSecret
      const cloud = yield* connect({ clientSecret: Effect.sync(() => current) })
      const me = Organizations.me.pipe(Effect.provideService(GenesysCloud.GenesysCloud, cloud))
      yield* me
      yield* fake.rotateSecret("another")
      yield* fake.revokeAll
      current = Redacted.make("another")
      yield* me
      assert.strictEqual((yield* fake.seen).tokensIssued, 2)
    }).pipe(Effect.scoped, Effect.provide(sockets())))

  it.live("calls work on undici and on fetch, which set no Host header", () =>
    Effect.gen(function*() {
      const fake = yield* FakeCloud.FakeCloud
      for (const platform of [NodeHttpClient.layerUndici, FetchHttpClient.layer]) {
        const plain = yield* Effect.provide(HttpClient.HttpClient, yield* Layer.build(platform))
        const cloud = yield* connect().pipe(Effect.provideService(HttpClient.HttpClient, fake.httpClient(plain)))
        yield* Organizations.me.pipe(Effect.provideService(GenesysCloud.GenesysCloud, cloud))
      }
      const { requests } = yield* fake.seen
      assert.deepStrictEqual(requests.slice(2).map(({ host }) => host), ["login.mypurecloud.de", "api.mypurecloud.de"])
    }).pipe(
      Effect.scoped,
      Effect.provide(FakeCloud.layer().pipe(Layer.provide(Server)))
    ))
})

// FAULTS L
describe("a success whose body does not arrive", () => {
  const stalled = (sent = "{") =>
    new Response(
      new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new TextEncoder().encode(sent)) }),
      { headers: { "content-type": "application/json" } }
    )
  const readers = {
    text: (response) => response.text,
    json: (response) => response.json,
    arrayBuffer: (response) => response.arrayBuffer,
    urlParamsBody: (response) => response.urlParamsBody,
    formData: (response) => response.formData,
    stream: (response) => Stream.runDrain(response.stream)
  } satisfies Record<string, (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, unknown>>

  for (const [name, read] of Object.entries(readers)) {
    it.scoped(`reading it with ${name} fails when the time of the call is over`, () =>
      Effect.gen(function*() {
        const api = yield* connectTo(memory(() => Effect.delay(Effect.sync(() => stalled()), "1 second")).client)
        const reading = yield* Effect.forkDaemon(Effect.flip(
          Effect.uninterruptible(Effect.flatMap(api.client.get("/api/v2/users/me"), read))
        ))
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust(name === "stream" ? "5 seconds" : "4 seconds")
        const error = Option.getOrThrow(yield* reading.poll)
        assert.isTrue(Exit.isSuccess(error))
        const found = renderings(Exit.isSuccess(error) ? error.value : undefined)
        assert.include(found, "did not come in time")
        assert.include(found, "5s")
        assert.notInclude(found, token)
      }))
  }

  it.scoped("a body read by a module of endpoints fails with ApiTimeout, as before", () =>
    Effect.gen(function*() {
      const api = yield* connectTo(memory(() => stalled()).client)
      const reading = yield* Effect.forkDaemon(
        Effect.flip(Effect.provideService(Organizations.me, GenesysCloud.GenesysCloud, api))
      )
      yield* TestClock.adjust("5 seconds")
      const error = Option.getOrThrow(yield* reading.poll)
      assert.isTrue(Exit.isSuccess(error) && error.value._tag === "ApiTimeout")
    }))

  it.scoped("a stream with a slow reader is read to its end", () =>
    Effect.gen(function*() {
      const api = yield* connectTo(memory(() => new Response("abc")).client)
      const reading = yield* Effect.forkDaemon(
        Effect.flatMap(api.client.get("/api/v2/users/me"), (response) =>
          Stream.runForEach(response.stream, () => Effect.sleep("1 minute")))
      )
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(Exit.isSuccess(Option.getOrThrow(yield* reading.poll)))
    }))

  it.scopedLive("on a socket", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.async<Http.Server>((resume) => {
          const server = Http.createServer((request, response) => {
            response.setHeader("content-type", "application/json")
            if (request.url?.startsWith("/oauth") === true) {
              response.end(JSON.stringify({ access_token: token, token_type: "bearer", expires_in: 86_400 }))
            } else response.write("{")
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          })
      )
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const region = yield* Region.custom({ loginUrl: url, apiUrl: url })
      const api = yield* GenesysCloud.make({
        region,
        clientId: "client",
        clientSecret: Redacted.make(secret),
        api: { timeout: "300 millis" }
      })
      const error = yield* Effect.flip(Effect.flatMap(api.client.get("/api/v2/users/me"), (response) => response.json))
      assert.include(String(error.message), "did not come in time")
    }).pipe(Effect.provide(FetchHttpClient.layer)), 5000)
})
