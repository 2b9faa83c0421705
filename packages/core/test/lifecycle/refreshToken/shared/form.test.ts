import { assert, describe, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import { AccessToken } from "../../../../src/index.js"
import type { Stored } from "../../../../src/lifecycle/refreshToken/contract.js"
import { decode, encode } from "../../../../src/lifecycle/refreshToken/shared/form.js"

const day = 24 * 3_600_000
const stored: Stored = {
  token: Redacted.make("refresh-1"),
  expiresAt: Option.some(day),
  rotates: true,
  state: "sent",
  mark: "use-1",
  begun: ["name", 7]
}

describe("the stored form of a refresh token", () => {
  it("is read back as it was written", () => {
    assert.deepStrictEqual(decode(encode(stored, 0, day)), Option.some(stored))
    const plain: Stored = { ...stored, expiresAt: Option.none(), mark: undefined, begun: undefined }
    assert.deepStrictEqual(decode(encode(plain, 0, day)), Option.some(plain))
  })

  it("is kept for the retention after the refresh token's end, or after now if that end is unknown or past", () => {
    assert.deepStrictEqual(encode(stored, 0, day).expiresAt, Option.some(2 * day))
    assert.deepStrictEqual(encode(stored, 5 * day, day).expiresAt, Option.some(6 * day))
    assert.deepStrictEqual(encode({ ...stored, expiresAt: Option.none() }, 0, day).expiresAt, Option.some(day))
  })

  it("is no access token that could be sent, and shows no secret", () => {
    const form = encode(stored, 0, day)
    assert.strictEqual(form.tokenType, "N_A")
    assert.notInclude(JSON.stringify(form), "refresh-1")
  })

  it("follows a store that moves its end to the clock of this machine", () => {
    const form = encode(stored, 0, day)
    const moved = new AccessToken.AccessToken({ ...form, expiresAt: Option.some(2 * day + 1000) })
    assert.deepStrictEqual(Option.flatMap(decode(moved), ({ expiresAt }) => expiresAt), Option.some(day + 1000))
    const endless = new AccessToken.AccessToken({ ...form, expiresAt: Option.none() })
    assert.deepStrictEqual(Option.flatMap(decode(endless), ({ expiresAt }) => expiresAt), Option.some(day))
  })

  it("any other token is no record", () => {
    assert.deepStrictEqual(decode(AccessToken.make({ value: "opaque", issuedAt: 0 })), Option.none())
    const record = { version: 1, token: "refresh-1", expiresAt: null, until: day, rotates: true, state: "ready" }
    const changes = [
      { version: 2 },
      { token: "" },
      { token: 1 },
      { token: undefined },
      { state: "toString" },
      { state: 1 },
      { state: ["ready"] },
      { state: undefined },
      { rotates: "yes" },
      { mark: 1 },
      { begun: "name" },
      { begun: ["name", true] },
      { expiresAt: "never" },
      { expiresAt: undefined },
      { until: undefined }
    ]
    for (const change of [{}, ...changes]) {
      const value = encodeURIComponent(JSON.stringify({ ...record, ...change }))
      const isRecord = Object.keys(change).length === 0
      assert.strictEqual(Option.isSome(decode(AccessToken.make({ value, issuedAt: 0 }))), isRecord, value)
    }
  })
})
