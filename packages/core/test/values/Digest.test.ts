import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Encoding from "effect/Encoding"
import * as FastCheck from "effect/FastCheck"
import { Digest, TokenRequest } from "effect-bearer"

const text = (value: string) => new TextEncoder().encode(value)
const hexOf = (bytes: Uint8Array) => Encoding.encodeHex(Digest.sha256(bytes))

// FAULTS T1
describe("Digest", () => {
  it("has the values of FIPS 180-4 and of NIST's examples", () => {
    const vectors: ReadonlyArray<readonly [message: string, digest: string]> = [
      ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
      ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
      [
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ],
      [
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
      ],
      ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"]
    ]
    for (const [message, digest] of vectors) assert.strictEqual(hexOf(text(message)), digest)
  })

  it("agrees with Node's SHA-256 at every length around the edges of blocks, and for any bytes", () => {
    for (let length = 0; length < 200; length++) {
      const bytes = new Uint8Array(length).map((_, i) => (i * 37 + length) & 0xff)
      assert.strictEqual(hexOf(bytes), createHash("sha256").update(bytes).digest("hex"), `${length} bytes`)
    }
    FastCheck.assert(FastCheck.property(
      FastCheck.uint8Array({ maxLength: 300 }),
      (bytes) => hexOf(bytes) === createHash("sha256").update(bytes).digest("hex")
    ))
  })

  it("gives different names to texts that only look alike", () => {
    const alike = [
      "https://a/token",
      "https://a/token/",
      "https://A/token",
      "https://a/Token",
      " https://a/token",
      "\u00e9",
      "e\u0301",
      "\u00c9",
      "?",
      "\ufffd",
      "\ud800",
      "\ud801",
      "\udc00",
      "\udc00\ud800",
      "\ud800\udc00",
      "%ED%A0%80",
      "\u0000",
      "",
      "\uff00\u00d8"
    ]
    assert.strictEqual(new Set(alike.map(Digest.nameOf)).size, alike.length)
    assert.strictEqual(new Set(alike.map(Digest.shortNameOf)).size, alike.length)
  })

  it("gives no two texts the same bytes", () => {
    const unit = FastCheck.constantFrom("a", "\u00e9", "?", "\ufffd", "\ud800", "\udbff", "\udc00", "\udfff", "\u00ff")
    const any = FastCheck.string({ unit, maxLength: 4 })
    FastCheck.assert(
      FastCheck.property(
        any,
        any,
        (one, other) => (one === other) === (String(Digest.bytesOf(one)) === String(Digest.bytesOf(other)))
      ),
      { numRuns: 2000 }
    )
  })
})

// FAULTS T1
describe("TokenRequest.hash", () => {
  it("gives different hashes to all tenants of two letters, and to a hundred thousand requests", () => {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    const tenants = Array.from(letters).flatMap((a) => Array.from(letters, (b) => a + b))
    const hashes = tenants.map((tenant) => TokenRequest.hash(TokenRequest.make({ parameters: { tenant } })))
    assert.strictEqual(new Set(hashes).size, 1296)
    const many = Array.from({ length: 100_000 }, (_, i) => TokenRequest.hash(TokenRequest.make({ audience: `t${i}` })))
    assert.strictEqual(new Set(many).size, many.length)
  })

  it("the hash is the same for equal requests, and shows nothing of them", () => {
    const one = TokenRequest.make({ scopes: "b a", parameters: { secret: "value" } })
    const two = TokenRequest.make({ scopes: ["a", "b"], parameters: { secret: "value" } })
    assert.strictEqual(TokenRequest.hash(one), TokenRequest.hash(two))
    assert.strictEqual(TokenRequest.hash(one), TokenRequest.hash(one))
    assert.match(TokenRequest.hash(one), /^[0-9a-f]{24}$/)
    assert.notInclude(JSON.stringify(one), TokenRequest.hash(one))
  })

  it("gives different hashes to requests whose fields are the same text when joined", () => {
    const requests = [
      TokenRequest.make({ audience: ["a", "b"] }),
      TokenRequest.make({ audience: ["a,b"] }),
      TokenRequest.make({ audience: ["a\",\"b"] }),
      TokenRequest.make({ resource: ["a", "b"] }),
      TokenRequest.make({ audience: "a", resource: "b" }),
      TokenRequest.make({ parameters: { a: "b" } }),
      TokenRequest.make({ scopes: "a b" }),
      TokenRequest.make({ parameters: { a: "\ud800" } }),
      TokenRequest.make({ parameters: { a: "\ud801" } }),
      TokenRequest.make({ parameters: { a: "?" } }),
      TokenRequest.make({ parameters: { a: "\ufffd" } }),
      TokenRequest.make({ parameters: { a: "\\ud800" } }),
      TokenRequest.empty
    ]
    assert.strictEqual(new Set(requests.map(TokenRequest.hash)).size, requests.length)
  })
})
