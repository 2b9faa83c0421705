import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Logger, TestClock } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as TokenSource from "../../src/lifecycle/TokenSource.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenError from "../../src/values/TokenError.js"
import * as TokenRequest from "../../src/values/TokenRequest.js"
import { makeApi, makeSource } from "../support/bearer.js"
import { Scripted } from "../support/scripted.js"

const users = "https://users.example.com"
const billing = "https://billing.example.com"
const forUsers = TokenRequest.make({ audience: "users" })
const forBilling = TokenRequest.make({ audience: "billing" })
const atUsers = { origins: [users] }
const atBilling = { origins: [billing] }

/** Two APIs behind one authorization server, each with a client of its own, and what each call carried. */
const setUp = Effect.gen(function*() {
  const { source } = yield* makeSource((_, request) =>
    Effect.succeed(AccessToken.make({ value: Array.from(request.audience).join("+") || "default" }))
  )
  const { calls, client } = makeApi(() => new Response())
  const a = BearerAuth.withBearer(client, source, { origins: [users] })
  const b = BearerAuth.withBearer(client, source, { origins: [billing] })
  const seen = () =>
    calls.splice(0).map(({ authorization, url }) => [new URL(url).origin, authorization?.replace("Bearer ", "")])
  return { a, b, client, seen, source }
})

const warnings = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    yield* Effect.provide(
      effect,
      Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => lines.push(`${logLevel.label} ${String(message)}`))
      )
    )
    return lines.filter((line) => line.startsWith("WARN"))
  })

