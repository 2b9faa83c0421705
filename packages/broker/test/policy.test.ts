import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, Schema } from "effect"
import { Access, Profile } from "../src/BrokerConfig.js"
import { Grant, nothing } from "../src/policy/access.js"
import { Rate } from "../src/policy/rate.js"

const profileOf = (encoded: object) =>
  Schema.decodeUnknownSync(Profile)({
    tokenEndpoint: "https://login.example/token",
    clientId: "client",
    authentication: { method: "none" },
    ...encoded
  })

const grantOf = (profile: object, access: object = {}) =>
  new Grant(profileOf(profile), Schema.decodeUnknownSync(Access)(access))

/** The scopes, audience and resource that are asked for upstream; those of the profile where the request is its own. */
const asked = (grant: Grant, profile: { scopes?: Array<string> }, ask: Partial<typeof nothing>) =>
  Either.map(grant.decide({ ...nothing, ...ask }), (request) => request?.scopes ?? (profile.scopes ?? []))

const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 5 })

describe("what a caller may ask for", () => {
  // SPEC F1, BROKER §3
  it("a caller never gets more than its policy allows, whatever it asks for", () => {
    fc.assert(
      fc.property(names, fc.option(names, { nil: undefined }), names, (ofProfile, ofCaller, named) => {
        const grant = grantOf({ scopes: ofProfile }, ofCaller === undefined ? {} : { scopes: ofCaller })
        const allowed = new Set(ofCaller ?? ofProfile)
        const given = asked(grant, { scopes: ofProfile }, { scopes: named })
        if (Either.isRight(given)) {
          assert.isTrue(given.right.every((scope) => allowed.has(scope)))
          if (named.length > 0) assert.sameMembers([...given.right], named)
        } else if (named.length > 0) {
          assert.isTrue(named.some((scope) => !allowed.has(scope)))
        } else {
          // nothing named, and nothing allowed
          assert.deepStrictEqual(ofCaller, [])
        }
        // the same ask is the same decision
        assert.deepStrictEqual(asked(grant, { scopes: ofProfile }, { scopes: named }), given)
      }),
      { numRuns: 500 }
    )
  })

  it("a caller that asks for exactly what the profile has shares the profile's token", () => {
    const grant = grantOf({ scopes: ["a", "b"] })
    assert.isUndefined(Either.getOrThrow(grant.decide(nothing)))
    assert.isUndefined(Either.getOrThrow(grant.decide({ ...nothing, scopes: ["b", "a"] })))
    const narrower = Either.getOrThrow(grant.decide({ ...nothing, scopes: ["a"] }))
    assert.strictEqual(Either.getOrThrow(grant.decide({ ...nothing, scopes: ["a"] })), narrower)
  })

  it("with several allowed audiences, none of which is the profile's, the caller has to name one", () => {
    const several = grantOf({ audience: ["x"] }, { audiences: ["y", "z"] })
    assert.isTrue(Either.isLeft(several.decide(nothing)))
    assert.deepStrictEqual(Either.getOrThrow(several.decide({ ...nothing, audience: ["z"] }))?.audience, ["z"])
    assert.deepStrictEqual(
      Either.getOrThrow(grantOf({ audience: ["x"] }, { audiences: ["y"] }).decide(nothing))?.audience,
      ["y"]
    )
    assert.isTrue(Either.isLeft(grantOf({ audience: ["x"] }, { audiences: [] }).decide(nothing)))
  })

  it("very many different requests do not fill the memory, and each is decided", () => {
    const scopes = Array.from({ length: 10 }, (_, n) => `s${n}`)
    const grant = grantOf({ scopes })
    for (let bits = 1; bits < 1024; bits++) {
      const named = scopes.filter((_, n) => (bits >> n) % 2 === 1)
      assert.isTrue(Either.isRight(grant.decide({ ...nothing, scopes: named })))
    }
  })
})

describe("rates", () => {
  it("limit` requests are let in at once, then one every `interval / limit`; a caller that waits as told is let in", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 200 }),
        (limit, interval, pauses) => {
          const rate = new Rate()
          let now = 1_000_000
          const taken: Array<number> = []
          for (const pause of pauses) {
            now += pause
            const wait = rate.take("name", { limit, interval }, now)
            if (wait === 0) taken.push(now)
            else assert.isAtMost(wait, interval)
          }
          for (let n = 0; n < taken.length; n++) {
            const within = taken.filter((at) => at >= taken[n]! && at < taken[n]! + interval).length
            // a whole allowance, and what grows again within the interval
            assert.isAtMost(within, 2 * limit)
          }
        }
      ),
      { numRuns: 200 }
    )
  })

  it("a caller is let in when it has waited as long as told, and not a millisecond earlier", () => {
    const rate = new Rate()
    const limit = { limit: 4, interval: 1000 }
    for (let n = 0; n < 4; n++) assert.strictEqual(rate.take("a", limit, 0), 0)
    const wait = rate.take("a", limit, 0)
    assert.strictEqual(wait, 250)
    assert.isAbove(rate.take("a", limit, wait - 1), 0)
    assert.strictEqual(rate.take("a", limit, wait), 0)
    assert.strictEqual(rate.take("b", limit, 0), 0)
    // a pause fills the allowance, and no more than that
    for (let n = 0; n < 4; n++) assert.strictEqual(rate.take("a", limit, 100_000), 0)
    assert.isAbove(rate.take("a", limit, 100_000), 0)
  })

  it("at most ten thousand names are kept, the latest ones", () => {
    const rate = new Rate()
    const limit = { limit: 1, interval: 60_000 }
    for (let n = 0; n < 30_000; n++) rate.take(`name ${n}`, limit, n / 1000)
    assert.isAtMost(rate.size, 10_000)
    assert.isAbove(rate.take("name 29999", limit, 31), 0)
    assert.strictEqual(rate.take("name 0", limit, 31), 0)
  })
})
