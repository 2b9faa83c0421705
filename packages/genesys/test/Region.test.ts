import { assert, describe, it } from "@effect/vitest"
import { Either, Equal, FastCheck as fc } from "effect"
import { Region } from "../src/index.js"

const region = fc.constantFrom(...Region.all)

/** Every spelling there is of a region. */
const spelled = region.chain((region) =>
  fc.oneof(
    fc.constant(region.name),
    fc.constant(region.name.replaceAll("_", "-")),
    fc.record({
      scheme: fc.constantFrom("", "https://", "http://", "//"),
      host: fc.constantFrom("", "api.", "login.", "apps."),
      end: fc.constantFrom("", "/", "//", ".", ":443", "/api/v2/", "/oauth/token", "/directory/#/admin?x=1")
    }).filter(({ end, scheme }) => !(scheme === "http://" && end === ":443"))
      .map(({ end, host, scheme }) => scheme + host + region.environment + end)
  ).chain((text) =>
    fc.tuple(fc.constantFrom("", " ", "\n"), fc.boolean(), fc.constantFrom("", " ", "\t")).map((
      [before, upper, after]
    ) => [region, before + (upper ? text.toUpperCase() : text) + after] as const)
  )
)

const left = (input: string) => Either.getOrThrowWith(Either.flip(Region.parse(input)), () => new Error("parsed"))

