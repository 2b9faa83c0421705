import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Stream, TestClock } from "effect"
import * as Arbitraries from "../../../testing/src/Arbitraries.js"
import * as ScopePolicy from "../../src/lifecycle/ScopePolicy.js"
import * as source from "../../src/lifecycle/source.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as Scopes from "../../src/values/Scopes.js"
import type { TokenEvent } from "../../src/values/TokenEvent.js"
import * as TokenRequest from "../../src/values/TokenRequest.js"

/** One request for `requested` to a server that grants `granted`. */
const run = <
  Missing extends "report" | "fail" = "report",
  OverBroad extends "allow" | "report" | "reject" = "report"
>(options: ScopePolicy.Options<Missing, OverBroad>, requested: string, granted: string) =>
  Effect.scoped(Effect.gen(function*() {
    let requests = 0
    const token = AccessToken.make({ value: "t", scopes: granted })
    const plain = yield* source.make({
      fetch: () => Effect.sync(() => (requests++, token)),
      defaults: TokenRequest.make({ scopes: requested })
    })
    const tokens = plain.pipe(ScopePolicy.enforce(options))
    const events: Array<TokenEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(tokens.events, (event) => Effect.sync(() => events.push(event))))
    yield* TestClock.adjust(0) // lets the subscription happen
    const result = yield* Effect.either(tokens.get())
    yield* TestClock.adjust(0)
    return { result, requests, events: events.map(({ _tag, ...rest }) => ({ ...rest, _tag })) }
  }))

const common = (requested: string) => ({ key: TokenRequest.hash(TokenRequest.make({ scopes: requested })), at: 0 })

// SPEC C9
describe("ScopePolicy.enforce: missing scopes", () => {
  it.effect("publishes nothing when all requested scopes are granted, or more", () =>
    Effect.gen(function*() {
      const { events, result } = yield* run({ missing: "fail" }, "users:read", "users:read users:write")
      assert.strictEqual(result._tag, "Right")
      assert.deepStrictEqual(events, [])
    }))

  it.effect("reports drift and hands the token out by default", () =>
    Effect.gen(function*() {
      const { events, result } = yield* run({}, "users:read billing:read", "users:read")
      assert.strictEqual(result._tag, "Right")
      assert.deepStrictEqual(events, [{
        _tag: "ScopeDrift",
        ...common("users:read billing:read"),
        requested: Scopes.make("users:read billing:read"),
        granted: Scopes.make("users:read"),
        missing: Scopes.make("billing:read")
      }])
    }))

  it.effect("with `missing: fail` it fails, names the missing scopes, and also publishes ScopeDrift", () =>
    Effect.gen(function*() {
      const { events, result } = yield* run({ missing: "fail" }, "users:read billing:read", "Users.Read")
      assert.deepStrictEqual(events.map((event) => event._tag), ["ScopeDrift"])
      assert.isTrue(result._tag === "Left")
      if (result._tag === "Left") {
        assert.strictEqual(result.left._tag, "ScopeNotGranted")
        assert.deepStrictEqual([...result.left.missing], ["billing:read", "users:read"])
        assert.include(result.left.message, "billing:read, users:read")
        assert.isTrue("renamed" in result.left)
        assert.deepStrictEqual("renamed" in result.left && result.left.renamed, [
          { requested: "users:read", granted: "Users.Read" }
        ])
        assert.include(result.left.message, "users:read as Users.Read")
      }
    }))

  it.effect("takes the scopes of the request, not only those of the source", () =>
    Effect.gen(function*() {
      const plain = yield* source.make({
        fetch: (request) =>
          Effect.succeed(
            AccessToken.make({ value: "t", scopes: request.audience.includes("api") ? "users:read" : "" })
          ),
        defaults: TokenRequest.make({ scopes: "users:read", audience: "api" })
      })
      const tokens = plain.pipe(ScopePolicy.enforce({ missing: "fail" }))
      yield* tokens.get()
      // fields left open are filled from the source
      const other = yield* Effect.flip(tokens.get(TokenRequest.make({ audience: "other" })))
      assert.deepStrictEqual([...other.missing], ["users:read"])
      const error = yield* Effect.flip(tokens.get(TokenRequest.make({ scopes: "billing:read" })))
      assert.deepStrictEqual([...error.missing], ["billing:read"])
      yield* Effect.flip(tokens.renew(AccessToken.make({ value: "old" }), TokenRequest.make({ scopes: "x" })))
    }))

  it.effect("compares nothing when no scopes were requested", () =>
    Effect.gen(function*() {
      const { events, result } = yield* run({ missing: "fail" }, "", "whatever")
      assert.strictEqual(result._tag, "Right")
      assert.deepStrictEqual(events, [])
    }))

  it.effect("checks the demanded patterns, and only reports other drift", () =>
    Effect.gen(function*() {
      const options = { missing: "fail", required: "analytics:*" } as const
      const fine = yield* run(options, "analytics:read billing:read", "analytics:jobs:read")
      assert.strictEqual(fine.result._tag, "Right")
      assert.deepStrictEqual(fine.events.map((event) => event._tag), ["ScopeDrift"])

      const lacking = yield* run(options, "", "analytics users:read")
      assert.isTrue(lacking.result._tag === "Left" && lacking.result.left.missing[0] === "analytics:*")
      assert.strictEqual((yield* run(options, "", "analytics:")).result._tag, "Left")
    }))

  it.effect("checks demanded regular expressions, and names them as they are written", () =>
    Effect.gen(function*() {
      const options = { missing: "fail", required: ["users:read", /^(billing|invoices):r{1,2}/g] } as const
      assert.strictEqual((yield* run(options, "", "users:read invoices:read")).result._tag, "Right")
      const lacking = yield* run(options, "", "users:read")
      assert.isTrue(lacking.result._tag === "Left")
      if (lacking.result._tag === "Left") {
        assert.deepStrictEqual([...lacking.result.left.missing], ["/^(billing|invoices):r{1,2}/g"])
      }
    }))
})

