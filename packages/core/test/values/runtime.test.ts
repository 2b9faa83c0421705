import { assert, describe, it } from "@effect/vitest"
import { carriesHeadersAlong, isRequestBound } from "../../src/values/runtime.js"

describe("Cloudflare Workers", () => {
  // FAULTS T
  it("are recognised without navigator, which an old compatibility date does not have", () => {
    const globals = globalThis as { WebSocketPair?: unknown }
    assert.deepStrictEqual([carriesHeadersAlong(), isRequestBound()], [false, false])
    globals.WebSocketPair = class {}
    try {
      assert.deepStrictEqual([carriesHeadersAlong(), isRequestBound()], [true, true])
    } finally {
      delete globals.WebSocketPair
    }
  })
})
