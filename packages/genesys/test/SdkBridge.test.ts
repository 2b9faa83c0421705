import { Readable } from "node:stream"
import { inspect } from "node:util"
import type { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Option, Redacted, Scope, Tracer } from "effect"
import type { TokenError } from "effect-bearer"
import { AccessToken, RetryPolicy, TokenSource } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import * as FakeCloud from "../src/FakeCloud.js"
import { GenesysCloud, GenesysError, Region, SdkBridge } from "../src/index.js"
import { connect, renderings, sockets } from "./utils/cloud.js"

type OfficialClient = typeof platformClient.ApiClient

/** What there is besides `ApiClient.instance`; the SDK does not declare it. */
const { ApiClientClass, DefaultHttpClient, HttpRequestOptions } = platformClient as unknown as {
  readonly ApiClientClass: new() => OfficialClient & Undeclared
  readonly DefaultHttpClient: new() => DefaultHttpClient
  readonly HttpRequestOptions: new(url: string, method: string) => HttpRequestOptions
}

type HttpRequestOptions = Parameters<OfficialClient["httpClient"]["request"]>[0]

interface DefaultHttpClient {
  httpsAgent: unknown
  request(options: HttpRequestOptions): Promise<unknown>
}

interface Undeclared {
  readonly authData: { accessToken: string | null; tokenExpiryTime: number; refreshToken?: string }
  timeout: number
  setPreHook(hook: (config: { readonly headers: object }) => unknown): void
}

/** Each would watch the configuration file in the home directory. */
const newClient = () => {
  const client = new ApiClientClass()
  client.config.live_reload_config = false
  return client
}

type Client = ReturnType<typeof newClient>

/** A fake, the official SDK, and a bridge between them. */
const setUp = Effect.fnUntraced(function*(options: {
  readonly sdk?: SdkBridge.Options
  readonly cloud?: Partial<GenesysCloud.Options>
  readonly client?: Client
} = {}) {
  const fake = yield* FakeCloud.FakeCloud
  const cloud = yield* connect({ region: fake.region, ...options.cloud })
  const client = options.client ?? newClient()
  const sdk = yield* SdkBridge.connect(client, options.sdk).pipe(
    Effect.provideService(GenesysCloud.GenesysCloud, cloud)
  )
  const ada = FakeCloud.user("Ada Lovelace")
  yield* fake.setUsers([ada])
  const users = new platformClient.UsersApi(client)
  const analytics = new platformClient.AnalyticsApi(client)
  return { ada, analytics, client, cloud, fake, sdk, users }
})

const withFake = <A, E>(
  effect: Effect.Effect<A, E, FakeCloud.FakeCloud | HttpClient.HttpClient | Scope.Scope>,
  options: FakeCloud.Options = {}
) => effect.pipe(Effect.scoped, Effect.provide(sockets(options)))

/** What a promise of the SDK is rejected with. */
const rejection = (promise: PromiseLike<unknown>): Effect.Effect<SdkBridge.SdkError> =>
  Effect.flip(Effect.tryPromise({ try: () => promise, catch: (rejected) => rejected as SdkBridge.SdkError })).pipe(
    Effect.orDieWith((value) => new Error(`resolved with ${inspect(value)}`))
  )

const query = { interval: "2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z" }

/** Requests of the API, and of the token endpoint. */
const counts = (fake: FakeCloud.Service) =>
  Effect.map(fake.seen, ({ apiRequests, tokenRequests }) => [apiRequests, tokenRequests] as const)

const api = { host: "api" } as const

/** Every way to print it shows no token, no secret, and no header that could hold one. */
const noLeak = Effect.fnUntraced(function*(fake: FakeCloud.Service, value: unknown) {
  const shown = renderings(value) + inspect(value, { depth: Infinity, showHidden: true, getters: true })
  const secrets = [fake.clientSecret, ...(yield* fake.tokens)].map(Redacted.value)
  for (const secret of secrets) assert.isFalse(shown.includes(secret), `a secret is in ${shown.slice(0, 2000)}`)
  assert.notMatch(shown, /Bearer\s+(?!<redacted>)\S{20}|Basic\s+[A-Za-z0-9+/]{8}/)
})

const reasonOf = <Tag extends GenesysError.CallError["_tag"]>(
  error: SdkBridge.SdkError,
  tag: Tag
): Extract<GenesysError.CallError, { readonly _tag: Tag }> => {
  assert.instanceOf(error, SdkBridge.SdkError)
  assert.strictEqual(error.reason._tag, tag, error.message)
  return error.reason as Extract<GenesysError.CallError, { readonly _tag: Tag }>
}

