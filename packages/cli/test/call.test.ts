import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { contentTypeOf, dataOf, headersOf, methodOf, targetOf } from "../src/call/request.js"

/** The message of a refusal, which must be a wrong use of the command line. */
const refused = <A>(result: Either.Either<A, { readonly exit: number; readonly message: string }>): string => {
  const failure = Either.getOrThrow(Either.flip(result))
  assert.strictEqual(failure.exit, 2)
  return failure.message
}

describe("call", () => {
  it("methods", () => {
    assert.strictEqual(Either.getOrThrow(methodOf("get")), "GET")
    assert.strictEqual(Either.getOrThrow(methodOf("QUERY")), "QUERY")
    for (const text of ["", "https://x", "CONNECT", "trace", "GET /", "G\r\n"]) refused(methodOf(text))
  })

  it("headers", () => {
    assert.deepStrictEqual(Either.getOrThrow(headersOf(["A: 1", "a:2", "Cookie: x=1", "cookie: y=2", "B: c:d "])), {
      a: "1, 2",
      cookie: "x=1; y=2",
      b: "c:d"
    })
    for (
      const line of [
        "",
        "no-colon",
        ": secret",
        "A B: secret",
        "A:",
        "A: secret\r\nB: 1",
        "A: secret\u0000",
        "A: ünïcode-ключ secret",
        "AUTHORIZATION: Bearer secret",
        "authorization:secret",
        "Content-Length: 5",
        "transfer-encoding: chunked"
      ]
    ) {
      assert.notInclude(refused(headersOf([line])), "secret", line)
    }
  })

  it("bodies", () => {
    assert.deepStrictEqual(Either.getOrThrow(dataOf([])), { _tag: "None" })
    assert.deepStrictEqual(Either.getOrThrow(dataOf([""])), { _tag: "Text", text: "" })
    assert.deepStrictEqual(Either.getOrThrow(dataOf(["a=1", "b=@2"])), { _tag: "Text", text: "a=1&b=@2" })
    assert.deepStrictEqual(Either.getOrThrow(dataOf(["@-"])), { _tag: "Input" })
    assert.deepStrictEqual(Either.getOrThrow(dataOf(["@-x"])), { _tag: "File", path: "-x" })
    for (const values of [["@"], ["@a", "b"], ["b", "@-"]]) refused(dataOf(values))
    for (const text of ["{}", " \n[1]", "\uFEFF{"]) assert.strictEqual(contentTypeOf(text, "other"), "application/json")
    for (const text of ["", "a={}", "\"x\""]) assert.strictEqual(contentTypeOf(text, "other"), "other")
  })

  // SPEC G5
  it("a token goes to the origins of the profile, and to no other that looks like them", () => {
    const profile = { name: "p", from: "effect-bearer.yaml", origins: ["https://api.example.com"], more: [] }
    assert.deepStrictEqual(Either.getOrThrow(targetOf("https://API.example.com:443/a?b#c", profile)), {
      url: "https://api.example.com/a?b",
      origin: "https://api.example.com"
    })
    for (
      const url of [
        "https://api.example.com.evil.org/",
        "https://evil.org/https://api.example.com",
        "https://evil.org\\@api.example.com",
        "https://api.example.com:8443/",
        "https://sub.api.example.com/"
      ]
    ) {
      assert.include(refused(targetOf(url, profile)), "nothing was sent", url)
    }
    for (
      const url of [
        "",
        "/path",
        "api.example.com",
        "localhost:80/x",
        "ftp://api.example.com",
        "https://secret:secret@api.example.com/",
        "https://secret@api.example.com/",
        "http://api.example.com/secret"
      ]
    ) {
      assert.notInclude(refused(targetOf(url, profile)), "secret", url)
    }
    assert.include(refused(targetOf("https://other.example.com", profile)), "effect-bearer.yaml")
    const more = (origin: string) => ({ ...profile, more: [origin] })
    for (
      const [url, origin] of [["http://127.0.0.1:80/x", "http://127.0.0.1"], ["http://[::1]:9/", "http://[::1]:9"]]
    ) {
      assert.isTrue(Either.isRight(targetOf(url!, more(origin!))), url)
    }
    refused(targetOf("http://127.0.0.1.evil.org/", more("http://127.0.0.1.evil.org")))
    assert.include(refused(targetOf("https://api.example.com", more("nonsense"))), "--origin takes")
  })
})