describe("BearerAuth overrides", () => {
  // FAULTS T3
  it.effect("an override that names origins concerns these only, in any order and at once", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      for (
        const [effect, order] of [
          [Effect.zip(a.get(users), b.get(billing)), [users, billing]],
          [Effect.zip(b.get(billing), a.get(users)), [billing, users]],
          [Effect.zip(b.get(billing), a.get(users), { concurrent: true }), [billing, users]]
        ] as const
      ) {
        const told = yield* warnings(effect.pipe(BearerAuth.withRequest(forUsers, atUsers)))
        assert.deepStrictEqual(
          seen(),
          order.map((origin) => [origin, origin === users ? "users" : "default"])
        )
        yield* BearerAuth.withRequest(effect, forUsers, atUsers)
        seen()
        yield* BearerAuth.skip(effect, atUsers)
        assert.deepStrictEqual(
          seen(),
          order.map((origin) => [origin, origin === users ? undefined : "default"])
        )
        assert.deepStrictEqual(told, [])
      }
    }))

  // FAULTS T3
  it.effect("an override without origins belongs to the client called first; the second one ignores it and warns", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      const both = Effect.zip(a.get(users), b.get(billing))
      const told = yield* warnings(Effect.gen(function*() {
        yield* BearerAuth.withRequest(Effect.zip(both, a.get(users)), forUsers)
        assert.deepStrictEqual(seen(), [[users, "users"], [billing, "default"], [users, "users"]])
        yield* BearerAuth.skip(both)
        assert.deepStrictEqual(seen(), [[users, undefined], [billing, "default"]])
      }))
      assert.strictEqual(told.length, 1)
      assert.include(told[0], users)
      assert.include(told[0], billing)
      assert.include(told[0], "name the origins")
    }))

  // FAULTS T3
  it.effect("each run of an effect chooses the client of its override anew", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      let useUsers = true
      const either = Effect.suspend(() => useUsers ? a.get(users) : b.get(billing)).pipe(BearerAuth.skip)
      yield* either
      useUsers = false
      yield* either
      assert.deepStrictEqual(seen(), [[users, undefined], [billing, undefined]])
    }))

  // FAULTS T3
  it.effect("a call that would carry no token does not take an override", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      const elsewhere = "https://elsewhere.example"
      yield* BearerAuth.withRequest(Effect.zip(a.get(elsewhere), b.get(billing)), forBilling)
      yield* BearerAuth.skip(
        Effect.all([a.get(elsewhere), a.get(users, { headers: { authorization: "own" } }), b.get(billing)])
      )
      assert.deepStrictEqual(seen(), [
        [elsewhere, undefined],
        [billing, "billing"],
        [elsewhere, undefined],
        [users, "own"],
        [billing, undefined]
      ])
    }))

  // FAULTS T3
  it.effect("of nested overrides the innermost one that concerns a call counts for it", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      const both = Effect.zip(a.get(users), b.get(billing))
      yield* both.pipe(
        BearerAuth.withRequest(forBilling, atBilling),
        BearerAuth.withRequest(forUsers, atUsers),
        BearerAuth.withRequest(TokenRequest.make({ audience: "outermost" }), { origins: [users, billing] })
      )
      assert.deepStrictEqual(seen(), [[users, "users"], [billing, "billing"]])
      yield* BearerAuth.skip(BearerAuth.withRequest(a.get(users), forUsers))
      assert.deepStrictEqual(seen(), [[users, "users"]])
      yield* BearerAuth.withRequest(Effect.zip(BearerAuth.skip(a.get(users)), both), forUsers)
      assert.deepStrictEqual(seen(), [[users, undefined], [users, "users"], [billing, "default"]])
    }))

  // FAULTS T3
  it.effect("an override does not reach another API that the source of the client calls with a bearer", () =>
    Effect.gen(function*() {
      const { b, client, seen } = yield* setUp
      const { source } = yield* makeSource((_, request) =>
        Effect.as(Effect.orDie(b.get(billing)), AccessToken.make({ value: Array.from(request.audience).join() }))
      )
      const a = BearerAuth.withBearer(client, source, { origins: [users] })
      yield* BearerAuth.withRequest(a.get(users), forUsers)
      assert.deepStrictEqual(seen(), [[billing, "default"], [users, "users"]])
    }))

  // FAULTS T3
  it.effect("clients inside a skipped client add no token either", () =>
    Effect.gen(function*() {
      const { a, seen, source } = yield* setUp
      const outer = BearerAuth.withBearer(a, source, { origins: [users] })
      yield* BearerAuth.skip(outer.get(users))
      yield* BearerAuth.skip(outer.get(users), atUsers)
      yield* BearerAuth.withRequest(outer.get(users), forUsers)
      assert.deepStrictEqual(seen(), [[users, undefined], [users, undefined], [users, "users"]])
    }))

  // FAULTS T3
  it.effect("a replay keeps the override, and so does a client changed around the bearer", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource((n, request) =>
        Effect.succeed(AccessToken.make({ value: `${Array.from(request.audience).join() || "default"}${n}` }))
      )
      const { client, sent } = makeApi((_, n) => new Response("", { status: n === 1 ? 401 : 200 }))
      const bearer = BearerAuth.withBearer(client, source, { origins: [users] }).pipe(HttpClient.filterStatusOk)
      yield* BearerAuth.withRequest(bearer.get(users), forUsers)
      assert.deepStrictEqual(sent(), ["Bearer users1", "Bearer users2"])
    }))

  // FAULTS T3
  it.effect("an override that names its client concerns this client only, in any order", () =>
    Effect.gen(function*() {
      const { a, b, seen } = yield* setUp
      const told = yield* warnings(Effect.gen(function*() {
        for (const both of [Effect.zip(a.get(users), b.get(billing)), Effect.zip(b.get(billing), a.get(users))]) {
          yield* both.pipe(BearerAuth.withRequest(forUsers, { client: a }))
          assert.sameDeepMembers(seen(), [[users, "users"], [billing, "default"]])
          yield* BearerAuth.skip(both, { client: b })
          assert.sameDeepMembers(seen(), [[users, "default"], [billing, undefined]])
          yield* both.pipe(BearerAuth.withRequest(forBilling, { client: b }), BearerAuth.withRequest(forUsers))
          assert.sameDeepMembers(seen(), [[users, "users"], [billing, "billing"]])
        }
      }))
      assert.deepStrictEqual(told, [])
    }))

  // FAULTS T3
  it.effect("an override cannot name a client without a bearer", () =>
    Effect.gen(function*() {
      const { a, client, seen } = yield* setUp
      const targets: ReadonlyArray<object> = [
        { client },
        { client: HttpClient.filterStatusOk(a) },
        { client: a, origins: [users] }
      ]
      for (const target of targets) {
        const error = yield* Effect.flip(BearerAuth.skip(a.get(users), target as never))
        assert.deepStrictEqual((error as TokenError.InvalidConfiguration).fields, ["client"])
      }
      assert.deepStrictEqual(seen(), [])
    }))

  // FAULTS T3
  it.effect("a client that has nothing to do with its audience does not take an override without a target", () =>
    Effect.gen(function*() {
      const { client, seen, source } = yield* setUp
      const a = BearerAuth.withBearer(client, source, { origins: [users], request: forUsers })
      const b = BearerAuth.withBearer(client, source, { origins: [billing], request: forBilling })
      const wanted = [
        forUsers,
        TokenRequest.make({ audience: ["users", "more"] }),
        TokenRequest.make({ audience: `${users}/v2` }),
        TokenRequest.make({ audience: "x", resource: users })
      ]
      for (const request of wanted) {
        const told = yield* warnings(BearerAuth.withRequest(Effect.zip(b.get(billing), a.get(users)), request))
        assert.deepStrictEqual(seen(), [[billing, "billing"], [users, Array.from(request.audience).join("+")]])
        // one warning for each client
        assert.isAtMost(told.length, 1)
      }
      // one of the audiences is the client's own
      const mine = TokenRequest.make({ audience: ["billing", "users"] })
      yield* BearerAuth.withRequest(Effect.zip(b.get(billing), a.get(users)), mine)
      assert.deepStrictEqual(seen(), [[billing, "billing+users"], [users, "users"]])
      // no client is known to be for these, so the client that is called first takes the override
      for (
        const request of [TokenRequest.make({ audience: "tenant" }), TokenRequest.make({ audience: "urn:tenant" })]
      ) {
        yield* BearerAuth.withRequest(Effect.zip(b.get(billing), a.get(users)), request)
        assert.deepStrictEqual(seen(), [[billing, Array.from(request.audience).join()], [users, "users"]])
      }
      // another client has the same origins, and the audience is one of them
      const c = BearerAuth.withBearer(client, source, { origins: [users] })
      yield* BearerAuth.withRequest(c.get(users), forUsers)
      assert.deepStrictEqual(seen(), [[users, "users"]])
    }))

  it.effect("a list of origins that cannot work makes the calls fail, and sends nothing", () =>
    Effect.gen(function*() {
      const { a, seen } = yield* setUp
      for (const origins of [[], ["users.example.com"], [`${users}/path`], ["https://*.example.com"]]) {
        const either = yield* Effect.either(BearerAuth.withRequest(a.get(users), forUsers, { origins }))
        const error = Either.getOrThrow(Either.flip(either))
        assert.instanceOf(error, TokenError.InvalidConfiguration)
        assert.deepStrictEqual((error as TokenError.InvalidConfiguration).fields, ["origins"])
      }
      assert.deepStrictEqual(seen(), [])
      // an override permits nothing, so it may name any origin
      yield* BearerAuth.skip(a.get(users), { origins: ["http://mesh.local"] })
      assert.deepStrictEqual(seen(), [[users, "default"]])
    }))
})

describe("BearerAuth.withMinTtl", () => {
  const api = "https://api.example.com"

  it.scoped("a token with less left is renewed for the calls of the effect, and for no others", () =>
    Effect.gen(function*() {
      const server = new Scripted()
      const source = yield* TokenSource.cached({ ahead: 0 })(server.source)
      const { calls, client } = makeApi(() => new Response())
      const bearer = BearerAuth.withBearer(client, source, { origins: [api] })
      yield* bearer.get(api)
      yield* TestClock.adjust("40 minutes")
      yield* bearer.get(api)
      yield* BearerAuth.withMinTtl(bearer.get(api), "20 minutes")
      yield* bearer.get(api).pipe(BearerAuth.withMinTtl("25 minutes"))
      yield* bearer.get(api).pipe(BearerAuth.withMinTtl("25 minutes"))
      assert.deepStrictEqual(
        calls.map(({ authorization }) => authorization),
        ["token-1", "token-1", "token-1", "token-2", "token-2"].map((token) => `Bearer ${token}`)
      )
    }))
})
