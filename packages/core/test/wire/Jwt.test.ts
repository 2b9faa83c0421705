import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Effect, Either, Encoding, FastCheck, Logger, Option, Redacted, TestClock } from "effect"
import { AccessToken, Jwt } from "../../src/index.js"
import { exchange } from "../fixtures/exchange.js"
import { jwt } from "../fixtures/jwt.js"

const base64Url = (text: string | Uint8Array) => Encoding.encodeBase64Url(text as string)
const claimsOf = (token: Parameters<typeof Jwt.decode>[0]) =>
  Redacted.value(Option.getOrThrow(Jwt.decode(token)).claims)

// SPEC B3
describe("Jwt.decode", () => {
  it("reads scopes, times and the rest, from any form of a token", () => {
    const text = jwt({ scope: "a b", exp: 1_700_000_000, iat: 1_699_999_000.5, nbf: 1_699_999_000, sub: "someone" })
    for (const token of [text, Redacted.make(text), AccessToken.make({ value: text })]) {
      const claims = Option.getOrThrow(Jwt.decode(token))
      assert.deepStrictEqual([...claims.scopes], ["a", "b"])
      assert.deepStrictEqual(claims.expiresAt, Option.some(1_700_000_000_000))
      assert.deepStrictEqual(claims.issuedAt, Option.some(1_699_999_000_500))
      assert.deepStrictEqual(claims.notBefore, Option.some(1_699_999_000_000))
      assert.strictEqual(Redacted.value(claims.claims).sub, "someone")
      assert.strictEqual(Redacted.value(claims.header).alg, "RS256")
    }
  })

  it("scopes come from scope and scp, as text or as a list", () => {
    const scopes = (claims: unknown) => [...Option.getOrThrow(Jwt.decode(jwt(claims))).scopes]
    assert.deepStrictEqual(scopes({ scp: ["b", "a", 3, null] }), ["a", "b"])
    assert.deepStrictEqual(scopes({ scp: "a b" }), ["a", "b"])
    assert.deepStrictEqual(scopes({ scope: "a", scp: ["c"] }), ["a", "c"])
    assert.deepStrictEqual(scopes({ scope: 3, scp: {} }), [])
    assert.deepStrictEqual(scopes({}), [])
  })

  it("an opaque token is None, not an error", () => {
    const opaque = [
      "",
      "0a1b2c",
      ".",
      "..",
      "...",
      "a.b",
      "a.b.c",
      "a.b.c.d.e",
      `${jwt({})}.x`,
      jwt({}).replace(/\.[^.]*$/, ""),
      jwt([1]),
      jwt("text"),
      jwt(null),
      jwt({}, [])
    ]
    for (const token of opaque) assert.isTrue(Option.isNone(Jwt.decode(token)), token)
    assert.isTrue(Option.isNone(Jwt.decode(3 as never)))
    assert.isTrue(Option.isNone(Jwt.decode(Redacted.make(undefined) as never)))
  })

  it("only strict base64url is accepted", () => {
    const [header, payload] = jwt({ sub: "a" }).split(".")
    assert.isTrue(Option.isSome(Jwt.decode(`${header}.${payload}.`)))
    for (
      const bad of [
        `${payload}=`,
        `${payload}\n`,
        ` ${payload}`,
        `${payload}!`,
        base64Url("{\"a\":1}").replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
        Encoding.encodeBase64("{\"a\":\"~~~???\"}")
      ]
    ) {
      assert.isTrue(Option.isNone(Jwt.decode(`${header}.${bad}.c2ln`)), bad)
    }
    assert.isTrue(Option.isNone(Jwt.decode(`${header}.${payload}.s=g`)))
    // not UTF-8, or with a byte order mark
    const latin1 = Uint8Array.from("{\"a\":\"\u00ff\"}", (c) => c.charCodeAt(0))
    assert.isTrue(Option.isNone(Jwt.decode(`${header}.${base64Url(latin1)}.c2ln`)))
    assert.isTrue(Option.isNone(Jwt.decode(`${header}.${base64Url("\uFEFF{}")}.c2ln`)))
  })

  it("a token that is too large is not decoded", () => {
    assert.isTrue(Option.isSome(Jwt.decode(jwt({ a: "x".repeat(40_000) }))))
    assert.isTrue(Option.isNone(Jwt.decode(jwt({ a: "x".repeat(60_000) }))))
    const start = `${base64Url("{}")}.${base64Url("{ }")}.`
    assert.isTrue(Option.isSome(Jwt.decode(start.padEnd(65_536, "A"))))
    assert.isTrue(Option.isNone(Jwt.decode(start.padEnd(65_537, "A"))))
    assert.doesNotThrow(() => Jwt.decode(`${base64Url("{}")}.${base64Url("[".repeat(40_000))}.c2ln`))
  })

  it("a claim never reads a member of the prototype", () => {
    const token = `${base64Url("{}")}.${base64Url("{\"__proto__\":{\"exp\":5,\"scope\":\"a\"},\"sub\":\"x\"}")}.c2ln`
    const claims = Option.getOrThrow(Jwt.decode(token))
    assert.deepStrictEqual(claims.expiresAt, Option.none())
    assert.lengthOf(claims.scopes, 0)
    assert.isUndefined(({} as { exp?: number }).exp)
  })

  it("an exp that is not a date is None", () => {
    for (const exp of [-1, 1e300, "soon", "", null, true, [1], 8.64e12 + 1]) {
      assert.deepStrictEqual(Option.getOrThrow(Jwt.decode(jwt({ exp }))).expiresAt, Option.none(), String(exp))
    }
    assert.deepStrictEqual(Option.getOrThrow(Jwt.decode(jwt({ exp: "60" }))).expiresAt, Option.some(60_000))
  })

  // I9
  it("no rendering shows claims", () => {
    const decoded = Jwt.decode(jwt({ sub: "someone@example.com", secret: "hush" }))
    for (const text of [String(decoded), JSON.stringify(decoded), inspect(decoded, { depth: null })]) {
      assert.notInclude(text, "someone")
      assert.notInclude(text, "hush")
      assert.notInclude(text, "RS256")
    }
  })

  const part = FastCheck.oneof(
    FastCheck.string(),
    FastCheck.uint8Array().map(base64Url),
    FastCheck.json().map(base64Url),
    FastCheck.constant("")
  )
  it.prop(
    "any text gives claims or None, never a defect",
    { text: FastCheck.oneof(FastCheck.string(), FastCheck.array(part, { maxLength: 6 }).map((all) => all.join("."))) },
    ({ text }) => {
      assert.isTrue(Option.isOption(Jwt.decode(text)))
      assert.isTrue(Either.isEither(Jwt.checkScopes(text, "a b")))
    },
    { fastCheck: { numRuns: 1000 } }
  )

  it.prop("encoded claims come back", { claims: FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue()) }, ({
    claims
  }) => {
    assert.deepStrictEqual(JSON.stringify(claimsOf(jwt(claims))), JSON.stringify(JSON.parse(JSON.stringify(claims))))
  })
})

