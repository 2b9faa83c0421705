import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Clock, Duration, Effect, Fiber, Layer, Logger, LogLevel, Redacted, TestClock } from "effect"
import { ClientAuthentication, TokenStore } from "effect-bearer"
import * as FakeCloud from "../src/FakeCloud.js"
import { DataAction } from "../src/index.js"
import { Server } from "./utils/cloud.js"
import {
  effect,
  live,
  logged,
  memory,
  message,
  never,
  reply,
  secret,
  settings,
  sockets,
  token,
  verdict
} from "./utils/dataAction.js"

describe("token requests", () => {
  // SPEC A3
  live(
    "are forms with a product User-Agent; credentials are in the body or in the header",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* sockets({ userAgent: "CrmDataAction/1.0" })
        yield* action()
        const [request] = yield* server.requests
        assert.strictEqual(request!.method, "POST")
        assert.match(request!.headers["content-type"]!, /^application\/x-www-form-urlencoded/)
        assert.strictEqual(request!.headers["accept"], "application/json")
        assert.strictEqual(request!.headers["user-agent"], "CrmDataAction/1.0")
        assert.isUndefined(request!.headers["authorization"])
        assert.deepStrictEqual(request!.form, {
          grant_type: "client_credentials",
          scope: "contacts:read contacts:write",
          client_id: "crm",
          client_secret: secret
        })

        const basic = yield* sockets({ authentication: ClientAuthentication.basic(Redacted.make(secret)) })
        yield* basic.action()
        const [other] = yield* basic.server.requests
        assert.strictEqual(other!.headers["authorization"], `Basic ${Buffer.from(`crm:${secret}`).toString("base64")}`)
        assert.match(other!.headers["user-agent"]!, /^effect-bearer\/\d/)
        assert.notProperty(other!.form, "client_secret")
      })
  )

  // SPEC A4
  live("exchange the token of the payload, and keep what came for it apart", () =>
    Effect.gen(function*() {
      const { action, server } = yield* sockets({}, {
        members: { issued_token_type: "urn:ietf:params:oauth:token-type:access_token" }
      })
      const exchange = (subject: string) =>
        action({
          body: {
            subject_token: subject,
            actor_token: "the actor",
            requested_token_type: "urn:ietf:params:oauth:token-type:jwt",
            audience: ["https://billing.example", "https://crm.example"],
            resource: "https://crm.example/v1",
            scope: "contacts:read"
          }
        })
      const [ada, grace, again, own] = yield* Effect.all([
        exchange("the token of Ada"),
        exchange("the token of Grace"),
        exchange("the token of Ada"),
        action()
      ])
      assert.strictEqual(token(ada), token(again))
      assert.strictEqual(new Set([ada, grace, own].map(token)).size, 3)
      assert.propertyVal(ada.body, "issued_token_type", "urn:ietf:params:oauth:token-type:access_token")

      const requests = yield* server.requests
      assert.lengthOf(requests, 3)
      const { form, params } = requests.find(({ form }) => form.subject_token === "the token of Ada")!
      assert.deepInclude(form, {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
        actor_token: "the actor",
        actor_token_type: "urn:ietf:params:oauth:token-type:access_token",
        requested_token_type: "urn:ietf:params:oauth:token-type:jwt",
        scope: "contacts:read",
        resource: "https://crm.example/v1",
        client_secret: secret
      })
      assert.deepStrictEqual(
        params.filter(([name]) => name === "audience").map(([, value]) => value),
        ["https://billing.example", "https://crm.example"]
      )
      assert.strictEqual(requests.filter(({ form }) => form.grant_type === "client_credentials").length, 1)
    }))

  // SPEC A5
  live("have 3.05 seconds to connect, if the HTTP client is told so", () =>
    Effect.gen(function*() {
      // takes connections, and never says a word of TLS
      const silent = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const client = NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
        Layer.provide(Layer.scoped(
          NodeHttpClient.Dispatcher,
          Effect.acquireRelease(
            Effect.sync(() => new Undici.Agent({ connect: { timeout: 3050 } })),
            (agent) => Effect.promise(() => agent.destroy())
          )
        ))
      )
      const { port } = silent.address() as AddressInfo
      const [elapsed, refused] = yield* DataAction.handler(
        settings(`https://127.0.0.1:${port}/token`, { retry: never })
      ).pipe(
        Effect.flatMap((action) => Effect.timed(action())),
        Effect.provide(client)
      )
      assert.strictEqual(verdict(refused), "503 RetryExhausted")
      assert.match(message(refused), /connect timeout/)
      assert.isAtLeast(Duration.toMillis(elapsed), 3000)
      assert.isBelow(Duration.toMillis(elapsed), 6000)
    }))

  // SPEC A5
  effect("have 10 seconds between two pieces of the answer, and 13.05 in total", () =>
    Effect.gen(function*() {
      const at = (script: Reply.Reply) =>
        Effect.gen(function*() {
          const { action, server } = yield* memory({ retry: never })
          yield* server.enqueue(script)
          const start = yield* Clock.currentTimeMillis
          const ended = yield* Effect.fork(Effect.zip(action(), Clock.currentTimeMillis))
          yield* TestClock.adjust("9999 millis")
          yield* TestClock.adjust("1 millis")
          yield* TestClock.adjust("3050 millis")
          const [refused, now] = yield* Fiber.join(ended)
          assert.strictEqual(verdict(refused), "503 RetryExhausted")
          return { millis: now - start, text: message(refused) }
        })
      const read = yield* at(Reply.hangBody())
      assert.strictEqual(read.millis, 10_000)
      assert.match(read.text, /10000 ms \(read timeout\)/)
      const total = yield* at(Reply.hang)
      assert.strictEqual(total.millis, 13_050)
    }))

  // SPEC A6
  effect("are retried three times after what may pass, and never after what will not", () =>
    Effect.gen(function*() {
      const passing = [
        ...[429, 500, 502, 503, 504].map((status) => Reply.status(status)),
        Reply.reset(),
        Reply.reset("ECONNREFUSED"),
        Reply.hang,
        Reply.hangBody()
      ]
      for (const outage of passing) {
        const { action, server } = yield* memory()
        yield* server.setOutage(outage)
        assert.strictEqual(verdict(yield* reply(action)), "503 RetryExhausted")
        assert.strictEqual(yield* server.count, 4, JSON.stringify(outage))

        const briefly = yield* memory()
        yield* briefly.server.enqueue(outage, outage, outage)
        assert.strictEqual((yield* reply(briefly.action)).status, 200)
      }
      for (const status of [400, 401, 403]) {
        for (const outage of [Reply.status(status), Reply.oauthError("invalid_request", { status })]) {
          const { action, server } = yield* memory()
          yield* server.setOutage(outage)
          assert.match(verdict(yield* reply(action)), new RegExp(`^${status} `))
          assert.strictEqual(yield* server.count, 1)
        }
      }
    }))

  // SPEC A7
  effect("wait as long as Retry-After says, in either form; garbage is ignored", () =>
    Effect.gen(function*() {
      const waited = (retryAfter: string) =>
        Effect.gen(function*() {
          const { action, server } = yield* memory()
          yield* server.enqueue(Reply.status(429, { "retry-after": retryAfter }))
          assert.strictEqual((yield* reply(action)).status, 200)
          const [first, second] = yield* server.requests
          return second!.at - first!.at
        })
      const seconds = yield* waited("7")
      assert.isAtLeast(seconds, 7000)
      assert.isAtMost(seconds, 7700)
      const now = yield* Clock.currentTimeMillis
      const date = yield* waited(new Date(now + 9000).toUTCString())
      assert.isAtLeast(date, 8000)
      assert.isAtMost(date, 9900)
      for (const garbage of ["soon", "-3", "120, 120", ""]) {
        assert.isAtMost(yield* waited(garbage), 1000)
      }

      // longer than is worth waiting for: it is the caller who is told
      const { action, server } = yield* memory()
      yield* server.enqueue(Reply.status(503, { "retry-after": "600" }))
      const refused = yield* reply(action)
      assert.strictEqual(verdict(refused), "503 RetryExhausted")
      assert.strictEqual(refused.headers["retry-after"], "600")
      assert.strictEqual(yield* server.count, 1)
    }))

  // SPEC A8
  effect(
    "back off for 0.5 s · 2ⁿ and up to 0.5 s more; each wait is logged with status, wait and attempt",
    () =>
      Effect.gen(function*() {
        const waits: Array<ReadonlyArray<number>> = []
        for (let run = 0; run < 5; run++) {
          const { layer, lines } = logged()
          const server = yield* memory().pipe(
            Effect.tap(({ server }) => server.setOutage(Reply.status(502))),
            Effect.tap(({ action }) => reply(action)),
            Effect.map(({ server }) => server),
            Effect.provide(layer),
            Logger.withMinimumLogLevel(LogLevel.Info)
          )
          const times = (yield* server.requests).map(({ at }) => at)
          waits.push(times.slice(1).map((at, i) => at - times[i]!))
          const retries = lines.filter((line) => line.startsWith("{") && line.includes("RetryScheduled"))
            .map((line) => JSON.parse(line).annotations)
          assert.deepStrictEqual(retries.map(({ attempt }) => attempt), [1, 2, 3])
          assert.deepStrictEqual(retries.map(({ status }) => status), [502, 502, 502])
          for (const { delay } of retries) assert.match(delay, /\d/)
        }
        for (const [i, base] of [500, 1000, 2000].entries()) {
          const nth = waits.map((run) => run[i]!)
          for (const wait of nth) {
            assert.isAtLeast(wait, base)
            assert.isAtMost(wait, base + 500)
          }
          assert.isAbove(new Set(nth).size, 1, "jitter")
        }
      })
  )
})

