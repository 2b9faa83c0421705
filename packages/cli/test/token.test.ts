import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { inOrder, tableOf } from "../src/commands/argumentOrder.js"
import * as token from "../src/commands/token.js"
import { tokenOptions } from "../src/fastPath.js"
import * as life from "../src/output/life.js"
import * as asking from "../src/token/asking.js"
import * as formats from "../src/token/formats.js"
import { timeOf } from "../src/token/print.js"

const given: formats.Given = {
  token: "a'b\"c\\d",
  type: "Bearer",
  scopes: ["a", "b"],
  expiresAt: Date.parse("2026-01-31T12:00:00.900Z"),
  remaining: 59,
  profile: "calls"
}
const rendered = (format: formats.Format, more: Partial<formats.Given> = {}) =>
  Either.getOrThrow(formats.render(format, { ...given, ...more }, {}))

describe("formats", () => {
  it("the formats quote for a shell and for curl", () => {
    assert.include(rendered("env"), "export OAUTH_ACCESS_TOKEN='a'\\''b\"c\\d'\n")
    assert.strictEqual(rendered("curl"), "header = \"Authorization: Bearer a'b\\\"c\\\\d\"")
  })

  it("the stated end is never later than that of the token, and is absent if it is unknown", () => {
    assert.strictEqual(JSON.parse(rendered("kubernetes")).status.expirationTimestamp, "2026-01-31T12:00:00Z")
    assert.strictEqual(JSON.parse(rendered("bazel")).expires, "2026-01-31T12:00:00Z")
    assert.include(rendered("git"), `password_expiry_utc=${Date.parse("2026-01-31T12:00:00Z") / 1000}\n`)
    const unknown = { expiresAt: undefined, remaining: undefined }
    assert.notInclude(rendered("git", unknown), "password_expiry_utc")
    assert.notInclude(rendered("env", unknown), "EXPIRES")
    assert.deepStrictEqual(Object.keys(JSON.parse(rendered("json", unknown))), [
      "access_token",
      "token_type",
      "scope",
      "profile"
    ])
    assert.deepStrictEqual(Object.keys(JSON.parse(rendered("bazel", unknown))), ["headers"])
  })

  it("the type of the token is stated, where the reader accepts any type", () => {
    const dpop = { type: "DPoP" }
    assert.include(rendered("header", dpop), "Authorization: DPoP ")
    assert.include(rendered("git", dpop), "authtype=DPoP\n")
    assert.isTrue(Either.isLeft(formats.render("kubernetes", { ...given, ...dpop }, {})))
  })
})

describe("requests of git and Bazel", () => {
  it("a request names an origin", () => {
    assert.strictEqual(
      Either.getOrThrow(asking.git("protocol=https\nhost=git.example.com:8443\npath=a\n\nhost=other\n")).origin,
      "https://git.example.com:8443"
    )
    assert.strictEqual(
      Either.getOrThrow(asking.git("url=https://git.example.com/x.git\r\n")).origin,
      "https://git.example.com"
    )
    assert.strictEqual(
      Either.getOrThrow(asking.bazel("{\"uri\":\"https://c.example.com/a?b\"}")).origin,
      "https://c.example.com"
    )
    assert.isUndefined(Either.getOrThrow(asking.git("")).origin)
  })

  it("a request without an origin is refused", () => {
    for (const input of ["no line", "host=\nprotocol=https\n", "url=mailto:x\n", "protocol=file\nhost=x\nurl=\n"]) {
      assert.isTrue(Either.isLeft(asking.git(input)), input)
    }
    for (const input of ["", "null", "1", "{\"uri\":1}", "{\"uri\":\"/a\"}"]) {
      assert.isTrue(Either.isLeft(asking.bazel(input)), input)
    }
  })

  it("a request is answered for the profile's origins, over TLS or on loopback", () => {
    assert.isUndefined(asking.objection("https://api.example.com", []))
    assert.isUndefined(asking.objection("https://api.example.com", ["https://api.example.com/"]))
    assert.isUndefined(asking.objection("http://127.0.0.1:8080", []))
    assert.isUndefined(asking.objection("http://[::1]:8080", []))
    assert.isString(asking.objection("https://api.example.com:8443", ["https://api.example.com"]))
    assert.isString(asking.objection("http://api.example.com", []))
    assert.isString(asking.objection("http://127.0.0.1.example.com", []))
  })
})