/** Waits for something that happens elsewhere. */
const eventually = <A>(effect: Effect.Effect<A>, holds: (a: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(
    effect,
    (a) => holds(a) ? Effect.succeed(a) : Effect.zipRight(Effect.sleep("10 millis"), eventually(effect, holds))
  )

describe.concurrent("SdkBridge", () => {
  describe("the token", () => {
    // SPEC B9
    it.live("is there when the SDK is connected, in the region of the cloud", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        const user = yield* Effect.promise(() => users.getUser(ada.id))
        assert.strictEqual(user.name, "Ada Lovelace")
        const [token] = yield* fake.tokens
        assert.strictEqual(client.authData.accessToken, Redacted.value(token!))
        assert.isAbove(client.authData.tokenExpiryTime, Date.now())
        assert.strictEqual(client.config.basePath, fake.url)
        assert.strictEqual(client.config.authUrl, fake.url)
        assert.strictEqual((yield* counts(fake))[1], 1)
      })))

    it.live("is that of every region under the hosts that the SDK knows", () =>
      withFake(Effect.gen(function*() {
        for (const region of Region.all) {
          const client = newClient()
          yield* SdkBridge.make(client, { region, tokens: yield* made })
          assert.strictEqual(client.config.basePath, region.apiUrl)
          assert.strictEqual(client.config.authUrl, region.loginUrl)
          assert.strictEqual(client.config.environment, region.environment)
        }
      })))

    // SPEC B9
    it.live("is kept current while it expires again and again: no caller sees a 401", () =>
      withFake(
        Effect.gen(function*() {
          const { ada, client, fake, users } = yield* setUp()
          const shown = new Set<unknown>()
          const started = Date.now()
          let calls = 0
          while (Date.now() - started < 5_000) {
            shown.add(client.authData.accessToken)
            yield* Effect.promise(() => users.getUser(ada.id))
            calls++
            yield* Effect.sleep("50 millis")
          }
          const { statuses, tokensIssued } = yield* fake.seen
          assert.isAtLeast(tokensIssued, 3)
          assert.isAtLeast(shown.size, 3)
          assert.strictEqual(statuses[401], undefined)
          assert.strictEqual(statuses[200], calls + tokensIssued)
        }),
        { lifetime: "2 seconds", rateLimit: 10_000 }
      ))

    // SPEC B9
    it.live("is kept current for code that looks at the SDK and calls nothing", () =>
      withFake(
        Effect.gen(function*() {
          const { client, fake } = yield* setUp()
          const first = client.authData.accessToken
          yield* Effect.sleep("2500 millis")
          const tokens = (yield* fake.tokens).map(Redacted.value)
          assert.notStrictEqual(client.authData.accessToken, first)
          // the very last may still be on its way
          assert.include(tokens.slice(-2), client.authData.accessToken)
          assert.isAbove(client.authData.tokenExpiryTime, Date.now())
        }),
        { lifetime: "2 seconds" }
      ))

    it.live("is kept current although the source forgets what nobody asks for", () =>
      withFake(
        Effect.gen(function*() {
          const { client } = yield* setUp({ cloud: { refresh: { idleTimeToLive: "500 millis" } } })
          yield* Effect.sleep("4500 millis")
          assert.isAbove(client.authData.tokenExpiryTime, Date.now())
        }),
        { lifetime: "2 seconds" }
      ))

    // SPEC B4
    it.live("is renewed once when all tokens are revoked, however many calls meet the 401", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        yield* Effect.promise(() => users.getUser(ada.id))
        assert.strictEqual(yield* fake.revokeAll, 1)
        const names = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 25 }, () => users.getUser(ada.id).then(({ name }) => name)))
        )
        assert.deepStrictEqual(new Set(names), new Set(["Ada Lovelace"]))
        assert.strictEqual(names.length, 25)
        const { statuses, tokenRequests } = yield* fake.seen
        assert.strictEqual(tokenRequests, 2)
        assert.strictEqual(statuses[401], 25)
        assert.strictEqual(client.authData.accessToken, Redacted.value((yield* fake.tokens)[1]!))
      })))

    it.live("is removed when the scope closes, and the SDK is what it was before", () =>
      withFake(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const client = newClient()
        const http = client.getHttpClient()
        const { ada, fake, sdk, users } = yield* setUp({ client }).pipe(Scope.extend(scope))
        assert.notStrictEqual(client.getHttpClient(), http)
        yield* Effect.promise(() => users.getUser(ada.id))
        yield* Scope.close(scope, Exit.void)

        assert.strictEqual(client.getHttpClient(), http)
        assert.isNull(client.authData.accessToken)
        yield* noLeak(fake, inspect(client, { depth: Infinity, showHidden: true }))
        const before = yield* fake.seen
        const error = yield* Effect.flip(sdk.call((api) => new platformClient.UsersApi(api).getUser("1")))
        assert.include(error.message, "the bridge was closed")
        assert.strictEqual((yield* counts(fake))[0], before.apiRequests)
        // the SDK by itself has no token any more
        assert.strictEqual((yield* rejection(users.getUser(ada.id))).code, "authentication.required")
        const last = (yield* fake.seen).requests.at(-1)!
        assert.notProperty(last.headers, "authorization")
        assert.strictEqual((yield* counts(fake))[1], 1)
      })))

    it.live("is not waited for any more once the scope has closed", () =>
      withFake(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { ada, fake, users } = yield* setUp().pipe(Scope.extend(scope))
        yield* fake.failAlways(FakeCloud.rateLimited("30 seconds"))
        const pending = users.getUser(ada.id)
        const rejected = yield* Effect.fork(rejection(pending))
        yield* eventually(counts(fake), ([calls]) => calls === 1)
        yield* Scope.close(scope, Exit.void)
        const error = yield* Fiber.join(rejected).pipe(Effect.timeout("2 seconds"))
        assert.instanceOf(error, SdkBridge.SdkError)
        assert.strictEqual(error.reason._tag, "ApiUnreachable")
        yield* noLeak(fake, error)
        yield* Effect.sleep("300 millis")
        assert.strictEqual((yield* counts(fake))[0], 1)
      })))

    it.live("is another for each organization: two clients side by side", () =>
      Effect.gen(function*() {
        const organization = Effect.flatMap(Layer.build(sockets()), (context) => Effect.provide(setUp(), context))
        const one = yield* organization
        const two = yield* organization
        const get = ({ ada, users }: typeof one) => users.getUser(ada.id)
        yield* Effect.promise(() => Promise.all([get(one), get(two), get(one), get(two)]))
        yield* one.fake.revokeAll
        yield* Effect.promise(() => Promise.all([get(one), get(two)]))
        assert.deepStrictEqual(yield* counts(one.fake), [4, 2])
        assert.deepStrictEqual(yield* counts(two.fake), [3, 1])
        assert.notStrictEqual(one.client.authData.accessToken, two.client.authData.accessToken)
      }).pipe(Effect.scoped))

    it.live("is waited for when connecting, and without one nothing is connected", () =>
      withFake(
        Effect.gen(function*() {
          const fake = yield* FakeCloud.FakeCloud
          const client = newClient()
          const http = client.getHttpClient()
          const failed = yield* Effect.flip(setUp({ client, cloud: { clientSecret: Redacted.make("another") } }))
          assert.strictEqual(failed._tag, "OAuthError")
          assert.strictEqual(client.getHttpClient(), http)
          assert.isUndefined(client.authData.accessToken)
          yield* noLeak(fake, failed)
          // so that it can be tried again
          yield* setUp({ client })
        }).pipe(Effect.scoped)
      ))

    it.live("belongs to one bridge at a time", () =>
      withFake(Effect.gen(function*() {
        const client = newClient()
        const scope = yield* Scope.make()
        yield* Scope.extend(setUp({ client }), scope)
        const twice = yield* Effect.flip(setUp({ client }))
        assert.strictEqual(twice._tag, "InvalidConfiguration")
        assert.include(twice.message, "connected already")
        yield* Scope.close(scope, Exit.void)
        yield* setUp({ client })
      })))

    it.live("goes nowhere but to its region", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        // as the SDK itself does when its configuration file changes
        client.setEnvironment("mypurecloud.com")
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual(reasonOf(error, "InvalidConfiguration").fields, ["environment"])
        assert.deepStrictEqual(yield* counts(fake), [0, 1])
        yield* noLeak(fake, error)
      })))

    it.live("is left behind when a redirect leads elsewhere", () =>
      Effect.gen(function*() {
        const elsewhere = yield* Effect.map(Layer.build(sockets()), (context) =>
          Effect.provide(FakeCloud.FakeCloud, context)).pipe(Effect.flatten)
        const { ada, fake, users } = yield* Effect.flatMap(Layer.build(sockets()), (context) =>
          Effect.provide(setUp(), context))
        yield* fake.failAlways(FakeCloud.reply({ status: 302, headers: { location: `${elsewhere.url}/api/v2/users` } }))
        yield* rejection(users.getUser(ada.id))
        for (const { headers } of (yield* elsewhere.seen).requests) {
          assert.notProperty(headers, "authorization")
        }
      }).pipe(Effect.scoped))

    it.live("goes through the SDK's gateway", () =>
      withFake(Effect.gen(function*() {
        const fake = yield* FakeCloud.FakeCloud
        const client = newClient()
        const { hostname, port } = new URL(fake.url)
        client.setGateway({ host: hostname, port: Number(port), protocol: "http", path_params_api: "genesys" })
        const { tokens } = yield* connect({ region: fake.region })
        yield* SdkBridge.make(client, { region: "mypurecloud.de", tokens })
        yield* rejection(new platformClient.UsersApi(client).getUser("1"))
        const { byPath, requests } = yield* fake.seen
        assert.deepStrictEqual(byPath, { "GET /genesys/api/v2/users/1": 1 })
        assert.strictEqual(requests[1]!.headers["authorization"], "Bearer <redacted>")

        const open = newClient()
        open.setGateway({ host: "gateway.example", protocol: "http" })
        const error = yield* Effect.flip(SdkBridge.make(open, { region: "mypurecloud.de", tokens }))
        assert.include(error.message, "https")
      })))
  })

  describe("calls", () => {
    // SPEC B4
    it.live("get the 401 after exactly one replay, and cost no token each", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        // what makes the SDK refresh and send without an end
        client.authData.refreshToken = "refresh"
        yield* fake.failAlways(FakeCloud.badCredentials, api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual([error.status, error.code], [401, "bad.credentials"])
        assert.deepStrictEqual(yield* counts(fake), [2, 2])
        for (let i = 0; i < 5; i++) assert.strictEqual((yield* rejection(users.getUser(ada.id))).status, 401)
        yield* Effect.sleep("200 millis")
        assert.deepStrictEqual(yield* counts(fake), [7, 2])
        assert.include(reasonOf(error, "ApiError").message, "check that it is for this region")
        yield* noLeak(fake, error)
      })))

    // SPEC B4
    it.live("with a body are sent again after a 401, with the same body, once", () =>
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
    it.live("with a stream are not sent again, but the next call has another token", () =>
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
    it.live("wait as long as a 429 says, whatever they do", () =>
      withFake(Effect.gen(function*() {
        const { ada, analytics, fake, users } = yield* setUp()
        for (
          const call of [() => users.getUser(ada.id), () => analytics.postAnalyticsConversationsDetailsQuery(query)]
        ) {
          yield* fake.fail(1, FakeCloud.rateLimited("1 second"), api)
          const [first] = yield* counts(fake)
          const started = Date.now()
          yield* Effect.promise<unknown>(call)
          assert.isAtLeast(Date.now() - started, 1_000)
          assert.strictEqual((yield* counts(fake))[0], first + 2)
        }
      })))

    it.live("fail at once where a 429 asks for too long, and say when to come back", () =>
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
        const left = Option.getOrThrow(reasonOf(error, "ApiRateLimited").retryAt) - Date.now()
        assert.isTrue(left > 35_000 && left <= 42_000)
        assert.strictEqual((yield* counts(fake))[0], 1)
        yield* noLeak(fake, error)
      })))

    it.live("are tried as often as the policy says", () =>
      withFake(Effect.gen(function*() {
        const retry = RetryPolicy.exponentialJitter<GenesysError.Transient>({ base: "10 millis", maxRetries: 2 })
        const { ada, fake, users } = yield* setUp({ sdk: { retry } })
        yield* fake.failAlways(FakeCloud.unavailable(), api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual([error.status, error.code], [503, "service.unavailable"])
        assert.strictEqual(reasonOf(error, "ApiUnavailable").attempts, 3)
        assert.strictEqual((yield* counts(fake))[0], 3)
      })))

    it.live("that read are sent again after a 503, others are not", () =>
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

    it.live("fail where the answer is a page", () =>
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

    it.live("that take too long fail, and are not sent again", () =>
      withFake(Effect.gen(function*() {
        const client = newClient()
        client.timeout = 300
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
        assert.strictEqual((yield* counts(fake))[0], 2)
      })))

    it.live("have a time for all of an exchange if that is wanted", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp({ sdk: { timeout: "200 millis" } })
        yield* fake.failAlways(FakeCloud.slow("1 second"), api)
        const error = yield* rejection(users.getUser(ada.id))
        assert.include(reasonOf(error, "ApiTimeout").message, "200 ms")
        yield* noLeak(fake, error)
        // the SDK cannot cancel what it has sent
        yield* eventually(fake.seen, ({ statuses }) => statuses[200] === 2)
      })))

    it.live("fail where nobody listens", () =>
      Effect.gen(function*() {
        const client = newClient()
        yield* SdkBridge.make(client, { region: "http://127.0.0.1:1", tokens: yield* made })
        const error = yield* rejection(new platformClient.UsersApi(client).getUser("1"))
        assert.strictEqual(error.code, "ECONNREFUSED")
        assert.strictEqual(reasonOf(error, "ApiUnreachable").url, "http://127.0.0.1:1/api/v2/users/1")
        assert.notInclude(renderings(error) + inspect(error, { depth: Infinity, showHidden: true }), "made-up-token")
      }).pipe(Effect.scoped))

    it.live("fail for want of a token with the error of the source", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        yield* fake.rotateSecret("another")
        yield* fake.revokeAll
        const error = yield* rejection(users.getUser(ada.id))
        assert.strictEqual(reasonOf(error, "OAuthError").error, "invalid_client")
        assert.isFalse(error.retryable)
        yield* noLeak(fake, error)
      })))

    it.live("with an Authorization of their own are left alone", () =>
      withFake(Effect.gen(function*() {
        const { ada, fake, users } = yield* setUp()
        const customHeaders = { Authorization: "Bearer of-my-own" }
        const error = yield* rejection(users.getUser(ada.id, { customHeaders }))
        assert.strictEqual(error.status, 401)
        assert.deepStrictEqual(yield* counts(fake), [1, 1])
        assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), "of-my-own")
      })))

    it.live("go through the HTTP client, the hooks and the agents of the SDK", () =>
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
    it.live("have the members that users of the SDK look for", () =>
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

    it.live("take no member of an answer that would change what they are", () =>
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

    it.live("are errors even where the answer is empty", () =>
      withFake(Effect.gen(function*() {
        const { analytics, fake } = yield* setUp()
        yield* fake.fail(1, FakeCloud.reply({ status: 502 }), api)
        const error = yield* rejection(analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual(error.status, 502)
        assert.include(error.message, "was answered 502")
      })))

    it.live("hold no credential that the server repeats", () =>
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

    it.live("hold no credential where the SDK logs in by itself", () =>
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
      it.live(`and the SDK's own log hold no credential (${format})`, () =>
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
    it.live("gives the answer, or the typed error", () =>
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

    it.live("belongs to the span of its caller, the promise to none", () =>
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

    it.live("says which parameter is missing", () =>
      withFake(Effect.gen(function*() {
        const { fake, sdk } = yield* setUp()
        const error = yield* Effect.flip(sdk.call((api) => new platformClient.UsersApi(api).getUser("")))
        assert.strictEqual(error._tag, "InvalidCall")
        assert.strictEqual(error.message, "Invalid userId: getUser needs it.")
        assert.deepStrictEqual(yield* counts(fake), [0, 1])
      })))

    it.live("takes a fault of the program for a defect", () =>
      withFake(Effect.gen(function*() {
        const { sdk } = yield* setUp()
        const fault = new TypeError("not a function")
        const cause = yield* Effect.flip(Effect.sandbox(sdk.call(() => Promise.reject(fault))))
        assert.deepStrictEqual(Cause.dieOption(cause), Option.some(fault))
      })))

    it.live("ends with its effect: what waits for a rate limit is not sent any more", () =>
      withFake(Effect.gen(function*() {
        const { analytics, fake, sdk } = yield* setUp()
        yield* fake.fail(1, FakeCloud.rateLimited("1 second"), api)
        const late = yield* sdk.call((api) =>
          new platformClient.AnalyticsApi(api).postAnalyticsConversationsDetailsQuery(query)
        ).pipe(Effect.timeoutOption("300 millis"))
        assert.isTrue(Option.isNone(late))
        yield* Effect.sleep("1500 millis")
        assert.strictEqual((yield* counts(fake))[0], 1)
        // others were not touched
        yield* Effect.promise(() => analytics.postAnalyticsConversationsDetailsQuery(query))
        assert.strictEqual((yield* counts(fake))[0], 2)
      })))
  })
})

const made: Effect.Effect<TokenSource.With<TokenError.TokenError>> = TokenSource.make(() =>
  Effect.succeed(AccessToken.make({ value: "made-up-token" }))
)
