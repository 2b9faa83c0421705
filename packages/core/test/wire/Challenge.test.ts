import { Headers } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck, Option } from "effect"
import * as Challenge from "../../src/wire/Challenge.js"

type Expected = ReadonlyArray<readonly [scheme: string, token68: string | null, parameters: Record<string, string>]>

const table: ReadonlyArray<readonly [name: string, header: string, Expected]> = [
  ["empty", "", []],
  ["only separators", " , ,, ", []],
  ["a bare scheme", "Bearer", [["Bearer", null, {}]]],
  ["RFC 6750 §3", `Bearer realm="example", error="invalid_token", error_description="The access token expired"`, [
    ["Bearer", null, { realm: "example", error: "invalid_token", error_description: "The access token expired" }]
  ]],
  ["RFC 9110 §11.6.1", `Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""`, [
    ["Basic", null, { realm: "simple" }],
    ["Newauth", null, { realm: "apps", type: "1", title: `Login to "apps"` }]
  ]],
  ["lower case, spaces around =, upper-case names", `bearer ERROR = "invalid_token"`, [
    ["bearer", null, { error: "invalid_token" }]
  ]],
  ["commas inside quotes", `Bearer realm="a, b, Basic c=d", error="x"`, [
    ["Bearer", null, { realm: "a, b, Basic c=d", error: "x" }]
  ]],
  ["token68", "Negotiate YIIJ+/8=, Basic", [["Negotiate", "YIIJ+/8=", {}], ["Basic", null, {}]]],
  ["schemes without parameters before one with", `Negotiate, NTLM,Bearer error=invalid_token`, [
    ["Negotiate", null, {}],
    ["NTLM", null, {}],
    ["Bearer", null, { error: "invalid_token" }]
  ]],
  ["empty list members", `,Bearer realm="x",,error="y",`, [["Bearer", null, { realm: "x", error: "y" }]]],
  ["missing commas", `Bearer realm="x" error="y"`, [["Bearer", null, { realm: "x", error: "y" }]]],
  ["semicolons", `Bearer realm="x"; error=y; scope=z`, [["Bearer", null, { realm: "x", error: "y", scope: "z" }]]],
  ["unescaped quotes", `Bearer error_description="The "foo" token", error="invalid_token"`, [
    ["Bearer", null, { error_description: `The "foo" token`, error: "invalid_token" }]
  ]],
  ["unescaped quotes before a comma", `Bearer error_description="said "hi", "bye"", error="x"`, [
    ["Bearer", null, { error_description: `said "hi", "bye"`, error: "x" }]
  ]],
  ["an unterminated quote", `Bearer realm="x", error="inv`, [["Bearer", null, { realm: "x", error: "inv" }]]],
  ["a backslash at the end", `Bearer realm="x\\`, [["Bearer", null, { realm: "x\\" }]]],
  ["a URL without quotes", `Bearer authorization_uri=https://login.example/common?a=b, error=x`, [
    ["Bearer", null, { authorization_uri: "https://login.example/common?a=b", error: "x" }]
  ]],
  ["words without quotes", `Bearer error_description=the token expired, error=x`, [
    ["Bearer", null, { error_description: "the", error: "x" }]
  ]],
  ["the first of two equal names", `Bearer error="a", error="b"`, [["Bearer", null, { error: "a" }]]],
  ["an empty value", `Bearer realm="", error="x"`, [["Bearer", null, { realm: "", error: "x" }]]],
  ["parameters without a scheme", `realm="x", Bearer error="y"`, [["Bearer", null, { error: "y" }]]],
  ["names of Object.prototype", `Bearer __proto__="x", constructor=y`, [
    ["Bearer", null, Object.fromEntries([["__proto__", "x"], ["constructor", "y"]])]
  ]],
  ["junk", `\u0000é@@@ Bearer {}[] error="x"`, []]
]

