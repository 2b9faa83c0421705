import { HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Option, Stream } from "effect"
import * as redirects from "../../../src/edge/bearer/redirects.js"

const origin = "https://api.example.com"

const post = HttpClientRequest.post(`${origin}/files?page=1`).pipe(
  HttpClientRequest.setHeaders({ authorization: "Bearer own", cookie: "a=b", accept: "text/plain" }),
  HttpClientRequest.bodyText("text")
)

const hop = (request: HttpClientRequest.HttpClientRequest, status: number, location?: string) =>
  redirects.nextHop(
    request,
    HttpClientResponse.fromWeb(
      request,
      new Response(null, { status, ...(location === undefined ? {} : { headers: { location } }) })
    )
  )

const urlOf = (request: HttpClientRequest.HttpClientRequest | undefined) =>
  request === undefined ? undefined : Option.getOrThrow(HttpClientRequest.toUrl(request)).href

describe("the next hop of a redirect", () => {
  it("is taken from Location, which may be relative", () => {
    assert.strictEqual(urlOf(hop(post, 307, "/other?x=1#y")), `${origin}/other?x=1#y`)
    assert.strictEqual(urlOf(hop(post, 308, "//cdn.example.com/a")), "https://cdn.example.com/a")
  })

  for (const status of [301, 302, 303]) {
    it(`of a POST answered with ${status} is a GET without the body`, () => {
      const next = hop(post, status, "/other")!
      assert.strictEqual(next.method, "GET")
      assert.strictEqual(next.body._tag, "Empty")
      assert.isUndefined(next.headers["content-type"])
      assert.strictEqual(next.headers["accept"], "text/plain")
    })
  }

  for (const status of [307, 308]) {
    it(`of a POST answered with ${status} keeps method and body`, () => {
      const next = hop(post, status, "/other")!
      assert.strictEqual(next.method, "POST")
      assert.deepStrictEqual(next.body, post.body)
    })
  }

  it("on another origin loses what belongs to the first one", () => {
    const { headers } = hop(post, 307, "https://cdn.example.com/")!
    assert.isUndefined(headers["authorization"])
    assert.isUndefined(headers["cookie"])
    assert.strictEqual(headers["accept"], "text/plain")
    assert.strictEqual(hop(post, 307, "/other")!.headers["authorization"], "Bearer own")
  })

  it("does not exist without a target, for another scheme, or for a body that cannot be sent twice", () => {
    assert.isUndefined(hop(post, 302))
    assert.isUndefined(hop(post, 304, "/other"))
    assert.isUndefined(hop(post, 200, "/other"))
    assert.isUndefined(hop(post, 302, "http://"))
    assert.isUndefined(hop(post, 302, "file:///etc/passwd"))
    assert.isUndefined(hop(HttpClientRequest.bodyStream(post, Stream.make(new Uint8Array(1))), 307, "/other"))
  })
})
