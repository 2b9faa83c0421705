import { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import type { Scope } from "effect"
import { Config, Effect, Layer, Option } from "effect"
import { ClientAuthentication, Secret, TokenError, TokenStore } from "effect-bearer"
import { DataAction } from "../src/index.js"
import { message, quiet, settings, token, verdict } from "./utils/dataAction.js"

const Client = Layer.merge(NodeHttpClient.layerUndici, quiet)

/** Made as a runtime would load it, and disposed of at the end of the test. */
const deployed = <E, R>(
  handler: Effect.Effect<DataAction.Handler, E, R>,
  layer: Layer.Layer<Exclude<R, Scope.Scope>, unknown>
) =>
  Effect.acquireRelease(
    Effect.sync(() => DataAction.toPromiseHandler(handler, layer)),
    (action) => Effect.promise(() => action.dispose())
  )

const call = (action: DataAction.PromiseHandler, request?: unknown) => Effect.promise(() => action(request))

describe("toPromiseHandler", () => {
  // SPEC A9, A14
  it.scopedLive("warm invocations share one token: one token request, and its remaining time goes down", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen({ expiresIn: 3600, latency: "50 millis" })
      const action = yield* deployed(DataAction.handler(settings(server.tokenEndpoint)), Client)
      assert.strictEqual(yield* server.count, 0, "nothing happens before the first request")

      const started = performance.now()
      const cold = yield* Effect.all(Array.from({ length: 50 }, () => call(action, { body: "{}" })), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(new Set(cold.map(({ status }) => status)), new Set([200]))
      assert.strictEqual(new Set(cold.map(token)).size, 1)
      yield* Effect.sleep("1100 millis")
      const warm = yield* call(action, JSON.stringify({ scope: "contacts:read contacts:write" }))
      const left = (reply: DataAction.Reply) => "expires_in" in reply.body ? reply.body.expires_in! : NaN
      assert.strictEqual(token(warm), token(cold[0]!))
      assert.isBelow(left(warm), left(cold[0]!))
      // whole seconds
      assert.isAtLeast(left(warm), 3599 - Math.ceil((performance.now() - started) / 1000))
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC A1
  it.scopedLive("while a variable is missing the reply is a 500 that names it, without a network call; once it is there the handler works", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const name = "DATA_ACTION_TEST_SECRET"
      yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env[name]))
      const action = yield* deployed(
        DataAction.handler(
          settings(server.tokenEndpoint, { authentication: ClientAuthentication.post(Secret.env(name)) })
        ),
        Client
      )
      const missing = yield* call(action)
      assert.strictEqual(verdict(missing), "500 ConfigurationError")
      assert.include(message(missing), name)
      assert.strictEqual(yield* server.count, 0)
      process.env[name] = "there now"
      assert.strictEqual((yield* call(action)).status, 200)
    }))

  // SPEC A1, A11
  it.scopedLive("the promise is never rejected if the layer fails, and the next request builds the layer again", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const canary = "c4n4ry-Zm9vYmFyYmF6"
      const down = new TokenError.EndpointUnavailable({
        endpoint: "https://vault.example",
        status: 503,
        retryAfter: Option.none(),
        description: Option.none()
      })
      const failures: ReadonlyArray<readonly [failure: Effect.Effect<never, unknown>, expected: string]> = [
        [new TokenError.InvalidConfiguration({ fields: ["VAULT_ADDR"], detail: "missing" }), "500 ConfigurationError"],
        [down, "503 RetryExhausted"],
        [Effect.fail(new Error(canary)), "500 ConfigurationError"],
        [Effect.fail({ canary }), "500 ConfigurationError"],
        [Effect.die(new Error(canary)), "500 ConfigurationError"],
        [
          Effect.asVoid(Config.string("DATA_ACTION_NOT_THERE")) as Effect.Effect<never, unknown>,
          "500 ConfigurationError"
        ]
      ]
      for (const [failure, expected] of failures) {
        let tries = 0
        const once = Effect.suspend(() => ++tries === 1 ? failure : Effect.void)
        const handler = Effect.zipRight(once, DataAction.handler(settings(server.tokenEndpoint)))
        const action = yield* deployed(handler, Client)
        const refused = yield* call(action)
        assert.strictEqual(verdict(refused), expected, message(refused))
        assert.notInclude(message(refused), canary)
        assert.strictEqual((yield* call(action)).status, 200)

        tries = 0
        const layered = yield* deployed(
          DataAction.handler(settings(server.tokenEndpoint)),
          Layer.provideMerge(Layer.effectDiscard(once), Client)
        )
        const all = yield* Effect.all([call(layered), call(layered)], { concurrency: "unbounded" })
        assert.deepStrictEqual(all.map(verdict), [expected, expected])
        assert.strictEqual((yield* call(layered)).status, 200)
      }
    }))

  // SPEC A16
  it.scopedLive("uses the TokenStore of its layer", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const store = yield* Layer.build(TokenStore.layerMemory)
      const layer = Layer.merge(Client, Layer.succeedContext(store))
      const instances = yield* Effect.all(
        Array.from({ length: 3 }, () => deployed(DataAction.handler(settings(server.tokenEndpoint)), layer))
      )
      const replies = yield* Effect.forEach(instances, (action) => call(action))
      assert.strictEqual(new Set(replies.map(token)).size, 1)
      assert.strictEqual(yield* server.count, 1)
    }))

  it.scopedLive("after `dispose` everything is released, and a later call gets a reply that says so", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      let open = 0
      const counted = Layer.scopedDiscard(
        Effect.acquireRelease(Effect.sync(() => void open++), () => Effect.sync(() => void open--))
      )
      const action = DataAction.toPromiseHandler(
        DataAction.handler(settings(server.tokenEndpoint, { refresh: {} })),
        Layer.merge(Client, counted)
      )
      yield* call(action)
      assert.strictEqual(open, 1)

      yield* server.enqueue(Reply.hang)
      const underWay = action({ scope: "contacts:read" })
      yield* Effect.iterate(yield* server.count, {
        while: (count) => count < 2,
        body: () => Effect.delay(server.count, "5 millis")
      })
      yield* Effect.promise(() => action.dispose())
      yield* Effect.promise(() => action.dispose())
      assert.strictEqual(open, 0)
      assert.strictEqual(verdict(yield* Effect.promise(() => underWay)), "500 InternalError")
      assert.strictEqual(verdict(yield* call(action)), "500 InternalError")
      assert.strictEqual(yield* server.count, 2)
      yield* Effect.promise(() => DataAction.toPromiseHandler(DataAction.handler(settings("")), Client).dispose())
    }))

  it.scopedLive("the handler fits AWS Lambda", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const action = yield* deployed(DataAction.handler(settings(server.tokenEndpoint)), Client)
      const lambda = (event: unknown) => action(event).then(DataAction.toLambdaResult)
      const body = Buffer.from("{\"scope\":\"contacts:read\"}").toString("base64")
      const granted = yield* Effect.promise(() => lambda({ version: "2.0", body, isBase64Encoded: true }))
      assert.strictEqual(granted.statusCode, 200)
      assert.strictEqual(granted.headers["content-type"], "application/json")
      assert.strictEqual(JSON.parse(granted.body).scope, "contacts:read")
    }))

  it.scopedLive("a decorated HttpClient is used as it is", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.listen()
      const urls: Array<string> = []
      const Watched = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.tapRequest(({ url }) => Effect.sync(() => urls.push(url))))
      )
      const action = yield* deployed(
        DataAction.handler(settings(server.tokenEndpoint)),
        Layer.provideMerge(Watched, Client)
      )
      assert.strictEqual((yield* call(action)).status, 200)
      assert.deepStrictEqual(urls, [server.tokenEndpoint])
    }))
})
