import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import type { Stored } from "../../../src/lifecycle/refreshToken/contract.js"
import * as record from "../../../src/lifecycle/refreshToken/record.js"

const first = Redacted.make("refresh-1")
const begun = record.begin(first)
const withState = (state: Stored["state"], rotates = false): Stored => ({ ...begun, state, rotates })

describe("the record of a refresh token", () => {
  it("of a configured token is ready, and names the token without showing it", () => {
    assert.strictEqual(begun.state, "ready")
    assert.isFalse(begun.rotates)
    assert.isTrue(record.hasBegun(begun.begun ?? [], first))
    assert.isFalse(record.hasBegun(begun.begun ?? [], Redacted.make("refresh-2")))
    assert.notInclude(JSON.stringify(begun), "refresh-1")
  })

  it("of a new login keeps what is known of the server, and the names of 32 logins", () => {
    let stored: Stored = { ...begun, rotates: true }
    for (let n = 2; n <= 40; n++) stored = record.begin(Redacted.make(`refresh-${n}`), stored)
    assert.isTrue(stored.rotates)
    assert.strictEqual(stored.begun?.length, 32)
    assert.isTrue(record.hasBegun(record.begunIn(Option.some(stored)) ?? [], Redacted.make("refresh-9")))
    assert.isFalse(record.hasBegun(record.begunIn(Option.some(stored)) ?? [], Redacted.make("refresh-8")))
  })

  it.each(
    [
      ["ready", false, "auto", true],
      ["ready", true, "always", true],
      ["dead", false, "never", false],
      // the answer was lost: sent again only to a server that has never replaced a token
      ["sent", false, "auto", true],
      ["sent", true, "auto", false],
      ["sent", false, "always", false],
      ["sentTwice", false, "auto", false],
      ["sent", true, "never", true],
      ["sentTwice", true, "never", true]
    ] as const
  )("a token whose state is %s (server rotates: %s, rotation: %s) may be sent: %s", (state, rotates, rotation, may) => {
    assert.strictEqual(record.objection(withState(state, rotates), false, rotation) === undefined, may)
  })

  it("a token that has expired is not sent, whatever its state", () => {
    for (const state of ["ready", "sent", "sentTwice"] as const) {
      assert.strictEqual(record.objection(withState(state), true, "never"), "the refresh token has expired")
    }
  })

  it("a configured token that no process has begun with comes from a new login", () => {
    const second = Redacted.make("refresh-2")
    assert.isUndefined(record.newLogin(begun, undefined))
    assert.isUndefined(record.newLogin(begun, first))
    // a store that does not keep the list: new logins are not noticed
    assert.isUndefined(record.newLogin({ ...begun, begun: undefined }, second))
    const next = record.newLogin({ ...withState("dead", true) }, second)
    assert(next !== undefined)
    assert.strictEqual(next.token, second)
    assert.strictEqual(next.state, "ready")
    assert.isTrue(next.rotates)
    assert.isTrue(record.hasBegun(next.begun ?? [], first) && record.hasBegun(next.begun ?? [], second))
  })

  it("while the store has none, begins with what this process knows of the configured token", () => {
    const rotated = { ...begun, token: Redacted.make("rotated"), mark: "in use" }
    const from = (known: Stored, configured: Redacted.Redacted | undefined = first) =>
      Option.getOrThrow(record.first(configured, Option.some(known)))
    assert.deepStrictEqual(from(rotated), { ...rotated, mark: undefined })
    // the login is over, or it was another one
    for (const known of [{ ...rotated, state: "dead" as const }, { ...rotated, begun: [] }]) {
      assert.strictEqual(from(known).token, first)
    }
    assert.strictEqual(Option.getOrThrow(record.first(first, Option.none())).token, first)
    // a login that was saved by hand into an empty store does not name the configured tokens that were used
    assert.deepStrictEqual(from({ ...rotated, begun: undefined }).token, rotated.token)
    assert.deepStrictEqual(Option.getOrThrow(record.first(undefined, Option.some(rotated))).token, rotated.token)
    assert.isTrue(Option.isNone(record.first(undefined, Option.none())))
  })

  describe("that follows an exchange", () => {
    const before: Stored = { ...withState("sent"), expiresAt: Option.some(1000) }
    const next = Redacted.make("next")
    const after = (
      token: Redacted.Redacted,
      { expiresAt = Option.none<number>(), over = Option.some(before) } = {}
    ) => record.successor(token, expiresAt, before, over, Option.none())

    it("says that the server rotates when the token is a new one, and goes on saying so", () => {
      assert.isTrue(after(next).rotates)
      assert.isFalse(after(first).rotates)
      assert.isTrue(after(first, { over: Option.some({ ...before, rotates: true }) }).rotates)
    })

    it("after a new login keeps what is known of the server, and learns nothing of it", () => {
      for (const rotates of [false, true]) {
        const over = Option.some({ ...before, rotates })
        assert.strictEqual(record.successor(next, Option.none(), undefined, over, Option.none()).rotates, rotates)
      }
    })

    it("keeps the end of a token that stays, unless the server tells a new one", () => {
      assert.deepStrictEqual(after(first).expiresAt, Option.some(1000))
      assert.deepStrictEqual(after(first, { expiresAt: Option.some(2000) }).expiresAt, Option.some(2000))
      assert.deepStrictEqual(after(next).expiresAt, Option.none())
    })

    it("is ready, and has the logins of the record in the store, or else of the one last known", () => {
      assert.strictEqual(after(next).state, "ready")
      assert.deepStrictEqual(after(next).begun, begun.begun)
      const lost = record.successor(next, Option.none(), before, Option.none(), Option.some({ ...begun, begun: ["x"] }))
      assert.deepStrictEqual(lost.begun, ["x"])
    })
  })
})
