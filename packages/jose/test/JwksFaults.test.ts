import { FetchHttpClient, HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Redacted, TestClock } from "effect"
import * as jose from "jose"
import { withSettableClock } from "../../../test/src/SettableClock.js"
import { forkVanishing } from "../../../test/src/vanishing.js"
import { Jwks } from "../src/index.js"
import type { TestKey } from "./utils/keys.js"
import { key, renderings } from "./utils/keys.js"

const issuer = "https://issuer.test"
const audience = "https://api.test"
const jwksUri = "https://issuer.test/jwks"
const hour = 3_600_000

const sign = ({ alg, privateKey }: TestKey, kid = "k1", claims: Readonly<Record<string, unknown>> = {}) =>
  Effect.promise(() =>
    new jose.SignJWT({ iss: issuer, aud: audience, exp: 10 ** 10, ...claims })
      .setProtectedHeader({ alg, kid })
      .sign(privateKey)
  ).pipe(Effect.map((jwt) => Redacted.make(jwt)))

/** An issuer in memory: `answer` is told how many have asked, this one included. */
const issuerOf = (answer: (nth: number) => Response | Effect.Effect<Response>) => {
  let fetches = 0
  const client = HttpClient.make((request) =>
    Effect.suspend(() => {
      const response = answer(++fetches)
      return Effect.map(
        Effect.isEffect(response) ? response : Effect.succeed(response),
        (response) => HttpClientResponse.fromWeb(request, response)
      )
    })
  )
  return { client, fetches: () => fetches }
}

const set = (...keys: ReadonlyArray<readonly [TestKey, string]>) =>
  Response.json({ keys: keys.map(([{ publicJwk }, kid]) => ({ ...publicJwk, kid })) })

const down = () => new Response("down", { status: 503 })

const verifier = (client: HttpClient.HttpClient, options: Partial<Jwks.Options> = {}) =>
  Effect.provideService(
    Jwks.make({ issuer, audience, jwksUri, algorithms: ["ES256"], ...options }),
    HttpClient.HttpClient,
    client
  )

const tagOf = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "verified" })

describe("Jwks, when the wall clock is put back by an hour", () => {
  // FAULTS K2
  it.effect("a failed fetch is repeated to callers for one second, and no longer", () =>
    withSettableClock((set_) =>
      Effect.gen(function*() {
        const k = yield* key("ES256")
        const { client, fetches } = issuerOf((nth) => nth === 1 ? down() : set([k, "k1"]))
        const { verify } = yield* verifier(client)
        const jwt = yield* sign(k)
        yield* TestClock.adjust("1 day")
        assert.strictEqual(yield* tagOf(verify(jwt)), "KeysUnavailable")
        set_(-hour)
        assert.strictEqual(yield* tagOf(verify(jwt)), "KeysUnavailable")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* tagOf(verify(jwt)), "verified")
        assert.strictEqual(fetches(), 2)
      })
    ))

  // FAULTS K2
  it.effect("rotated keys are fetched as soon as before, and the set does not become older than allowed", () =>
    withSettableClock((set_) =>
      Effect.gen(function*() {
        const [one, two] = [yield* key("ES256"), yield* key("ES256", "two")]
        const { client, fetches } = issuerOf((nth) => nth === 1 ? set([one, "k1"]) : set([two, "k2"]))
        const { verify } = yield* verifier(client)
        yield* TestClock.adjust("1 day")
        yield* verify(yield* sign(one))
        set_(-hour)
        const rotated = yield* sign(two, "k2")
        assert.strictEqual(yield* tagOf(verify(rotated)), "UnknownKey")
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* tagOf(verify(rotated)), "verified")
        set_(-3 * hour)
        yield* TestClock.adjust("10 minutes")
        yield* verify(rotated)
        assert.strictEqual(fetches(), 3)
      })
    ))

  // FAULTS K2
  it.effect("after a machine slept, the set is fetched again", () =>
    withSettableClock((set_) =>
      Effect.gen(function*() {
        const k = yield* key("ES256")
        const { client, fetches } = issuerOf(() => set([k, "k1"]))
        const { verify } = yield* verifier(client)
        const jwt = yield* sign(k)
        yield* verify(jwt)
        set_(hour)
        yield* verify(jwt)
        yield* verify(jwt)
        assert.strictEqual(fetches(), 2)
      })
    ))
})

