import { assert, describe, it } from "@effect/vitest"
import * as urls from "../../src/internal/urls.js"

describe("the URLs of requests with a proof", () => {
  it("are parsed if they are absolute", () => {
    assert.strictEqual(urls.parse("https://api.example.com/a?b")?.origin, "https://api.example.com")
    assert.strictEqual(urls.parse(new URL("https://api.example.com/a"))?.pathname, "/a")
    assert.isUndefined(urls.parse("/a"))
  })
})
