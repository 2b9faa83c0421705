import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Redacted, TestClock } from "effect"
import { AccessToken } from "effect-bearer"
import * as jose from "jose"
import { Jwks } from "../src/index.js"
import type { TestKey } from "./utils/keys.js"
import { algorithms, key, renderings } from "./utils/keys.js"

const issuer = "https://issuer.test"
const audience = "https://api.test"
const jwksUri = "https://issuer.test/jwks?tenant=1"

/** An issuer in memory. */
const serve = (keys: () => Promise<Response> | Response) => {
  let fetches = 0
  const client = HttpClient.make((request) =>
    Effect.promise(async () => {
      fetches++
      return HttpClientResponse.fromWeb(request, await keys())
    })
  )
  return { client, fetches: () => fetches }
}

const set = (...keys: ReadonlyArray<jose.JWK>) => () => Response.json({ keys })

const sign = (
  { alg, privateKey }: Pick<TestKey, "alg" | "privateKey">,
  claims: Readonly<Record<string, unknown>> = {},
  header: Partial<jose.JWTHeaderParameters> = {}
) =>
  Effect.promise(() =>
    new jose.SignJWT({ iss: issuer, aud: audience, sub: "svc", iat: 0, exp: 3600, scope: "a b", ...claims })
      .setProtectedHeader({ alg, kid: "k1", ...header })
      .sign(privateKey)
  ).pipe(Effect.map((jwt) => Redacted.make(jwt)))

const nameless = { kid: undefined as unknown as string }

const verifier = (client: HttpClient.HttpClient, options: Partial<Jwks.Options> = {}) =>
  Effect.provideService(
    Jwks.make({ issuer, audience, jwksUri, algorithms: ["ES256"], ...options }),
    HttpClient.HttpClient,
    client
  )

