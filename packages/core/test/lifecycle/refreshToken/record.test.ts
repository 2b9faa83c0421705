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
})
