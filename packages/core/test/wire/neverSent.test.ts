import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TokenError } from "../../src/index.js"
import * as neverSent from "../../src/wire/neverSent.js"

const failure = () =>
  new TokenError.TransportError({ endpoint: "https://as.example.com/token", code: Option.none(), detail: "no answer" })

/** The error as Effect hands it over inside a span: a proxy, which is another object. */
const throughSpan = <E>(error: E) => Effect.flip(Effect.withSpan(Effect.fail(error), "request"))

describe("errors of requests that were never sent", () => {
  it("are only those that were marked, and neither mark stands for the other", () => {
    const [plain, unsent, doubtful] = [failure(), failure(), failure()]
    neverSent.mark(unsent)
    neverSent.doubt(doubtful)
    assert.deepStrictEqual([plain, unsent, doubtful].map(neverSent.has), [false, true, false])
    assert.deepStrictEqual([plain, unsent, doubtful].map(neverSent.isDoubtful), [false, false, true])
  })

  it.effect("are known as such on both sides of a span", () =>
    Effect.gen(function*() {
      const error = failure()
      const proxy = yield* throughSpan(error)
      assert.notStrictEqual(proxy, error)
      neverSent.mark(proxy)
      neverSent.doubt(proxy)
      for (const one of [error, yield* throughSpan(error)]) {
        assert.isTrue(neverSent.has(one))
        assert.isTrue(neverSent.isDoubtful(one))
      }
    }))

  it("pass what is known of them on to a copy, and nothing else", () => {
    const [plain, unsent, doubtful] = [failure(), failure(), failure()]
    neverSent.mark(unsent)
    neverSent.doubt(doubtful)
    const copies = [plain, unsent, doubtful].map((error) => neverSent.sameAs(error, failure()))
    assert.deepStrictEqual(copies.map(neverSent.has), [false, true, false])
    assert.deepStrictEqual(copies.map(neverSent.isDoubtful), [false, false, true])
  })
})