describe("Region", () => {
  it("all 18 regions are known, each with hosts of its own", () => {
    assert.lengthOf(Region.all, 18)
    assert.strictEqual(new Set(Region.all.map(({ apiUrl }) => apiUrl)).size, 18)
    for (const { apiUrl, environment, loginUrl, tokenEndpoint } of Region.all) {
      assert.strictEqual(apiUrl, `https://api.${environment}`)
      assert.strictEqual(loginUrl, `https://login.${environment}`)
      // SPEC C1
      assert.strictEqual(tokenEndpoint, `https://login.${environment}/oauth/token`)
    }
  })

  // SPEC E1
  it.prop("every spelling of every region is read", [spelled], ([[region, text]]) => {
    const parsed = Region.parse(text)
    assert.isTrue(Either.isRight(parsed) && Equal.equals(parsed.right, region), `${JSON.stringify(text)}`)
  }, { fastCheck: { numRuns: 1000 } })

  it.prop("the hosts of a region can be given as URL objects", [region], ([region]) => {
    for (const text of [region.apiUrl, region.loginUrl, region.tokenEndpoint]) {
      assert.isTrue(Equal.equals(Region.parse(new URL(text)), Either.right(region)))
    }
    assert.strictEqual(Either.getOrThrow(Region.parse(region)), region)
  })

  it("the error for an unknown region lists the regions, and the one that was probably meant", () => {
    const cases: ReadonlyArray<readonly [string, string | undefined]> = [
      ["https://api.mypurecluod.com", "mypurecloud.com"],
      ["mypurecloud.co", "mypurecloud.com"],
      ["eu-cenrtal-1", "eu_central_1"],
      ["uswest2", "us_west_2"],
      ["https://login.usw2.purecloud", "usw2.pure.cloud"],
      ["https://login.example.com", undefined],
      // two are as near as each other
      ["mypurecloud.ee", undefined],
      // another environment, not a misspelled one
      ["https://api.eu.mypurecloud.com", undefined]
    ]
    for (const [text, meant] of cases) {
      const { detail, fields } = left(text)
      assert.deepStrictEqual(fields, ["region"])
      for (const { environment, name } of Region.all) assert.include(detail, `${name} (${environment})`)
      assert.strictEqual(/Did you mean (\S+)\?/.exec(detail)?.[1], meant, text)
    }
  })

  it("the error shows no text that could be a secret in the wrong variable", () => {
    const secret = "xkT9-8sKq_2LmZpR4vN7wYb3Jd6Gh1Fc0QeAuIoXtSd"
    for (const text of [secret, `https://user:${secret}@api.example.com`, `eyJhbGciOiJIUzI1NiJ9.${secret}.${secret}`]) {
      assert.notInclude(left(text).message, secret.toLowerCase())
      assert.notInclude(left(text).message, secret)
    }
  })

  it("a URL with a user name or a password is refused, and they are not shown", () => {
    for (
      const url of ["https://me:hunter2@api.mypurecloud.de", "hunter2@mypurecloud.de", "http://:hunter2@127.0.0.1:1"]
    ) {
      const { detail, fields, message } = left(url)
      assert.deepStrictEqual(fields, ["region"])
      assert.match(detail, /^its URL has a user name or a password, .* remove them/)
      assert.notMatch(message, /hunter2|me:/)
    }
  })

  // FAULTS S
  it("a text that may be a secret in the wrong place is described and not quoted", () => {
    for (
      const text of ["hunt3r2secret", "https://me:hunt3r2#x@h.test", "me:hunt3r2@h.test:99999", "https://[hunt3r2]/"]
    ) {
      assert.notInclude(left(text).message, "hunt3r2")
      const custom = Region.custom({ loginUrl: text, apiUrl: text })
      assert.notInclude(Either.isLeft(custom) ? custom.left.message : "hunt3r2", "hunt3r2")
    }
    assert.include(left("hunt3r2secret").detail, "a text of 13 characters is no region")
    assert.include(
      left("eu_centrl_1").detail,
      "\"eu_centrl_1\" is no region of Genesys Cloud. Did you mean eu_central_1?"
    )
  })

  it("values that are no region are refused", () => {
    for (const text of ["", "  ", "ftp://api.mypurecloud.com", "https://api.mypurecloud.com:8443", "https://", "x y"]) {
      assert.isTrue(Either.isLeft(Region.parse(text)), text)
    }
    assert.include(left(" ").detail, "blank")
    assert.match(left("https://api.mypurecloud.de:8443").detail, /^mypurecloud\.de has no port 8443: remove it/)
    assert.match(left("login.usw2.pure.cloud:80").detail, /^usw2\.pure\.cloud has no port 80/)
    assert.include(left("https://api.example.com:8443").detail, "\"example.com\" is no region")
    assert.isTrue(Either.isLeft(Region.parse("https://api.mypurecloud.com.evil.example")))
    assert.isTrue(Either.isLeft(Region.parse("https://evil.api.mypurecloud.com")))
  })

  it("a loopback address is taken for a fake that plays both hosts", () => {
    const region = Either.getOrThrow(Region.parse("http://127.0.0.1:8080/"))
    assert.deepInclude(region, {
      name: "custom",
      environment: "127.0.0.1:8080",
      loginUrl: "http://127.0.0.1:8080",
      apiUrl: "http://127.0.0.1:8080",
      tokenEndpoint: "http://127.0.0.1:8080/oauth/token"
    })
  })

  it("a custom environment is accepted, over https", () => {
    const custom = (loginUrl: string, apiUrl: string) => Region.custom({ loginUrl, apiUrl })
    const region = Either.getOrThrow(custom("https://login.cloud.example/", " https://api.cloud.example:8443 "))
    assert.deepInclude(region, {
      loginUrl: "https://login.cloud.example",
      apiUrl: "https://api.cloud.example:8443",
      environment: "api.cloud.example:8443"
    })
    assert.isTrue(Equal.equals(region, Either.getOrThrow(custom(region.loginUrl, region.apiUrl))))
    const refused = Either.getOrThrow(
      Either.flip(custom("http://login.cloud.example", "https://u:p@api.cloud.example"))
    )
    assert.deepStrictEqual(refused.fields, ["loginUrl", "apiUrl"])
    assert.isTrue(Either.isLeft(custom("nonsense", "https://a.example")))
    assert.isTrue(Either.isLeft(custom("https://a.example/path", "https://a.example")))
  })
})
