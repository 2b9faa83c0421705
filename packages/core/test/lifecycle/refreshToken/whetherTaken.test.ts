import { assert, describe, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import { TokenError } from "../../../src/index.js"
import { mayHaveBeenTaken } from "../../../src/lifecycle/refreshToken/whetherTaken.js"
import * as neverSent from "../../../src/wire/neverSent.js"

const endpoint = "https://as.example.com/token"
const transport = (code: string | undefined) =>
  new TokenError.TransportError({ endpoint, code: Option.fromNullable(code), detail: "no answer" })
const unavailable = (status: number) =>
  new TokenError.EndpointUnavailable({ endpoint, status, retryAfter: Option.none(), description: Option.none() })

describe("whether the server may have taken the refresh token", () => {
  it.each([
    ["a connection that was never made", transport("ECONNREFUSED"), false],
    ["a name that does not resolve", transport("ENOTFOUND"), false],
    ["a connection that was lost", transport("ECONNRESET"), true],
    ["a lost connection without a code", transport(undefined), true],
    [
      "a limit that has passed",
      new TokenError.EndpointTimeout({ endpoint, phase: "total", limit: Duration.seconds(1) }),
      true
    ],
    ["a gateway that gave up", unavailable(504), true],
    ["a server that failed", unavailable(500), true],
    ["a server that is not ready", unavailable(503), false],
    ["a request that came too slowly", unavailable(408), false],
    ["a request that came too early", unavailable(425), false],
    [
      "an answer that cannot be read",
      new TokenError.MalformedResponse({
        endpoint,
        status: 200,
        contentType: "text/html",
        detail: "no JSON",
        excerpt: ""
      }),
      true
    ],
    [
      "a token without the scopes that were asked for",
      new TokenError.ScopeNotGranted({ requested: ["a"], granted: [], missing: ["a"], renamed: [] }),
      true
    ],
    [
      "a refusal",
      new TokenError.RejectedByEndpoint({
        endpoint,
        status: 400,
        contentType: "",
        excerpt: "",
        advice: Option.none()
      }),
      false
    ],
    [
      "a configuration mistake",
      new TokenError.InvalidConfiguration({ fields: ["clientId"], detail: "is empty" }),
      false
    ]
  ])("%s: %#", (_, error, expected) => {
    assert.strictEqual(mayHaveBeenTaken(error), expected)
  })

  it("not if the request was never sent, whatever the error is", () => {
    const error = unavailable(500)
    neverSent.mark(error)
    assert.isFalse(mayHaveBeenTaken(error))
  })

  it("yes if what the client reported does not prove that no connection was made, whatever the code is", () => {
    const error = transport("ECONNREFUSED")
    neverSent.doubt(error)
    assert.isTrue(mayHaveBeenTaken(error))
  })
})