describe("--min-ttl", () => {
  it("the value is seconds, or a time with its unit", () => {
    const millis = (text: string) => Either.getOrThrow(timeOf("--min-ttl", text))
    assert.deepStrictEqual([millis("60"), millis("1m"), millis("60000 ms")].map(String), [
      String(millis("60s")),
      String(millis("60s")),
      String(millis("60s"))
    ])
    for (const text of ["", "-1", "1w", "soon", "1e9", "NaN", "99999999999"]) {
      assert.isTrue(Either.isLeft(timeOf("--min-ttl", text)), text)
    }
  })
})

describe("times and bars", () => {
  const style = { colour: false, columns: 80, isTerminal: false }

  it("times are written short", () => {
    assert.strictEqual(life.duration(3_900_000), "1 h 5 min")
    assert.strictEqual(life.duration(59_999), "59 s")
    assert.strictEqual(life.duration(-90_061_000), "1 d 1 h")
    assert.strictEqual(life.duration(999), "0 s")
    const now = Date.parse("2026-01-31T12:00:00Z")
    assert.strictEqual(life.moment(now + 60_000, now), "in 1 min (2026-01-31T12:01:00Z)")
    assert.strictEqual(life.moment(now - 60_000, now), "1 min ago (2026-01-31T11:59:00Z)")
    assert.strictEqual(life.moment(now, now), "now (2026-01-31T12:00:00Z)")
    assert.include(life.moment(1e300, now), "(out of range)")
  })

  it("bars are full, empty, or between", () => {
    assert.strictEqual(life.bar(1, style, 4), "████ 100 %")
    assert.strictEqual(life.bar(0, style, 4), "░░░░ 0 %")
    assert.strictEqual(life.bar(0.001, style, 4), "█░░░ 0 %")
    assert.strictEqual(life.bar(7, style, 4), "████ 100 %")
    assert.strictEqual(life.bar(Number.NaN, style, 4), "░░░░ 0 %")
  })
})

describe("the fast path of token", () => {
  const shape = {
    options: new Map(),
    most: 0,
    below: new Map([
      ["token", { options: tableOf(CommandDescriptor.getUsage(token.command.descriptor)), most: 1, below: new Map() }]
    ])
  }
  const words = FastCheck.array(
    FastCheck.oneof(
      FastCheck.constantFrom(
        "--profile",
        "-p",
        "--config=a.yaml",
        "-c",
        "--format",
        "-f",
        "--format=json",
        "--min-ttl",
        "--json",
        "--quiet",
        "-q",
        "--scope",
        "--help",
        "--",
        "-fjson",
        "--json=1"
      ),
      FastCheck.constantFrom("get", "raw", "calls", "60", "git", "")
    ),
    { maxLength: 6 }
  )

  it("the fast path reads a command line as the full program does, or leaves it to that", () => {
    let understood = 0
    FastCheck.assert(
      FastCheck.property(words, (words) => {
        const options = tokenOptions(["token", ...words])
        if (options === undefined) return
        understood++
        const { argv, flags } = Either.getOrThrow(inOrder(shape, ["token", ...words]))
        const valueOf = (name: string) => flags.has(name) ? argv[argv.indexOf(name) + 1] : undefined
        assert.deepStrictEqual(
          [options.profile, options.config, options.format, options.minTtl, options.json, options.quiet],
          [
            valueOf("--profile"),
            valueOf("--config"),
            valueOf("--format"),
            valueOf("--min-ttl"),
            flags.has("--json"),
            flags.has("--quiet")
          ]
        )
        const names = Array.from(flags)
        const rest = argv.slice(1 + 2 * names.length)
        assert.deepStrictEqual(options.operation === undefined ? [] : [options.operation], rest)
      }),
      { numRuns: 5000 }
    )
    assert.isAbove(understood, 200)
  })
})