describe("tokens", () => {
  // SPEC A9
  effect(
    "are cached until 60 seconds before their end, and fetched once however many ask",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory({}, { expiresIn: 3600, latency: "1 second" })
        const all = yield* Effect.fork(
          Effect.all(Array.from({ length: 500 }, () => action()), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(new Set((yield* Fiber.join(all)).map(token)).size, 1)
        yield* TestClock.adjust("3538 seconds")
        assert.strictEqual(token(yield* action()), "token-1")
        assert.strictEqual(yield* server.count, 1)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(token(yield* reply(action)), "token-2")

        // nobody's 60 seconds would be left of a token that lives so long
        const short = yield* memory({}, { expiresIn: 60 })
        yield* short.action()
        yield* TestClock.adjust("53 seconds")
        assert.strictEqual(token(yield* short.action()), "token-1")
      })
  )

  // FAULTS T
  effect(
    "are not given again as renewed, if the server has only the one that an API refused",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory()
        yield* server.enqueue(
          Reply.token({ access_token: "same" }),
          Reply.token({ access_token: "same" }),
          Reply.token({ access_token: "another" })
        )
        const first = token(yield* action())
        yield* TestClock.adjust("1 minute")
        for (let i = 0; i < 20; i++) {
          const answer = yield* action({ rejected_token: first })
          assert.strictEqual(answer.status, 503)
          assert.notInclude(JSON.stringify(answer.body), first)
        }
        assert.strictEqual(yield* server.count, 2)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(token(yield* action({ rejected_token: first })), "another")
      })
  )

  // SPEC A10
  effect(
    "without a lifetime are served until they are refused, or for the lifetime assumed",
    () =>
      Effect.gen(function*() {
        const unknown = yield* memory({}, { expiresIn: null })
        const first = yield* unknown.action()
        assert.notProperty(first.body, "expires_in")
        yield* TestClock.adjust("30 days")
        assert.strictEqual(token(yield* unknown.action()), "token-1")

        // 20 flows met a 401 with it: one request for all of them
        const others = yield* Effect.all(
          Array.from({ length: 20 }, () => unknown.action({ rejected_token: token(first) })),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(Array.from(new Set(others.map(token))), ["token-2"])
        assert.strictEqual(token(yield* unknown.action({ rejected_token: "token-1" })), "token-2")
        assert.strictEqual(yield* unknown.server.count, 2)

        // an API that refuses every token: not every flow requests another
        assert.strictEqual(token(yield* unknown.action({ rejected_token: "token-2" })), "token-2")
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(token(yield* unknown.action({ rejected_token: "token-2" })), "token-3")
        // an instance that has no token yet does not give out this one
        const fresh = yield* memory()
        yield* fresh.server.enqueue(Reply.token({ access_token: "token-0" }))
        assert.strictEqual(token(yield* fresh.action({ rejected_token: "other" })), "token-0")

        const assumed = yield* memory({ assumedLifetime: "1 hour" }, { expiresIn: null })
        assert.propertyVal((yield* assumed.action()).body, "expires_in", 3600)
        yield* TestClock.adjust("59 minutes")
        assert.strictEqual(token(yield* assumed.action()), "token-2")
      })
  )

  // SPEC A12
  effect("that come as a form are understood", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory()
      yield* server.enqueue(Reply.respond({
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "access_token=abc&token_type=bearer&expires_in=60&scope=contacts%3Aread"
      }))
      assert.deepStrictEqual((yield* action()).body, {
        access_token: "abc",
        token_type: "Bearer",
        expires_in: 60,
        scope: "contacts:read"
      })
    }))

  // SPEC A13
  effect(
    "are asked for with scopes separated by spaces, whatever separates them in settings and payload",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory({ scopes: "b, a;c" })
        for (const scope of ["a,b", "b a", ["a", "b"], "a, b"]) yield* action({ scope })
        yield* action({ scope: "" })
        assert.deepStrictEqual((yield* server.requests).map(({ form }) => form.scope), ["a b", "a b c"])
      })
  )

  // SPEC A14
  effect(
    "are replied as the OAuth response has them, with what remains of their lifetime",
    () =>
      Effect.gen(function*() {
        const { action, server } = yield* memory({}, { members: { refresh_token: "r", instance_url: "https://x" } })
        yield* server.enqueue(Reply.token({ scope: "contacts:read", token_type: "bearer", expires_in: 1800 }))
        const cold = yield* action()
        assert.deepStrictEqual(cold, {
          status: 200,
          headers: { "content-type": "application/json", "cache-control": "no-store" },
          body: { access_token: "token-1", token_type: "Bearer", expires_in: 1800, scope: "contacts:read" }
        })
        yield* TestClock.adjust("600500 millis")
        assert.deepStrictEqual((yield* action()).body, { ...cold.body, expires_in: 1199 })
        assert.strictEqual(yield* server.count, 1)
      })
  )

  // SPEC A15
  effect("and secrets are in no log; a payload is, cut and redacted, at the level Debug", () =>
    Effect.gen(function*() {
      const subject = "the-subject-token-Zm9vYmFyYmF6cXV4"
      const at = (level: LogLevel.LogLevel, request: unknown) =>
        Effect.gen(function*() {
          const { layer, lines } = logged()
          yield* memory({ allowedScopes: "any" }).pipe(
            Effect.flatMap(({ action }) => action(request)),
            Effect.provide(layer),
            Logger.withMinimumLogLevel(level)
          )
          assert.notInclude(lines.join(), subject)
          assert.notInclude(lines.join(), secret)
          const line = lines.find((line) => line.startsWith("{") && line.includes("data action called"))
          return line === undefined ? undefined : JSON.parse(line).annotations.payload
        })
      const request = { subject_token: subject, scope: "contacts:read" }
      assert.strictEqual(
        yield* at(LogLevel.Debug, request),
        "{\"scope\":\"contacts:read\",\"subject_token\":\"<redacted>\"}"
      )
      assert.lengthOf(yield* at(LogLevel.Debug, { ...request, audience: "https://a.example ".repeat(100) }), 501)
      assert.isUndefined(yield* at(LogLevel.Info, request))
    }))

  // SPEC A16
  effect("are shared across instances through a TokenStore, those of subjects apart", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const store = Layer.succeedContext(yield* Layer.build(TokenStore.layerMemory))
      const instance = DataAction.handler(settings(server.tokenEndpoint))
      const [one, two] = yield* Effect.all([instance, instance]).pipe(
        Effect.provide(Layer.merge(store, server.layer))
      )
      assert.strictEqual(token(yield* reply(one)), token(yield* reply(two)))
      assert.strictEqual(yield* server.count, 1)
      const exchanged = yield* Effect.forEach(
        [[one, "Ada"], [two, "Ada"], [two, "Grace"]] as const,
        ([action, subject]) => reply(action, { subject_token: subject })
      )
      assert.deepStrictEqual(exchanged.map(token), ["token-2", "token-2", "token-3"])
      const alone = yield* Effect.provide(
        DataAction.handler(settings(server.tokenEndpoint, { shared: false })),
        Layer.merge(store, server.layer)
      )
      assert.strictEqual(token(yield* reply(alone)), "token-4")
    }))

  effect("have keys in a store that show no query of the endpoint", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const inner = yield* Effect.provide(TokenStore.TokenStore, TokenStore.layerMemory)
      const keys = new Set<string>()
      const store: TokenStore.Service = {
        ...inner,
        get: (key) => Effect.zipRight(Effect.sync(() => keys.add(key)), inner.get(key))
      }
      for (const query of ["?code=hunter2", "?code=hunter3", ""]) {
        const action = yield* DataAction.handler(settings(server.tokenEndpoint + query)).pipe(
          Effect.provide(server.layer),
          Effect.provideService(TokenStore.TokenStore, store)
        )
        assert.strictEqual((yield* reply(action)).status, 200)
        assert.strictEqual((yield* reply(action, { subject_token: "Ada" })).status, 200)
      }
      const tokens = Array.from(keys).filter((key) => !key.endsWith("~failure"))
      assert.lengthOf(tokens, 6)
      for (const key of tokens) assert.notMatch(key, /hunter|code/)
    }))

  // SPEC A17
  effect("are not asked for while the circuit breaker is open", () =>
    Effect.gen(function*() {
      const { action, server } = yield* memory({
        retry: never,
        circuitBreaker: { failureThreshold: 2, resetAfter: "30 seconds" }
      })
      yield* server.setOutage(true)
      yield* action()
      yield* TestClock.adjust("5 seconds")
      yield* action()
      yield* TestClock.adjust("5 seconds")
      const open = yield* action()
      assert.strictEqual(verdict(open), "503 RetryExhausted")
      assert.match(message(open), /circuit breaker is open/)
      assert.strictEqual(open.headers["retry-after"], "25")
      assert.strictEqual(yield* server.count, 2)
      yield* server.setOutage(false)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* action()).status, 200)
    }))

  live("of Genesys Cloud itself", () =>
    Effect.gen(function*() {
      const cloud = yield* FakeCloud.make({ scopes: ["analytics"], lifetime: "1 hour" })
      const action = yield* DataAction.handler({
        tokenEndpoint: cloud.region.tokenEndpoint,
        clientId: cloud.clientId,
        authentication: ClientAuthentication.basicRaw(cloud.clientSecret),
        scopes: "analytics"
      })
      const granted = yield* action()
      assert.strictEqual(granted.status, 200, message(granted))
      assert.propertyVal(granted.body, "scope", "analytics")
      const unknown = yield* DataAction.handler({
        tokenEndpoint: cloud.region.tokenEndpoint,
        clientId: cloud.clientId,
        authentication: ClientAuthentication.basicRaw(Redacted.make("wrong"))
      })
      assert.strictEqual(verdict(yield* unknown()), "401 Unauthorized")
      yield* cloud.failAlways(FakeCloud.rateLimited("2 minutes"), { host: "login" })
      const limited = yield* action({ rejected_token: token(granted) })
      assert.strictEqual(verdict(limited), "503 RetryExhausted")
      assert.strictEqual(limited.headers["retry-after"], "120")
    }).pipe(Effect.provide(Server)))
})
