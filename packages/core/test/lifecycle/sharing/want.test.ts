import { assert, describe, it } from "@effect/vitest"
import { AccessToken } from "../../../src/index.js"
import { isBetter } from "../../../src/lifecycle/sharing/want.js"

const token = (value: string, expiresAt?: number) => AccessToken.make({ value, issuedAt: 0, expiresAt })

describe("whether a token is better than the one to replace", () => {
  it("it is if it ends later, and not at the same moment or before", () => {
    const current = token("token-1", 1000)
    assert.isTrue(isBetter(token("token-2", 1001), current))
    assert.isFalse(isBetter(token("token-2", 1000), current))
    assert.isFalse(isBetter(token("token-2", 999), current))
  })

  it("the same token is not, even if it is said to end later", () => {
    assert.isFalse(isBetter(token("token-1", 2000), token("token-1", 1000)))
    assert.isFalse(isBetter(token("token-1"), token("token-1")))
  })

  it("another token is, if one of the ends is not known", () => {
    assert.isTrue(isBetter(token("token-2"), token("token-1", 1000)))
    assert.isTrue(isBetter(token("token-2", 1000), token("token-1")))
  })
})