// SPEC C10
describe("ScopePolicy.enforce: over-broad scopes", () => {
  it.effect("reports *, *:* and admin:* by default, asked for or not", () =>
    Effect.gen(function*() {
      for (const scope of ["*", "*:*", "admin:*", "Admin:*"]) {
        const { events, requests, result } = yield* run({}, `${scope} users:read`, `${scope} users:read`)
        assert.deepStrictEqual(events, [
          { _tag: "OverBroadScope", ...common(`${scope} users:read`), scopes: Scopes.make(scope) }
        ])
        assert.strictEqual(requests, 1)
        assert.strictEqual(result._tag, "Right")
      }
      const unasked = yield* run({}, "users:read", "users:read admin:*")
      assert.deepStrictEqual(unasked.events.map((event) => event._tag), ["OverBroadScope"])
    }))

  it.effect("does not report a narrow scope as a broad one", () =>
    Effect.gen(function*() {
      const scopes = "users:* admin:users administer"
      assert.deepStrictEqual((yield* run({ overBroad: "reject" }, scopes, scopes)).events, [])
    }))

  it.effect("rejects before any request", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* run({ overBroad: "reject" }, "users:read *", "*")
      assert.strictEqual(requests, 0)
      assert.isTrue(result._tag === "Left" && result.left._tag === "InvalidConfiguration")
      assert.isTrue(result._tag === "Left" && result.left.message.includes("*"))
    }))

  it.effect("rejects a token with a broad scope that was not requested", () =>
    Effect.gen(function*() {
      for (const requested of ["users:read", ""]) {
        const { events, requests, result } = yield* run({ overBroad: "reject" }, requested, "users:read admin:*")
        assert.strictEqual(requests, 1)
        assert.deepStrictEqual(events.map((event) => event._tag), ["OverBroadScope"])
        assert.isTrue(result._tag === "Left" && result.left._tag === "InvalidConfiguration")
        assert.isTrue(result._tag === "Left" && result.left.message.includes("without being asked for"))
      }
    }))

  it.effect("with `overBroad: allow` it allows a broad scope", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* run({ overBroad: "allow" }, "*", "*")).events, [])
    }))

  it.effect("takes the user's own list, regular expressions included", () =>
    Effect.gen(function*() {
      const options = { overBroad: "reject", broad: ["root", /:delete$/g] } as const
      assert.strictEqual((yield* run(options, "users:delete", "")).requests, 0)
      assert.strictEqual((yield* run(options, "ROOT", "")).requests, 0)
      assert.strictEqual((yield* run(options, "*", "*")).requests, 1)
      // a regular expression with the flag `g` keeps no state here
      const plain = yield* source.make({ fetch: () => Effect.succeed(AccessToken.make({ value: "t" })) })
      const tokens = plain.pipe(ScopePolicy.enforce(options))
      const request = TokenRequest.make({ scopes: "users:delete" })
      yield* Effect.replicateEffect(Effect.suspend(() => Effect.flip(tokens.get(request))), 3)
    }))
})

describe("ScopePolicy.compare", () => {
  it.prop(
    "missing and extra are the set differences",
    { requested: Arbitraries.scopes, granted: Arbitraries.scopes },
    ({
      granted,
      requested
    }) => {
      const { extra, missing, renamed } = ScopePolicy.compare(requested, granted)
      assert.deepStrictEqual([...missing], requested.filter((scope) => !granted.includes(scope)))
      assert.deepStrictEqual([...extra], granted.filter((scope) => !requested.includes(scope)))
      assert.deepStrictEqual(renamed, [])
    }
  )

  it.prop("a scope in another spelling counts as renamed", {
    scope: FastCheck.constantFrom("users:read", "analytics:jobs:read", "billing"),
    upper: FastCheck.boolean(),
    separator: FastCheck.constantFrom(".", "-", "_", "/", "")
  }, ({ scope, separator, upper }) => {
    const respelt = (upper ? scope.toUpperCase() : scope).replaceAll(":", separator)
    assert.deepStrictEqual(
      ScopePolicy.compare(Scopes.make(scope), Scopes.make([respelt])).renamed,
      respelt === scope ? [] : [{ requested: scope, granted: respelt }]
    )
  })

  it("lets a granted wildcard cover what it matches", () => {
    const missing = (requested: string, granted: string) => [
      ...ScopePolicy.compare(Scopes.make(requested), Scopes.make(granted)).missing
    ]
    assert.deepStrictEqual(missing("a:b c", "*"), [])
    assert.deepStrictEqual(missing("a:b:c a:x:c a::c a:b:d", "a:*:c"), ["a::c", "a:b:d"])
    assert.deepStrictEqual(missing("ab aab aa", "a*b"), ["aa", "ab"])
    assert.deepStrictEqual(missing("x-1-y-2", "*-*-*"), [])
    assert.deepStrictEqual(missing("a.c", "a*c"), [])
    assert.deepStrictEqual(missing("abc", "a.c"), ["abc"])
    // a requested wildcard is met only by the same wildcard
    assert.deepStrictEqual(missing("a:*", "a:b"), ["a:*"])
  })
})