describe("Jwks", () => {
  for (const alg of algorithms) {
    it.effect(`verifies ${alg}`, () =>
      Effect.gen(function*() {
        const k = yield* key(alg)
        const { verify } = yield* verifier(serve(set({ ...k.publicJwk, kid: "k1" })).client, { algorithms: [alg] })
        const jwt = yield* sign(k, { cnf: { jkt: "abc" } })
        const { boundTo, claims, scopes } = yield* verify(jwt)
        assert.strictEqual(claims.sub, "svc")
        assert.deepStrictEqual([...scopes], ["a", "b"])
        assert.deepStrictEqual(boundTo, { jkt: Option.some("abc"), x5t: Option.none() })
        assert.strictEqual((yield* verify(AccessToken.make({ value: jwt }))).claims.sub, "svc")
      }))
  }

  it.effect("the error for a bad token says what is wrong, and shows no part of the token", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const stranger = yield* key("ES256", "stranger")
      const rsa = yield* key("RS256")
      const { verify } = yield* verifier(serve(set({ ...k.publicJwk, kid: "k1" })).client, {
        requiredScopes: "b c",
        typ: "at+jwt"
      })
      const at = { typ: "at+jwt" }
      const good = { scope: "b c" }
      yield* verify(yield* sign(k, good, at))
      yield* verify(yield* sign(k, { scope: undefined, scp: ["b", "c", 1] }, at))
      const jwt = Redacted.value(yield* sign(k, good, at))
      const [header, payload, signature] = jwt.split(".") as [string, string, string]
      const unsigned = (fields: object) => Redacted.make(`${jose.base64url.encode(JSON.stringify(fields))}.${payload}.`)
      const hmac = yield* Effect.promise(() =>
        new jose.SignJWT({ iss: issuer, aud: audience, exp: 3600 }).setProtectedHeader({ alg: "HS256", kid: "k1" })
          .sign(new TextEncoder().encode(JSON.stringify(k.publicJwk)))
      )
      const cases: ReadonlyArray<readonly [string, Redacted.Redacted, Jwks.JwksError["_tag"]]> = [
        ["expired", yield* sign(k, { ...good, exp: -60 }, at), "TokenExpired"],
        ["no expiry", yield* sign(k, { ...good, exp: undefined }, at), "ClaimRejected"],
        ["not yet", yield* sign(k, { ...good, nbf: 60 }, at), "ClaimRejected"],
        ["another audience", yield* sign(k, { ...good, aud: "https://other.test" }, at), "WrongAudience"],
        ["no audience", yield* sign(k, { ...good, aud: undefined }, at), "WrongAudience"],
        ["another issuer", yield* sign(k, { ...good, iss: "https://other.test" }, at), "WrongIssuer"],
        ["an ID token", yield* sign(k, good, { typ: "JWT" }), "ClaimRejected"],
        ["too few scopes", yield* sign(k, { scope: "a b" }, at), "MissingScopes"],
        ["another key", yield* sign(stranger, good, at), "BadSignature"],
        ["an unknown key", yield* sign(stranger, good, { ...at, kid: "k2" }), "UnknownKey"],
        ["altered", Redacted.make(`${header}.${payload.slice(0, -4)}AAAA.${signature}`), "BadSignature"],
        ["another algorithm", yield* sign(rsa, good, at), "MalformedToken"],
        ["none", unsigned({ alg: "none", kid: "k1" }), "MalformedToken"],
        ["the public key as a secret", Redacted.make(hmac), "MalformedToken"],
        ["critical extension", unsigned({ alg: "ES256", kid: "k1", crit: ["x"], x: 1 }), "MalformedToken"],
        ["opaque", Redacted.make("0paque-t0ken"), "MalformedToken"],
        ["empty", Redacted.make(""), "MalformedToken"],
        ["five parts", Redacted.make(`${jwt}.a.b`), "MalformedToken"]
      ]
      for (const [name, token, tag] of cases) {
        const error = yield* Effect.flip(verify(token))
        assert.strictEqual(error._tag, tag, name)
        assert.isFalse(error.retryable)
        assert.isTrue(Jwks.isJwksError(error))
        for (const part of [payload, signature, "0paque"]) assert.notInclude(renderings(error), part)
      }
      const missing = yield* Effect.flip(verify(yield* sign(k, { scope: "a b" }, at)))
      assert.deepStrictEqual(missing._tag === "MissingScopes" && [...missing.missing], ["c"])
      const expired = yield* Effect.flip(verify(yield* sign(k, { ...good, exp: -60 }, at)))
      assert.deepStrictEqual(expired._tag === "TokenExpired" && expired.expiredAt, Option.some(-60_000))
    }))

  it.effect("the times of a token are compared with Effect's Clock, with the tolerance of the options", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { verify } = yield* verifier(serve(set({ ...k.publicJwk, kid: "k1" })).client)
      const jwt = yield* sign(k, { exp: 100 })
      yield* TestClock.setTime(104_000)
      yield* verify(jwt)
      yield* TestClock.setTime(106_000)
      assert.strictEqual((yield* Effect.flip(verify(jwt)))._tag, "TokenExpired")
    }))

  it.effect("the key set is kept, and fetched again for an unknown key, but not more often than allowed", () =>
    Effect.gen(function*() {
      const one = yield* key("ES256")
      const two = yield* key("ES256", "two")
      const keys = [{ ...one.publicJwk, kid: "k1" }]
      const { client, fetches } = serve(() => Response.json({ keys }))
      const { verify } = yield* verifier(client, { maxAge: "10 minutes" })
      const first = yield* sign(one)
      const second = yield* sign(two, {}, { kid: "k2" })
      for (let n = 0; n < 3; n++) yield* verify(first)
      assert.strictEqual(fetches(), 1)
      // the set was fetched just now: a flood of made-up keys fetches nothing
      for (let n = 0; n < 3; n++) assert.strictEqual((yield* Effect.flip(verify(second)))._tag, "UnknownKey")
      assert.strictEqual(fetches(), 1)
      keys.push({ ...two.publicJwk, kid: "k2" })
      yield* TestClock.adjust("31 seconds")
      yield* Effect.all([verify(second), verify(second), verify(first)], { concurrency: "unbounded" })
      assert.strictEqual(fetches(), 2)
      yield* TestClock.adjust("10 minutes")
      yield* verify(first)
      assert.strictEqual(fetches(), 3)
      // not one that can be told to be none
      yield* Effect.flip(verify(Redacted.make("opaque")))
      assert.strictEqual(fetches(), 3)
    }))

  // FAULTS K2: an issuer that names no keys, and has changed its key
  it.effect("the key set is fetched again for a token that names no key, if no known key has signed the token", () =>
    Effect.gen(function*() {
      const one = yield* key("ES256")
      const two = yield* key("ES256", "two")
      let keys: Array<jose.JWK> = [one.publicJwk]
      const { client, fetches } = serve(() => Response.json({ keys }))
      const { verify } = yield* verifier(client)
      yield* verify(yield* sign(one, {}, nameless))
      const rotated = yield* sign(two, {}, nameless)
      keys = [two.publicJwk]
      // not more often than allowed
      assert.strictEqual((yield* Effect.flip(verify(rotated)))._tag, "BadSignature")
      assert.strictEqual(fetches(), 1)
      yield* TestClock.adjust("31 seconds")
      yield* verify(rotated)
      assert.strictEqual(fetches(), 2)
      // one that names its key is what it seems
      keys = [{ ...two.publicJwk, kid: "k1" }]
      yield* TestClock.adjust("10 minutes")
      yield* verify(yield* sign(two))
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual((yield* Effect.flip(verify(yield* sign(one))))._tag, "BadSignature")
      assert.strictEqual(fetches(), 3)
    }))

  it.effect("all callers share one fetch of the key set, and a caller that is interrupted does not end it for the others", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const gate = yield* Deferred.make<void>()
      const { client, fetches } = serve(async () => {
        await Effect.runPromise(Deferred.await(gate))
        return set({ ...k.publicJwk, kid: "k1" })()
      })
      const { verify } = yield* verifier(client)
      const jwt = yield* sign(k)
      const fibers = yield* Effect.forEach(Array(50).fill(0), () => Effect.fork(verify(jwt)))
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      yield* Fiber.interrupt(fibers[0]!)
      yield* Deferred.succeed(gate, undefined)
      for (const fiber of fibers.slice(1)) yield* Fiber.join(fiber)
      assert.isAtMost(fetches(), 2)
    }))

  it.effect("without a kid, every key that fits is tried", () =>
    Effect.gen(function*() {
      const one = yield* key("ES256")
      const two = yield* key("ES256", "two")
      const { verify } = yield* verifier(serve(set(one.publicJwk, two.publicJwk)).client)
      for (const k of [one, two]) yield* verify(yield* sign(k, {}, { kid: undefined as never }))
      const stranger = yield* key("ES256", "stranger")
      const error = yield* Effect.flip(verify(yield* sign(stranger, {}, { kid: undefined as never })))
      assert.strictEqual(error._tag, "BadSignature")
      const wrong = yield* Effect.flip(verify(yield* sign(two, { iss: "x" }, { kid: undefined as never })))
      assert.strictEqual(wrong._tag, "WrongIssuer")
    }))

  it.effect("if the key set cannot be fetched, the error is retryable and says nothing about the token; the next call fetches again", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const jwt = yield* sign(k)
      const answers: Array<() => Response> = [
        () => new Response("down", { status: 503 }),
        () => new Response(null, { status: 302, headers: { location: "https://evil.test" } }),
        () => new Response("<html>"),
        () => Response.json({ keys: "none" }),
        () => new Response(new Uint8Array(3_000_000))
      ]
      let n = 0
      const { client, fetches } = serve(() => (answers[n++] ?? set({ ...k.publicJwk, kid: "k1" }))())
      const { verify } = yield* verifier(client)
      for (const _ of answers) {
        const error = yield* Effect.flip(verify(jwt))
        assert.strictEqual(error._tag, "KeysUnavailable")
        assert.isTrue(error.retryable)
        assert.include(error.message, "https://issuer.test/jwks")
        assert.notInclude(renderings(error), "tenant")
        const soon = yield* Effect.flip(verify(jwt))
        assert.strictEqual(soon._tag, "KeysUnavailable")
        yield* TestClock.adjust("1 seconds")
      }
      yield* verify(jwt)
      assert.strictEqual(fetches(), answers.length + 1)
    }))

  it.effect("a server that does not answer, or cannot be reached, is an error", () =>
    Effect.gen(function*() {
      const jwt = yield* sign(yield* key("ES256"))
      const silent = yield* verifier(HttpClient.make(() => Effect.never), { timeout: "3 seconds" })
      const fiber = yield* Effect.fork(Effect.flip(silent.verify(jwt)))
      yield* TestClock.adjust("3 seconds")
      assert.include((yield* Fiber.join(fiber)).message, "too long")
      const refused = yield* verifier(
        HttpClient.make((request) =>
          Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: "s3cr3t" }))
        )
      )
      const error = yield* Effect.flip(refused.verify(jwt))
      assert.notInclude(renderings(error), "s3cr3t")
    }))

  it.effect("`verify` keeps the key set, too", () =>
    Effect.gen(function*() {
      const k = yield* key("ES256")
      const { client, fetches } = serve(set({ ...k.publicJwk, kid: "k1" }))
      const verify = Jwks.verify({ issuer, audience: ["x", audience], jwksUri, algorithms: ["ES256"] })
      const jwt = yield* sign(k)
      yield* Effect.provideService(Effect.zip(verify(jwt), verify(jwt)), HttpClient.HttpClient, client)
      assert.strictEqual(fetches(), 1)
    }))

  it.effect("options that cannot be right are InvalidConfiguration", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [Partial<Jwks.Options>, string]> = [
        [{ issuer: "" }, "issuer"],
        [{ audience: "" }, "audience"],
        [{ audience: [] }, "audience"],
        [{ algorithms: [] as never }, "algorithms"],
        [{ algorithms: ["HS256"] as never }, "algorithms"],
        [{ algorithms: ["none"] as never }, "algorithms"],
        [{ jwksUri: "/jwks" }, "jwksUri"],
        [{ jwksUri: "http://issuer.test/jwks" }, "jwksUri"],
        [{ jwksUri: "https://a:hunter2@issuer.test/jwks" }, "jwksUri"],
        [{ maxAge: "soon" as never }, "maxAge"]
      ]
      for (const [options, field] of cases) {
        const error = yield* Effect.flip(verifier(serve(set()).client, options))
        assert.deepStrictEqual(error.fields, [field])
        assert.notInclude(renderings(error), "hunter2")
      }
      yield* verifier(serve(set()).client, { jwksUri: "http://127.0.0.1:1234/jwks" })
    }))
})
