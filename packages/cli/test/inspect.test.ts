import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { look } from "../src/inspect/look.js"
import { object, page } from "../src/inspect/render.js"
import * as shown from "../src/output/shown.js"

const now = 1_800_000_000_000
const seconds = now / 1000
const plain = { colour: false, columns: 80, isTerminal: false }

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
const jwt = (
  claims: unknown,
  header: unknown = { alg: "RS256", kid: "k1", typ: "at+jwt" },
  signature = "c2lnbmF0dXJl"
) => `${part(header)}.${part(claims)}.${signature}`

const warned = (
  claims: unknown,
  ...more: ReadonlyArray<never> | [unknown] | [unknown, string]
): ReadonlyArray<string> => {
  const seen = look(jwt(claims, ...more), now)
  return seen.format === "jwt" ? seen.warnings.map(({ code }) => code) : ["opaque"]
}

describe("inspect", () => {
  // SPEC G2
  it("shows claims, times, scopes and the life that is left, and says that nothing is verified", () => {
    const token = jwt({
      iss: "https://login.example.com",
      sub: "reports",
      aud: ["calls", "users"],
      iat: seconds - 900,
      nbf: seconds - 900,
      exp: seconds + 2700,
      scope: "calls:read users:read",
      tenant: "t-1"
    })
    const text = page(look(token, now), now, plain)
    assert.match(text, /^JWT, not verified: nobody has checked/)
    assert.include(text, "75 %, 45 min of 1 h")
    assert.include(text, "in 45 min (2027-01-15T08:45:00Z)")
    assert.include(text, "15 min ago (2027-01-15T07:45:00Z)")
    for (const row of [/issuer +https:\/\/login\.example\.com$/m, /subject +reports$/m, /audience +calls, users$/m]) {
      assert.match(text, row)
    }
    assert.match(text, /scopes +calls:read users:read$/m)
    assert.match(text, /alg +RS256\n +kid +k1\n +typ +at\+jwt/)
    assert.match(text, /tenant +t-1$/m)
    assert.include(text, createHash("sha256").update(token).digest("hex").slice(0, 8))
    assert.notInclude(text, "c2lnbmF0dXJl")
    assert.notInclude(text, "Warning")
  })

  it("a program gets the same as an object", () => {
    const claims = { iss: "i", exp: seconds + 60.5, scp: ["a", "b"] }
    const token = jwt(claims)
    assert.deepStrictEqual(object(look(token, now), now), {
      verified: false,
      format: "jwt",
      header: { alg: "RS256", kid: "k1", typ: "at+jwt" },
      claims,
      scopes: ["a", "b"],
      expires_at: "2027-01-15T08:01:00.500Z",
      remaining: 60,
      fingerprint: createHash("sha256").update(token).digest("hex").slice(0, 8),
      warnings: []
    })
  })

  it("unusual claims get a warning", () => {
    const fine = { iat: seconds, exp: seconds + 3600 }
    assert.deepStrictEqual(warned(fine), [])
    assert.deepStrictEqual(warned({ iat: seconds - 60, exp: seconds }), ["expired"])
    assert.deepStrictEqual(warned({ ...fine, nbf: seconds + 1 }), ["not-yet-valid"])
    assert.deepStrictEqual(warned({ iat: seconds + 60, exp: seconds + 90 }), ["not-yet-valid"])
    assert.deepStrictEqual(warned(fine, { alg: "None" }), ["not-signed"])
    assert.deepStrictEqual(warned(fine, { alg: "RS256" }, ""), ["not-signed"])
    assert.deepStrictEqual(warned({ iat: seconds }), ["no-expiry"])
    assert.deepStrictEqual(warned({ iat: seconds, exp: "soon" }), ["no-expiry"])
    assert.deepStrictEqual(warned({ iat: seconds, exp: seconds + 86_400 }), [])
    assert.deepStrictEqual(warned({ iat: seconds, exp: seconds + 86_401 }), ["long-lifetime"])
    // what is odd about a member does no harm
    assert.deepStrictEqual(warned({ iat: -1, nbf: 9e99, exp: seconds + 1, scope: 7, aud: { a: 1 } }, { alg: 5 }), [])
  })

  it("an opaque token is described, not refused", () => {
    const seen = look("k7Jd-opaque", now)
    const text = page(seen, now, plain)
    assert.match(text, /^Opaque token/)
    assert.notInclude(text, "k7Jd")
    assert.propertyVal(object(seen, now), "format", "opaque")
    assert.include(page(look("a.b.c.d.e", now), now, plain), "encrypted")
    assert.include(page(look("{\"access_token\":\"x\"}", now), now, plain), "JSON")
  })

  it("hostile claims are cut, and control no terminal", () => {
    const evil = "\u001b[2J\u009b31m\u202e\r\nWarning: trust me"
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`claim-${n}${evil}`, evil.repeat(9)]))
    const seen = look(jwt({ iss: evil, aud: [evil], scope: evil, ["__proto__"]: 1, ...many }, { alg: evil }), now)
    const text = page(seen, now, plain)
    assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    assert.notMatch(text, /^Warning: trust/m)
    assert.isBelow(text.length, 30_000)
    assert.match(text, /and \d+ more$/m)
    assert.match(text, /more characters\)/)
    const json = shown.json(object(seen, now))!
    assert.notMatch(json, /[\u0000-\u001f\u007f-\u009f\u202e]/)
    assert.strictEqual(JSON.parse(json).claims.iss, evil)
  })

  it("claims that are nested too deep to be written are no crash", () => {
    const depth = 15_000
    const token = `${part({ alg: "RS256" })}.${
      Buffer.from(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`).toString("base64url")
    }.c2ln`
    const seen = look(token, now)
    assert.strictEqual(seen.format, "jwt")
    assert.match(page(seen, now, plain), /a +(\[\[\[|\(nested)/)
  })
})
