import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Redacted, Scope, TestClock } from "effect"
import platformClient from "purecloud-platform-client-v2"
import * as FakeCloud from "../src/FakeCloud.js"
import { Region, SdkBridge } from "../src/index.js"
import { connect, sockets } from "./utils/cloud.js"
import {
  counts,
  eventually,
  made,
  meanwhile,
  newClient,
  noLeak,
  pass,
  reasonOf,
  rejection,
  setUp,
  withFake
} from "./utils/sdk.js"

describe.concurrent("SdkBridge", () => {
  describe("the token", () => {
    // SPEC B9
    it.live("the SDK has the token as soon as it is connected, in the region of the cloud", () =>
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

    it.live("the token works in every region, under the hosts that the SDK knows", () =>
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
    it.effect("the token is replaced each time before it expires: no caller sees a 401", () =>
      withFake(
        Effect.gen(function*() {
          const { ada, client, cloud, fake, users } = yield* setUp()
          const shown = new Set<unknown>()
          const calls = 100
          for (let i = 0; i < calls; i++) {
            shown.add(client.authData.accessToken)
            yield* Effect.promise(() => users.getUser(ada.id))
            yield* pass(cloud, "50 millis")
          }
          const { statuses, tokensIssued } = yield* fake.seen
          // two seconds each, for five seconds
          assert.isAtLeast(tokensIssued, 3)
          assert.isAtLeast(shown.size, 3)
          assert.deepStrictEqual(statuses, { 200: calls + tokensIssued })
        }),
        { lifetime: "2 seconds", rateLimit: 10_000 }
      ))

    // SPEC B9
    it.effect("the token is replaced in time also for code that only reads it from the SDK", () =>
      withFake(
        Effect.gen(function*() {
          const { client, cloud, fake } = yield* setUp()
          for (let i = 0; i < 50; i++) {
            const newest = (yield* fake.tokens).at(-1)!
            yield* eventually(
              Effect.sync(() => client.authData.accessToken),
              (shown) => shown === Redacted.value(newest)
            )
            assert.isAbove(client.authData.tokenExpiryTime, yield* Clock.currentTimeMillis)
            yield* pass(cloud, "50 millis")
          }
          assert.isAtLeast((yield* fake.tokens).length, 2)
        }),
        { lifetime: "2 seconds" }
      ))

    it.effect("the token is replaced in time although the source forgets keys that nobody asks for", () =>
      withFake(
        Effect.gen(function*() {
          const { client, cloud, fake } = yield* setUp({ cloud: { refresh: { idleTimeToLive: "500 millis" } } })
          for (let i = 0; i < 90; i++) {
            yield* pass(cloud, "50 millis")
            const expiry = client.authData.tokenExpiryTime
            assert.isAbove(expiry, yield* Clock.currentTimeMillis)
          }
          assert.isAtLeast((yield* fake.tokens).length, 3)
        }),
        { lifetime: "2 seconds" }
      ))

    // SPEC B4
    it.live("if all tokens are revoked the token is renewed once, however many calls get a 401", () =>
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

    it.live("when the scope closes, the token is removed and the SDK is as it was before", () =>
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

    it.effect("once the scope has closed, no call waits for a token", () =>
      withFake(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { ada, fake, users } = yield* setUp().pipe(Scope.extend(scope))
        yield* fake.failAlways(FakeCloud.rateLimited("30 seconds"))
        const pending = users.getUser(ada.id)
        const rejected = yield* Effect.fork(rejection(pending))
        yield* eventually(counts(fake), ([calls]) => calls === 1)
        yield* Scope.close(scope, Exit.void)
        // before any time has passed
        const error = yield* Fiber.join(rejected)
        assert.instanceOf(error, SdkBridge.SdkError)
        assert.strictEqual(error.reason._tag, "ApiUnreachable")
        yield* noLeak(fake, error)
        yield* TestClock.adjust("2 minutes")
        yield* meanwhile
        assert.strictEqual((yield* counts(fake))[0], 1)
      })))

    it.live("two clients side by side have a token each, one for each organization", () =>
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

    it.live("connecting waits for the token, and fails without one", () =>
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

    it.live("an SDK client can be connected to one bridge at a time", () =>
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

    it.live("the token is sent to its region only", () =>
      withFake(Effect.gen(function*() {
        const { ada, client, fake, users } = yield* setUp()
        // as the SDK itself does when its configuration file changes
        client.setEnvironment("mypurecloud.com")
        const error = yield* rejection(users.getUser(ada.id))
        assert.deepStrictEqual(reasonOf(error, "InvalidConfiguration").fields, ["environment"])
        assert.deepStrictEqual(yield* counts(fake), [0, 1])
        yield* noLeak(fake, error)
      })))

    it.live("the token is not sent along if a redirect leads to another host", () =>
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

    it.live("the token is sent through the SDK's gateway", () =>
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
})