// SPEC B3
describe("Jwt.checkScopes", () => {
  it("names the missing scopes, and the renamed ones", () => {
    const result = Jwt.checkScopes(jwt({ scope: "users:read Analytics.Read" }), "users:read analytics:read billing")
    assert.isTrue(Either.isLeft(result))
    if (Either.isLeft(result)) {
      assert.strictEqual(result.left._tag, "ScopeNotGranted")
      assert.deepStrictEqual([...result.left.missing], ["analytics:read", "billing"])
      assert.deepStrictEqual([...result.left.granted], ["Analytics.Read", "users:read"])
      assert.deepStrictEqual([...result.left.requested], ["analytics:read", "billing", "users:read"])
      assert.deepStrictEqual(result.left.renamed, [{ requested: "analytics:read", granted: "Analytics.Read" }])
      assert.include(result.left.message, "analytics:read, billing")
      assert.include(result.left.message, "analytics:read as Analytics.Read")
    }
  })

  it("gives the claims when all scopes are there", () => {
    const result = Jwt.checkScopes(jwt({ scp: ["a", "b", "c"] }), ["a", "c"])
    assert.deepStrictEqual(Either.map(result, Option.isSome), Either.right(true))
  })

  it("gives None for an opaque token", () => {
    assert.deepStrictEqual(Jwt.checkScopes("opaque", "a"), Either.right(Option.none()))
  })

  it("a JWT without scope claims has no scopes; other claims can be named", () => {
    const token = jwt({ roles: ["Data.Read"] })
    assert.isTrue(Either.isLeft(Jwt.checkScopes(token, "Data.Read")))
    assert.isTrue(Either.isRight(Jwt.checkScopes(token, "Data.Read", { claims: ["roles"] })))
    assert.isTrue(Either.isRight(Jwt.checkScopes(token, "")))
  })

  it.effect("checkScopes can be used as an effect", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.gen(function*() {
        yield* Jwt.checkScopes(jwt({}), "a")
      }))
      assert.strictEqual(error._tag, "ScopeNotGranted")
    }))
})