describe("Jwks, when the fiber that began a fetch is gone", () => {
  // FAULTS L1, L2
  it.effect("callers that wait, and callers that come later, start a new fetch", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { client, fetches } = issuerOf((nth) => nth === 1 ? Effect.never : set([k, "k1"]))
      const { verify } = yield* verifier(client)
      const jwt = yield* sign(k)
      const { vanish } = yield* forkVanishing(verify(jwt))
      yield* TestClock.adjust(1)
      const waiting = yield* Effect.replicateEffect(Effect.fork(verify(jwt)), 5)
      yield* TestClock.adjust(1)
      assert.strictEqual(fetches(), 1)
      vanish()
      yield* TestClock.adjust("15 seconds")
      // whoever comes later looks, and begins anew for all
      yield* verify(jwt)
      yield* Fiber.join(Fiber.all(waiting))
      assert.strictEqual(fetches(), 2)
    }))

  // FAULTS L1
  it.effect("if the caller that began the fetch is interrupted, the waiting callers get the result of the same fetch", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const gate = yield* Deferred.make<void>()
      const { client, fetches } = issuerOf(() => Effect.as(Deferred.await(gate), set([k, "k1"])))
      const { verify } = yield* verifier(client)
      const jwt = yield* sign(k)
      const first = yield* Effect.fork(verify(jwt))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(verify(jwt))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(second)
      assert.strictEqual(fetches(), 1)
    }))

  // FAULTS L4
  it.effect("a fetch that hangs and cannot be interrupted still ends for its callers at the time limit", () =>
    Effect.gen(function*() {
      const jwt = yield* sign(yield* key("ES256"))
      const { verify } = yield* verifier(HttpClient.make(() => Effect.uninterruptible(Effect.never)))
      const fiber = yield* Effect.fork(tagOf(verify(jwt)))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "KeysUnavailable")
    }))
})

describe("Jwks, when the server is down", () => {
  // FAULTS L1
  it.effect("a set that was fetched is used without the server, for an hour by default", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { client, fetches } = issuerOf((nth) => nth === 1 ? set([k, "k1"]) : down())
      const { verify } = yield* verifier(client)
      const jwt = yield* sign(k)
      yield* verify(jwt)
      yield* TestClock.adjust("11 minutes")
      for (let n = 0; n < 10; n++) yield* verify(jwt)
      // one fetch, and a rest
      assert.strictEqual(fetches(), 2)
      yield* TestClock.adjust("2 seconds")
      yield* verify(jwt)
      assert.strictEqual(fetches(), 2)
      yield* TestClock.adjust("29 seconds")
      yield* verify(jwt)
      assert.strictEqual(fetches(), 3)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* tagOf(verify(jwt)), "KeysUnavailable")
      const strict = yield* verifier(issuerOf((nth) => nth === 1 ? set([k, "k1"]) : down()).client, { maxStale: 0 })
      yield* strict.verify(jwt)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* tagOf(strict.verify(jwt)), "KeysUnavailable")
    }))

  // FAULTS L1
  it.effect("if the server hangs and there is a set, one caller waits for the server, and the others do not", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { client, fetches } = issuerOf((nth) => nth === 1 ? set([k, "k1"]) : nth === 2 ? down() : Effect.never)
      const { verify } = yield* verifier(client)
      const jwt = yield* sign(k)
      yield* verify(jwt)
      yield* TestClock.adjust("11 minutes")
      yield* verify(jwt)
      yield* TestClock.adjust("30 seconds")
      const waiting = yield* Effect.fork(verify(jwt))
      yield* Effect.repeatN(Effect.yieldNow(), 5)
      yield* verify(jwt)
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(waiting)
      assert.strictEqual(fetches(), 3)
    }))

  // FAULTS L1
  it.effect("many tokens with invented key ids cost one fetch per second, and the errors are retryable", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { client, fetches } = issuerOf((nth) => nth === 1 ? set([k, "k1"]) : down())
      const { verify } = yield* verifier(client)
      yield* verify(yield* sign(k))
      yield* TestClock.adjust("31 seconds")
      for (let n = 0; n < 20; n++) {
        assert.strictEqual(yield* tagOf(verify(yield* sign(k, `made-up-${n}`))), "KeysUnavailable")
      }
      assert.strictEqual(fetches(), 2)
    }))
})