describe("Challenge.parse", () => {
  for (const [name, header, expected] of table) {
    it(name, () => {
      const actual = Challenge.parse(header).map(({ parameters, scheme, token68 }) =>
        [scheme, Option.getOrNull(token68), Object.fromEntries(Object.entries(parameters))] as const
      )
      assert.deepStrictEqual(actual, expected as typeof actual)
    })
  }

  it("reads several headers as one", () => {
    assert.deepStrictEqual(
      Challenge.parse([`Basic realm="x"`, `Bearer error="y"`]),
      Challenge.parse(`Basic realm="x", Bearer error="y"`)
    )
  })

  it.prop(
    "never throws, and gives only schemes that are valid tokens",
    [FastCheck.fullUnicodeString({ maxLength: 200 })],
    ([header]) => {
      for (const challenge of Challenge.parse(header)) assert.match(challenge.scheme, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/)
      Challenge.bearer(Headers.unsafeFromRecord({ "www-authenticate": header }))
    }
  )

  const soup = FastCheck.array(
    FastCheck.constantFrom("Bearer", "DPoP", "error", "realm", "=", "\"", "\\", ",", ";", " ", "\t", "a", "==", "é"),
    { maxLength: 60 }
  ).map((parts) => parts.join(""))

  it.prop("never throws on a random text of its own delimiters", [soup], ([header]) => {
    Challenge.parse(header)
    Challenge.bearer(Headers.unsafeFromRecord({ "www-authenticate": header }))
  })

  const name = FastCheck.stringMatching(/^[a-z][a-z0-9_]{0,8}$/)
  const challenges = FastCheck.array(
    FastCheck.record({
      scheme: FastCheck.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/),
      parameters: FastCheck.dictionary(name, FastCheck.string({ maxLength: 20 }), { minKeys: 1, maxKeys: 4 })
    }),
    { minLength: 1, maxLength: 4 }
  )

  it.prop("reads back every challenge that the grammar allows", [challenges], ([challenges]) => {
    const header = challenges.map(({ parameters, scheme }) =>
      `${scheme} ${
        Object.entries(parameters).map(([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`).join(", ")
      }`
    ).join(", ")
    assert.deepStrictEqual(
      Challenge.parse(header).map(({ parameters, scheme }) => ({ scheme, entries: Object.entries(parameters) })),
      challenges.map(({ parameters, scheme }) => ({ scheme, entries: Object.entries(parameters) }))
    )
  })

  // No clock is needed: quadratic time would be minutes here, and the test runner's own limit would end the test.
  for (
    const unit of ["\" ", "\",", "\",a ", "a=\"", "Bearer ", ",", " ", "\\\"", "a b ", "\" a ", "====", "\";a=", "\",,"]
  ) {
    it(`takes linear time for repetitions of ${JSON.stringify(unit)}`, () => {
      Challenge.parse(`Bearer a="${unit.repeat(400_000 / unit.length)}`)
      Challenge.parse(unit.repeat(400_000 / unit.length))
    })
  }
})

describe("Challenge.bearer", () => {
  const bearer = (header: string) => Challenge.bearer(Headers.fromInput({ "WWW-Authenticate": header }))

  it("is None without the header, or without a scheme for access tokens", () => {
    assert.isTrue(Option.isNone(Challenge.bearer(Headers.empty)))
    assert.isTrue(Option.isNone(bearer(`Basic realm="x", Negotiate`)))
  })

  it("reads every field", () => {
    const found = Option.getOrThrow(bearer(
      `Basic realm="no", bearer realm="r", error="insufficient_scope", error_description="d, e", ` +
        `error_uri="https://e.example", scope="users:read analytics:read", claims="e30="`
    ))
    assert.deepStrictEqual({ ...found, scope: Array.from(found.scope) }, {
      scheme: "Bearer",
      error: Option.some("insufficient_scope"),
      errorDescription: Option.some("d, e"),
      errorUri: Option.some("https://e.example"),
      scope: ["analytics:read", "users:read"],
      realm: Option.some("r"),
      claims: Option.some("e30="),
      acrValues: [],
      maxAge: Option.none()
    })
  })

  // FAULTS W14
  it("reads what RFC 9470 demands of the next authentication", () => {
    const found = Option.getOrThrow(bearer(
      `Bearer error="insufficient_user_authentication", error_description="A different level is required", ` +
        `acr_values="urn:acr:gold  urn:acr:silver", max_age="5"`
    ))
    assert.deepStrictEqual(found.acrValues, ["urn:acr:gold", "urn:acr:silver"])
    assert.deepStrictEqual(found.maxAge, Option.some(Duration.seconds(5)))
    for (const maxAge of ["0", "007"]) {
      assert.deepStrictEqual(
        Option.getOrThrow(bearer(`Bearer max_age=${maxAge}`)).maxAge,
        Option.some(Duration.seconds(Number(maxAge)))
      )
    }
    for (const maxAge of [`""`, `"-1"`, `"1.5"`, `"5s"`, `"1e3"`, `"${"9".repeat(400)}"`]) {
      assert.isTrue(Option.isNone(Option.getOrThrow(bearer(`Bearer max_age=${maxAge}`)).maxAge), maxAge)
    }
  })

  it("reads a DPoP challenge", () => {
    const found = Option.getOrThrow(bearer(`dpop algs="ES256", error="use_dpop_nonce"`))
    assert.strictEqual(found.scheme, "DPoP")
    assert.deepStrictEqual(found.error, Option.some("use_dpop_nonce"))
  })

  it("prefers a challenge that names an error", () => {
    const found = Option.getOrThrow(bearer(`DPoP algs="ES256", Bearer error="invalid_token"`))
    assert.strictEqual(found.scheme, "Bearer")
  })
})
