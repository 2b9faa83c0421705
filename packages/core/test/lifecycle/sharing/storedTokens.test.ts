import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, TestClock } from "effect"
import { AccessToken, TokenRequest } from "../../../src/index.js"
import * as failureNote from "../../../src/lifecycle/sharing/failureNote.js"
import type { Look } from "../../../src/lifecycle/sharing/fallibleStore.js"
import * as storedTokens from "../../../src/lifecycle/sharing/storedTokens.js"
import type { Want } from "../../../src/lifecycle/sharing/want.js"
import { isBetter } from "../../../src/lifecycle/sharing/want.js"

const hour = 3_600_000
const token = (value: string, issuedAt = 0, expiresAt: number | undefined = issuedAt + hour) =>
  AccessToken.make({ value, issuedAt, ...(expiresAt === undefined ? {} : { expiresAt }) })
const look = (token?: AccessToken.AccessToken, failure: Look["failure"] = Option.none()): Look => ({
  token: Option.fromNullable(token),
  failure
})
const want: Want<never> = {
  request: TokenRequest.make({}),
  current: undefined,
  isRefused: false,
  accepts: () => true,
  fetch: Effect.die("not asked for here"),
  fetchAtOnce: Effect.die("not asked for here")
}
const note: failureNote.Note = {
  author: "other",
  error: "EndpointUnavailable",
  detail: "down",
  failures: 1,
  others: 1000,
  self: 0
}
const setup = (isPrivate = false) => {
  const told: Array<string> = []
  const stored = storedTokens.make({
    clockSkew: 30_000,
    isPrivate: () => isPrivate,
    me: "me",
    tell: (_, make) =>
      Effect.map(Effect.clock, (clock) => void told.push(make({ at: clock.unsafeCurrentTimeMillis(), key: "" })._tag))
  })
  return { told, ...stored }
}

describe("a token from the store of a fleet", () => {
  it.effect("is taken while it is fresh, and an event tells of it", () =>
    Effect.gen(function*() {
      const { take, told } = setup()
      yield* TestClock.adjust(hour - 30_001)
      assert.isTrue(Option.isSome(yield* take(look(token("theirs")), want)))
      assert.deepStrictEqual(told, ["TokenShared"])
      yield* TestClock.adjust(1)
      assert.isTrue(Option.isNone(yield* take(look(token("theirs")), want)))
    }))

  it.effect("is not taken if its life begins in the future by more than the clocks of two machines may differ", () =>
    Effect.gen(function*() {
      const { take } = setup()
      assert.isTrue(Option.isSome(yield* take(look(token("theirs", 120_000)), want)))
      assert.isTrue(Option.isNone(yield* take(look(token("theirs", 120_001)), want)))
    }))

  it.effect("is not taken if only another process can use it, or if the caller does not accept it", () =>
    Effect.gen(function*() {
      assert.isTrue(Option.isNone(yield* setup(true).take(look(token("theirs")), want)))
      assert.isTrue(
        Option.isNone(yield* setup().take(look(token("theirs")), { ...want, accepts: () => false }))
      )
    }))

  it.effect("a failure of another process fails this one until its time is over; its own note does not", () =>
    Effect.gen(function*() {
      const { take } = setup()
      const failed = (author: string) =>
        look(undefined, Option.some({ note: { ...note, author }, from: 0, until: 16_000 }))
      const error = yield* Effect.flip(take(failed("other"), want))
      assert.strictEqual(error._tag, "FailedElsewhere")
      assert.deepStrictEqual(error.retryAfter, Option.some(Duration.seconds(1)))
      assert.isTrue(Option.isNone(yield* take(failed("me"), want)))
      yield* TestClock.adjust(1000)
      assert.isTrue(Option.isNone(yield* take(failed("other"), want)))
    }))

  // FAULTS L
  it("the author of a note steps back for longer than the others, but not for a note that may not be its own time", () => {
    const { stepsBack } = setup()
    const failed = (more: Partial<failureNote.Note>, until = 16_000) =>
      look(undefined, Option.some({ note: { ...note, author: "me", self: 2000, ...more }, from: 0, until }))
    assert.strictEqual(stepsBack(look(), 0), 0)
    assert.strictEqual(stepsBack(failed({}), 500), 1500)
    assert.strictEqual(stepsBack(failed({}), 2000), 0)
    assert.strictEqual(stepsBack(failed({ author: "other" }), 500), 0)
    // its retries and its cache keep to the long wait that a server asked for
    assert.strictEqual(stepsBack(failed({ self: 60_000 }), 0), 0)
    assert.strictEqual(stepsBack(failed({ self: 60_000 }, 75_000), 54_000), 6000)
    // written by a clock that was ahead, or kept by a store for far too long
    assert.strictEqual(stepsBack(failed({}), -200_000), 0)
    assert.strictEqual(stepsBack(failed({}, 3_600_000), 500), 0)
  })

  // FAULTS L
  it.effect("for a refused token, another process's answer that there is none better is this one's answer too", () =>
    Effect.gen(function*() {
      const { take } = setup()
      const current = token("same")
      const noted = Option.flatMap(
        Option.some(failureNote.noProgress("other", current, Option.none(), 0)),
        failureNote.read
      )
      const failure = Option.map(noted, (note) => ({ note, from: 0, until: 16_000 }))
      const there = look(undefined, failure)
      assert.strictEqual((yield* Effect.flip(take(there, { ...want, current })))._tag, "FailedElsewhere")
      assert.deepStrictEqual(yield* take(there, { ...want, current, isRefused: true }), Option.some(current))
      // a process with another token asks the server
      assert.isTrue(Option.isNone(yield* take(there, { ...want, current: token("other"), isRefused: true })))
    }))
})

describe("a better token", () => {
  it.each([
    ["the same value is never better", token("a"), token("a", 0, 2 * hour), false],
    ["another value that lives longer is better", token("a"), token("b", 1), true],
    ["another value that ends at the same time is not", token("a"), token("b"), false],
    [
      "another value is better if one of the two lifetimes is unknown",
      AccessToken.make({ value: "a", issuedAt: 0 }),
      token("b"),
      true
    ]
  ])("%s", (_, current, other, expected) => {
    assert.strictEqual(isBetter(other, current), expected)
  })
})