describe("exp of an access token", () => {
  const expiresIn = (members: Record<string, unknown>, options?: Parameters<typeof exchange>[2]) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_000)
      const token = yield* exchange(Reply.token(members), {}, options)
      return Option.map(token.expiresAt, (at) => (at - token.issuedAt) / 1000)
    })
  const exp = (seconds: unknown) => jwt({ exp: typeof seconds === "number" ? 1_700_000_000 + seconds : seconds })

  it.effect("W2.22 the earlier of expires_in and exp counts", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* expiresIn({ access_token: exp(600), expires_in: 3600 }), Option.some(600))
      assert.deepStrictEqual(yield* expiresIn({ access_token: exp(7200), expires_in: 3600 }), Option.some(3600))
      assert.deepStrictEqual(yield* expiresIn({ access_token: exp(600), expires_in: 0 }), Option.some(0))
    }))

  it.effect("P6 exp replaces an expires_in that is missing or unusable", () =>
    Effect.gen(function*() {
      for (const expires_in of [undefined, null, "", "3600abc", -1]) {
        assert.deepStrictEqual(yield* expiresIn({ access_token: exp(600), expires_in }), Option.some(600))
      }
    }))

  it.effect("W2.22 an exp that is over on arrival is ignored, with a line in the log", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.add(Logger.make(({ message }) => void lines.push(String(message))))
      for (const past of [0, -1, -86_400, -1_700_000_000]) {
        assert.deepStrictEqual(
          yield* Effect.provide(expiresIn({ access_token: exp(past), expires_in: 3600 }), logger),
          Option.some(3600)
        )
        assert.deepStrictEqual(
          yield* Effect.provide(expiresIn({ access_token: exp(past), expires_in: undefined }), logger),
          Option.none()
        )
      }
      assert.isTrue(lines.every((line) => line.includes("check the clock")), lines.join("\n"))
      assert.lengthOf(lines, 8)
    }))

  it.effect("an exp that is not a date is ignored, and a lifetime is at most ten years", () =>
    Effect.gen(function*() {
      for (const odd of ["soon", null, -5, 1e300]) {
        assert.deepStrictEqual(yield* expiresIn({ access_token: exp(odd), expires_in: undefined }), Option.none())
      }
      assert.deepStrictEqual(
        yield* expiresIn({ access_token: exp(1e9), expires_in: undefined }),
        Option.some(10 * 365 * 86_400)
      )
    }))

  it.effect("with `jwtExpiry: false` the exp is ignored", () =>
    Effect.gen(function*() {
      const options = { jwtExpiry: false }
      assert.deepStrictEqual(yield* expiresIn({ access_token: exp(600), expires_in: 3600 }, options), Option.some(3600))
      assert.deepStrictEqual(
        yield* expiresIn({ access_token: exp(600), expires_in: undefined }, options),
        Option.none()
      )
    }))

  it.effect.prop(
    "a token is never expired on arrival because of its own exp",
    {
      offset: FastCheck.integer({ min: -100_000, max: 100_000 }),
      seconds: FastCheck.integer({ min: 1, max: 100_000 })
    },
    ({ offset, seconds }) =>
      Effect.gen(function*() {
        const lifetime = yield* expiresIn({ access_token: exp(offset), expires_in: seconds })
        assert.deepStrictEqual(lifetime, Option.some(offset > 0 ? Math.min(offset, seconds) : seconds))
      })
  )
})