describe("Jwks, requests and errors", () => {
  // FAULTS T9
  for (const place of ["around the verifier", "around the call"] as const) {
    it.effect(`the fetch keeps the RequestInit that is set ${place}, follows no redirect, and uses no HTTP cache`, () =>
      Effect.gen(function*() {
        const k = yield* key("ES256")
        const seen: Array<RequestInit> = []
        const fetch = ((_: URL, init: RequestInit) => {
          seen.push(init)
          return Promise.resolve(set([k, "k1"]))
        }) as typeof globalThis.fetch
        const dispatcher = { proxy: "http://proxy.test:3128" }
        const own = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.provideService(effect, FetchHttpClient.RequestInit, { dispatcher, redirect: "follow" } as RequestInit)
        const make = Jwks.make({ issuer, audience, jwksUri, algorithms: ["ES256"] })
        const jwt = yield* sign(k)
        yield* Effect.gen(function*() {
          const { verify } = yield* place === "around the verifier" ? own(make) : make
          yield* place === "around the verifier" ? verify(jwt) : own(verify(jwt))
        }).pipe(Effect.provide(FetchHttpClient.layer), Effect.provideService(FetchHttpClient.Fetch, fetch))
        assert.lengthOf(seen, 1)
        assert.deepInclude(seen[0], { dispatcher, redirect: "manual", cache: "no-store" } as object)
      }))
  }

  // FAULTS S
  it.effect("an error shows the id of a key only if it looks like a name", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { verify } = yield* verifier(issuerOf(() => set([k, "k1"])).client)
      const shown = (kid: string) =>
        Effect.map(
          Effect.flip(Effect.flatMap(sign(k, kid), verify)),
          (error) => [error._tag === "UnknownKey" && Option.getOrUndefined(error.kid), error.message] as const
        )
      for (const name of ["2026-01", "signing-key.2026", "6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10", "k9"]) {
        const [kid, message] = yield* shown(name)
        assert.strictEqual(kid, name)
        assert.include(message, name)
      }
      for (
        const credential of [
          "ghp_R7xk29QmVt4LwZb8YcN1sD6fGh3JpA5eU0iO",
          "s3cr3t-8f2a77c1d09b4e",
          "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
          "AKIAIOSFODNN7EXAMPLE7"
        ]
      ) {
        const [kid, message] = yield* shown(credential)
        assert.isUndefined(kid)
        assert.notInclude(message, credential.slice(0, 8))
      }
    }))

  // FAULTS S2
  it.effect("an error shows nothing of an answer that is no key set, and no key id that is a part of the token", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const secret = "tok-4711-abcdefgh"
      for (const body of [`{"access_token":"${secret}`, `{"keys":"${secret}"}`, `<html>${secret}`, secret]) {
        const { verify } = yield* verifier(issuerOf(() => new Response(body)).client)
        assert.notInclude(renderings(yield* Effect.flip(verify(yield* sign(k)))), secret)
      }
      const { verify } = yield* verifier(issuerOf(() => set([k, "k1"])).client, { requiredScopes: "x" })
      const unknown = yield* Effect.flip(verify(yield* sign(k, "another")))
      assert.deepStrictEqual(unknown._tag === "UnknownKey" && unknown.kid, Option.some("another"))
      const jwt = Redacted.value(yield* sign(k, "a"))
      const header = jose.base64url.encode(JSON.stringify({ alg: "ES256", kid: jwt.split(".")[1]!.slice(0, 20) }))
      const echoed = yield* Effect.flip(verify(Redacted.make(`${header}.${jwt.split(".").slice(1).join(".")}`)))
      assert.deepStrictEqual(echoed._tag === "UnknownKey" && echoed.kid, Option.none())
      const scope = Array.from({ length: 5000 }, (_, n) => `scope-${n}`).join(" ")
      const many = yield* Effect.flip(verify(yield* sign(k, "k1", { scope })))
      assert.isBelow(many.message.length, 700)
      assert.include(many.message, "5000 in all")
      assert.strictEqual(yield* tagOf(verify(Redacted.make("a.".repeat(1_000_000)))), "MalformedToken")
    }))

  it.effect("times that are no durations, or are infinite where a limit is needed, are refused", () =>
    Effect.gen(function*() {
      for (
        const options of [
          { clockTolerance: Infinity },
          { cooldown: Infinity },
          { timeout: Infinity },
          { timeout: Number.NaN },
          { maxAge: -1 },
          { maxStale: Number.NaN }
        ]
      ) {
        const error = yield* Effect.flip(verifier(issuerOf(down).client, options as never))
        assert.deepStrictEqual(error.fields, Object.keys(options))
      }
      yield* verifier(issuerOf(down).client, { maxAge: Infinity, maxStale: Infinity })
    }))
})
