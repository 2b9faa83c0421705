import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Equal, FastCheck, Hash, Option, Redacted } from "effect"
import { AccessToken, Scopes, TokenEvent, TokenRequest } from "../../src/index.js"

const word = FastCheck.stringMatching(/^[a-z:*.-]{1,8}$/)

describe("TokenRequest", () => {
  const options = FastCheck.record({
    scopes: FastCheck.array(word),
    audience: FastCheck.array(word),
    resource: FastCheck.array(word),
    parameters: FastCheck.dictionary(word, FastCheck.string())
  }, { requiredKeys: [] })

  // SPEC D5
  it.prop("equal requests have the same key, and the key gives the request back", [options], ([input]) => {
    const request = TokenRequest.make(input)
    const shuffled = TokenRequest.make({
      ...input,
      scopes: [...input.scopes ?? []].reverse(),
      audience: [...input.audience ?? [], ...input.audience ?? []],
      parameters: Object.fromEntries(Object.entries(input.parameters ?? {}).reverse())
    })
    assert.isTrue(Equal.equals(request, shuffled))
    assert.strictEqual(Hash.hash(request), Hash.hash(shuffled))
    assert.isTrue(Equal.equals(TokenRequest.fromKey(request.key), request))
    assert.deepStrictEqual({ ...TokenRequest.fromKey(request.key) }, { ...request })
  })

  it.prop("different requests have different keys", [options, options], ([one, two]) => {
    const [a, b] = [TokenRequest.make(one), TokenRequest.make(two)]
    const same = JSON.stringify([a.scopes, a.audience, a.resource, Object.entries(a.parameters).sort()]) ===
      JSON.stringify([b.scopes, b.audience, b.resource, Object.entries(b.parameters).sort()])
    assert.strictEqual(Equal.equals(a, b), same)
  })

  it("the same request made again is the same object, unless it has parameters", () => {
    const make = (parameters?: Record<string, string>) =>
      TokenRequest.make({ scopes: ["b", "a"], audience: "one", resource: ["x", "y"], parameters })
    assert.strictEqual(make(), make())
    assert.notStrictEqual(make({ p: "1" }), make({ p: "1" }))
    assert.isTrue(Equal.equals(make({ p: "1" }), make({ p: "1" })))
  })

  // the text is one of few, so that a request which is kept could be taken for another one
  const awkward = FastCheck.array(FastCheck.constantFrom("", "a", "b", "a\nb", "\n", "a b"), { maxLength: 3 })

  it.prop(
    "a request from lists equals the same request from sets, which is not kept",
    [FastCheck.record({ scopes: awkward, audience: awkward, resource: awkward }, { requiredKeys: [] })],
    ([input]) => {
      const set = (values: ReadonlyArray<string> | undefined) => values === undefined ? undefined : new Set(values)
      const apart = { scopes: set(input.scopes), audience: set(input.audience), resource: set(input.resource) }
      assert.strictEqual(TokenRequest.make(input).key, TokenRequest.make(apart).key)
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it("different fields with the same text give different keys", () => {
    const keys = [
      TokenRequest.make({ scopes: "x" }),
      TokenRequest.make({ audience: "x" }),
      TokenRequest.make({ resource: "x" }),
      TokenRequest.make({ parameters: { x: "" } }),
      TokenRequest.make({ parameters: { "": "x" } })
    ].map((request) => request.key)
    assert.strictEqual(new Set(keys).size, keys.length)
  })

  it("fills empty fields from defaults, field by field", () => {
    const defaults = TokenRequest.make({ scopes: "a", audience: "one", parameters: { p: "1", q: "1" } })
    const request = TokenRequest.withDefaults(TokenRequest.make({ scopes: "b", parameters: { q: "2" } }), defaults)
    assert.deepStrictEqual(request.scopes, Scopes.make("b"))
    assert.deepStrictEqual(request.audience, ["one"])
    assert.deepStrictEqual(request.parameters, { p: "1", q: "2" })
    assert.strictEqual(TokenRequest.withDefaults(TokenRequest.empty, defaults), defaults)
  })

  // I9
  it("shows the names of parameters and never their values", () => {
    const request = TokenRequest.make({ scopes: "a", parameters: { assertion: "s3cr3t-value" } })
    for (const text of [String(request), JSON.stringify(request), inspect(request)]) {
      assert.include(text, "assertion")
      assert.notInclude(text, "s3cr3t-value")
    }
    assert.match(TokenRequest.hash(request), /^[0-9a-f]{24}$/)
  })
})

describe("AccessToken", () => {
  // SPEC A14: a cached token gives its remaining lifetime
  it("remaining lifetime counts down and is never negative; unknown stays unknown", () => {
    const token = AccessToken.make({ value: "t", issuedAt: 1000, expiresAt: 61_000 })
    assert.deepStrictEqual(AccessToken.remaining(token, 31_000), Option.some(Duration.seconds(30)))
    assert.deepStrictEqual(AccessToken.remaining(token, 99_000), Option.some(Duration.zero))
    assert.deepStrictEqual(AccessToken.remaining(AccessToken.make({ value: "t" }), 0), Option.none())
  })

  it("two tokens are the same when their secret value is the same", () => {
    const token = AccessToken.make({ value: "t", expiresAt: 1 })
    assert.isTrue(AccessToken.isSame(token, AccessToken.make({ value: Redacted.make("t") })))
    assert.isFalse(AccessToken.isSame(token, AccessToken.make({ value: "u" })))
  })

  // SPEC E5; I9
  it("no rendering shows the token, the refresh token or the other members of the response", () => {
    const token = AccessToken.make({ value: "tok-1", refreshToken: "ref-1", extra: { id_token: "idt-1" } })
    for (const text of [String(token), JSON.stringify(token), inspect(token, { depth: 9, showHidden: true })]) {
      for (const secret of ["tok-1", "ref-1", "idt-1"]) assert.notInclude(text, secret)
    }
  })
})

describe("TokenEvent", () => {
  // SPEC B7
  it("anomalies are what an operator wants to know", () => {
    const { KeyForgotten, NoProgress } = TokenEvent.TokenEvent
    assert.isTrue(TokenEvent.isAnomaly(NoProgress({ key: "k", at: 0, retryAt: Option.none() })))
    assert.isFalse(TokenEvent.isAnomaly(KeyForgotten({ key: "k", at: 0, idle: 1 })))
  })
})
