import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Disclosure from "effect-bearer/Disclosure"
import { StoreError } from "effect-bearer/TokenStore"
import * as storeCall from "../../src/lifecycle/sharing/storeCall.js"

const secret = "Zk9/s3cr3t+with&odd=chars~é end"
const bytes = (text: string) => new TextEncoder().encode(text)
const utf16 = (text: string) =>
  text.split("").map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

const spellings: Readonly<Record<string, (text: string) => string>> = {
  raw: (text) => text,
  "upper case": (text) => text.toUpperCase(),
  form: (text) => new URLSearchParams([["", text]]).toString().slice(1),
  percent: (text) => encodeURIComponent(text),
  "percent in lower case": (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  "percent of each byte": (text) =>
    Array.from(bytes(text), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  "percent twice": (text) => encodeURIComponent(encodeURIComponent(text)),
  JSON: (text) => JSON.stringify(text).slice(1, -1).replaceAll("/", "\\/"),
  "UTF-16 escapes": utf16,
  "UTF-16 escapes, escaped again": (text) => JSON.stringify(utf16(text)),
  "HTML entities": (text) => text.replaceAll("&", "&amp;").replaceAll("=", "&#61;").replaceAll("/", "&#x2F;"),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "base64 in the middle of other bytes": (text) => Buffer.from(`id:${text}:more`).toString("base64"),
  "base64 with line breaks": (text) => Buffer.from(`id:${text}`).toString("base64").replace(/(.{10})/g, "$1\r\n"),
  "base64 of base64": (text) => Buffer.from(Buffer.from(text).toString("base64")).toString("base64"),
  "base64 in percent codes": (text) => encodeURIComponent(Buffer.from(`a${text}`).toString("base64")),
  "percent codes in base64": (text) => Buffer.from(`ab:${encodeURIComponent(text)}`).toString("base64"),
  hex: (text) => Buffer.from(text).toString("hex"),
  "hex in upper case": (text) => Buffer.from(text).toString("hex").toUpperCase(),
  "with NULs between": (text) => text.split("").join("\u0000"),
  // FAULTS S: these were shown
  "numbers as JSON has them": (text) => JSON.stringify(Array.from(bytes(text))),
  "numbers as a console shows them": (text) => inspect(Array.from(bytes(text)), { maxArrayLength: null }),
  "numbers of UTF-16": (text) => Array.from(text, (c) => c.charCodeAt(0)).join(" "),
  "numbers in base 8": (text) => Array.from(bytes(text), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join(""),
  "numbers in base 2": (text) => Array.from(bytes(text), (byte) => byte.toString(2).padStart(8, "0")).join(" "),
  "hex with blanks": (text) => hexOf(text, " "),
  "hex with colons": (text) => hexOf(text, ":").toUpperCase(),
  "hex with commas": (text) => hexOf(text, ", "),
  "hex with 0x": (text) => `0x${hexOf(text, ", 0x")}`,
  "hex in groups": (text) => Buffer.from(text).toString("hex").replace(/(.{4})/g, "$1 ").trim(),
  "code points": (text) => Array.from(text, (c) => `U+${c.codePointAt(0)!.toString(16).padStart(4, "0")}`).join(" "),
  "hex with blanks, in percent codes": (text) => encodeURIComponent(hexOf(text, " ")),
  "full width": (text) => text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  mathematical: (text) => text.replace(/[a-z]/g, (c) => String.fromCodePoint(0x1d41a - 97 + c.charCodeAt(0))),
  "mathematical, in UTF-16 escapes": (text) =>
    utf16(text.replace(/[a-z]/g, (c) => String.fromCodePoint(0x1d41a - 97 + c.charCodeAt(0)))),
  "with marks on the letters": (text) => text.split("").join("\u0301"),
  "with composed marks": (text) => text.split("").join("\u0301").normalize("NFC"),
  "full width, in base64": (text) =>
    Buffer.from(text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0))).toString("base64"),
  "with selectors between": (text) => text.split("").join("\u{e0100}"),
  "with blanks between": (text) => text.split("").join(" "),
  "with dashes between": (text) => text.split("").join("-"),
  "a list of letters": (text) => JSON.stringify(text.split("")),
  "from its end": (text) => Array.from(text).reverse().join("")
}

const hexOf = (text: string, between: string) =>
  Array.from(bytes(text), (byte) => byte.toString(16).padStart(2, "0")).join(between)

describe("Disclosure", () => {
  const disclosure = Disclosure.make([Redacted.make(secret)])

  for (const [name, spell] of Object.entries(spellings)) {
    it(`hides a secret: ${name}`, () => {
      for (const part of [secret, secret.slice(0, 14), secret.slice(5, 17), secret.slice(3, 11)]) {
        const spelled = spell(part)
        for (const show of [disclosure.text, disclosure.name, disclosure.strict]) {
          // text around the secret in the same base64 or in quotes may stay
          assert.match(
            show(`Wrong: (${spelled}) was sent`, 500),
            /^Wrong: \(?.{0,8}<redacted>.{0,12}\)? was sent$/,
            spelled
          )
        }
      }
    })
  }

  // FAULTS S6
  it("leaves no part of a secret at a cut, at any place of the cut", () => {
    const token = "q7RkV2mXw9LtB4zNc8Ys"
    const { name, strict, text } = Disclosure.make([Redacted.make(token)])
    for (const show of [name, strict, text]) {
      for (let before = 60; before < 90; before++) {
        const shown = show(`${"ab ".repeat(before / 3 | 0)}${"x".repeat(before % 3)} ${token} rest`, 80)
        for (let i = 0; i + 4 <= token.length; i++) assert.notInclude(shown, token.slice(i, i + 4), shown)
      }
      // cut by the server, and by the limit of the search
      for (let length = 4; length < token.length; length++) {
        const ends = [
          show(`got ${token.slice(0, length)}…`),
          show(`got ${token.slice(0, length)}...`),
          show(`${" ".repeat(4092 - length)}got ${token}`),
          show(`${"\u200b".repeat(4090 - length)}got ${token}`)
        ]
        for (const shown of ends) assert.notInclude(shown, token.slice(0, 4), shown)
      }
    }
  })

  it("short secrets are hidden in full", () => {
    const { text } = Disclosure.make([Redacted.make("d3m0")])
    assert.strictEqual(text("the d3m0 of abc, %64%33m0"), "the <redacted> of abc, <redacted>")
  })

  it("secrets of two and three characters are hidden where they are words, a single character nowhere", () => {
    const { text } = Disclosure.make(["abc", "k9", "a+b", "q"].map((secret) => Redacted.make(secret)))
    assert.strictEqual(
      text("client_secret=abc is not \"ABC\"; k9, (K9) and a+b, q"),
      "client_secret=<redacted> is not \"<redacted>\"; <redacted>, (<redacted>) and <redacted>, q"
    )
    for (const kept of ["the abcs of fk9 and k99, cabc", "OAUTH_ABCDEF k9a", "it was %61bc"]) {
      assert.strictEqual(text(kept), kept)
    }
  })

  it("keeps explaining text: words, codes, names, versions, URLs", () => {
    for (
      const kept of [
        "AADSTS7000215: Invalid client secret provided.",
        "The client id 'reports-eu' is unknown, see https://login.example.com/oauth2/v2.0/token and RFC6749",
        "OAuthException: InvalidClientSecret in client_credentials of urn:ietf:params:oauth:grant-type:jwt-bearer",
        "AADB2C90080 on 2026-11-27, ORA-01017, clientId, /api/v2/users"
      ]
    ) {
      assert.strictEqual(disclosure.text(kept, 300), kept)
    }
    for (
      const kept of [
        "The code passed is incorrect or expired.",
        "AADSTS7000215: Invalid client secret provided.",
        "\"bad_verification_code\" at https://login.example.com/oauth2/v2.0/token, invalidGrant"
      ]
    ) {
      assert.strictEqual(disclosure.strict(kept), kept)
    }
    assert.strictEqual(
      disclosure.strict("abcdefgh ab-cdefg HSOYDA67 x/abcdefg abcdefg"),
      "<redacted> <redacted> <redacted> <redacted> abcdefg"
    )
    assert.strictEqual(
      Disclosure.compared("https://login.example.com/q7RkV2mX/v2.0", "https://login.example.com/acme/v2.0/"),
      "https://login.example.com/…/v2.0"
    )
  })

  it("hides text that looks like a credential", () => {
    for (
      const credential of [
        "q7RkV2mXw9LtB4zNc8Ys",
        "4f3c2b1a0987",
        "0b9f3a52-7c41-4f6e-9d20-5c1e8a7b6f43",
        "aB3xxK9+mQ2="
      ]
    ) {
      assert.strictEqual(disclosure.text(`key ${credential} refused`), "key <redacted> refused", credential)
    }
    const { text } = Disclosure.make([], { keepsUuids: true })
    assert.strictEqual(
      text("user /users/0b9f3a52-7c41-4f6e-9d20-5c1e8a7b6f43"),
      "user /users/0b9f3a52-7c41-4f6e-9d20-5c1e8a7b6f43"
    )
  })

  it("a refusal shows the members that explain, and no other", () => {
    const shown = disclosure.refusal({
      error: { code: 17, message: "no such client", secret: "hunter2!" },
      errors: [{ errorCode: "E_1", note: "private note" }],
      error_description: `had ${secret}`,
      trace_id: "0b9f3a52-7c41-4f6e-9d20-5c1e8a7b6f43",
      correlationId: secret,
      user: "anna",
      session: "s-1"
    })
    assert.strictEqual(
      shown,
      "code: 17, message: \"no such client\", errorCode: \"E_1\", error_description: \"had <redacted>\", " +
        "trace_id: \"0b9f3a52-7c41-4f6e-9d20-5c1e8a7b6f43\", correlationId: \"<redacted>\""
    )
  })

  it("whole keeps the structure of a value, hides secrets, and cuts nothing", () => {
    const long = `${"word ".repeat(3000)}${secret}${" word".repeat(3000)}`
    assert.deepStrictEqual(disclosure.whole({ a: [long, 1, null], client_secret: "x", token: { n: 12345 } }), {
      a: [long.replace(secret, "<redacted>"), 1, null],
      client_secret: "<redacted>",
      token: { n: "<redacted>" }
    })
  })

  // FAULTS S2
  it("a text that is too long to be searched is not shown", () => {
    const long = `${"word ".repeat(14_000)}${encodeURIComponent(secret)}`
    assert.strictEqual(disclosure.value(long), "<redacted>")
    assert.deepStrictEqual(disclosure.whole({ a: long }), { a: "<redacted>" })
  })

  // FAULTS S6
  it("a secret is found at the border of two windows, and a short credential by its form", () => {
    for (let at = 4060; at < 4100; at += 3) {
      const shown = JSON.stringify(disclosure.whole([`${"a ".repeat(at / 2)}(${encodeURIComponent(secret)})`]))
      assert.match(shown, /\(<redacted>\)"\]$/)
    }
    assert.strictEqual(disclosure.text("near eyJabcd.e"), "near <redacted>")
    assert.strictEqual(disclosure.text("near %41%7a%39"), "near <redacted>")
  })

  // FAULTS B3
  // FAULTS S: letter marks, tags, fillers and selectors were shown, and hid a secret that they stood in
  it("no character that turns the line round or that nobody sees is shown, or hides a secret", () => {
    const unseen = ["\u061c", "\u180e", "\u034f", "\u115f", "\u3164", "\ufe0f", "\u200b"]
    const beyond = ["\u{e0041}", "\u{e0100}", "\u{1d173}", "\ud800"]
    for (const character of [...unseen, ...beyond]) {
      assert.strictEqual(Disclosure.printable(`a${character}b`), "a b", inspect(character))
    }
    assert.strictEqual(Disclosure.printable("Grüße, 東京 \u{1f600} שלום"), "Grüße, 東京 \u{1f600} שלום")
    const secret = "correct-horse-battery-staple"
    const { text } = Disclosure.make([Redacted.make(secret)])
    for (const character of unseen) {
      const shown = text(`got ${Array.from(secret).join(character)}!`)
      assert.notMatch(shown.replace(/[^a-z]/g, ""), /horse|battery/, inspect(character))
    }
  })

  // FAULTS S, B: no clock is needed, quadratic time would be minutes
  it("rows of letters and numbers are read in linear time", { timeout: 10_000 }, () => {
    for (const unit of ["12 ", "0x4f,", ".,", "a-", "\uff21", "e\u0301", "\ufdfa", "\ud835", "- "]) {
      const long = unit.repeat(Math.floor(60_000 / unit.length))
      assert.isAtMost(disclosure.value(long).length, long.length)
      assert.isAtMost(disclosure.text(long).length, 201)
    }
  })

  // FAULTS S
  it("a list that spells a secret is not shown in data, and other lists of numbers are", () => {
    const codes = Array.from(bytes(secret))
    const data = {
      bytes: codes,
      letters: Array.from(secret),
      buffer: Buffer.from(secret).toJSON(),
      counts: [1, 2, 3, 4, 5]
    }
    assert.deepStrictEqual(disclosure.whole(data), {
      bytes: "<redacted>",
      letters: "<redacted>",
      buffer: { type: "Buffer", data: "<redacted>" },
      counts: [1, 2, 3, 4, 5]
    })
    assert.strictEqual(disclosure.refusal({ errors: codes, codes: [17, 18] }), "codes: 17, codes: 18")
  })

  // FAULTS S
  it("a row of numbers is not taken for words, and a date is", () => {
    const row = Array.from(bytes("q7RkV2mXw9Lt")).join(" ")
    assert.strictEqual(Disclosure.make([]).text(`got ${row}.`), "got <redacted>.")
    const page = bytes(`<html><head><title>Sorry ${row}</title></head></html>`)
    assert.match(Disclosure.shape({ body: page }), /^HTML with the title "Sorry …", \d+ bytes$/)
    const explained = "Timestamp: 2024-05-01 10:20:30.123Z, from 10.1.2.3 (a b c)"
    assert.strictEqual(disclosure.text(explained), explained)
  })

  it("patterns look at a row of backslashes once, and not from each of them", { timeout: 5000 }, () => {
    // 60 000 of them took eight seconds
    for (let i = 0; i < 4; i++) {
      const long = `${"\\".repeat(60_000)}${i}`
      assert.deepStrictEqual(disclosure.whole([long]), [long])
    }
  })
})

describe("Disclosure.shape", () => {
  const shape = (body: string | Uint8Array, more: Partial<Disclosure.Answer> = {}) =>
    Disclosure.shape({ body: typeof body === "string" ? bytes(body) : body, ...more })

  // FAULTS S1, S2
  it("shape names the kind and the length of a body, and shows no text", () => {
    const cases: ReadonlyArray<readonly [string | Uint8Array, string]> = [
      ["", "empty"],
      [" \r\n", "empty"],
      ["{\"access_token\":\"tok-9\",\"x7tok\":1}", "JSON: an object with access_token, 1 other member"],
      ["{\"tok-9\":\"\"}", "JSON: an object with 1 member"],
      ["{}", "JSON: an object without members"],
      ["[{\"token\":\"tok-9\"}]", "JSON: a list"],
      ["{\"access_token\":\"tok-9", "JSON cut off"],
      ["[1, 2", "JSON cut off"],
      ["{\"access_token\":tok-9}", "broken JSON"],
      ["\"tok-9\"", "JSON: a string"],
      ["17326548", "JSON: a number"],
      ["true", "JSON: a boolean"],
      ["null", "JSON: null"],
      ["tok-9", "text"],
      ["token=tok-9&x=1", "text"],
      ["access_token=tok-9", "a form"],
      ["<?xml version=\"1.0\"?><t>tok-9</t>", "XML"],
      [
        "<!doctype html><title>Sign in to your account</title>",
        "HTML with the title \"Sign in to your account\""
      ],
      ["<html><head><TITLE lang=\"en\">\n 403 Forbidden </TITLE>", "HTML with the title \"403 Forbidden\""],
      [
        "<html><title>Welcome q7RkV2mXw9Lt, q7RkV2m abcdefghijkl</title>",
        "HTML with the title \"Welcome …\""
      ],
      ["<html><title></title>tok-9", "HTML"],
      ["<p>tok-9", "HTML"],
      [new Uint8Array([0x1f, 0x8b, 8, 0]), "compressed (gzip)"],
      [new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]), "compressed (zstd)"],
      [new Uint8Array([0x78, 0x9c, 1, 2]), "compressed (deflate)"],
      [Buffer.from("tok-9", "utf16le"), "text, in UTF-16"],
      [Buffer.from("\ufeff{\"a", "utf16le"), "JSON cut off, in UTF-16"]
    ]
    for (const [body, expected] of cases) {
      const { length } = typeof body === "string" ? bytes(body) : body
      assert.strictEqual(shape(body), expected === "empty" ? expected : `${expected}, ${length} bytes`)
    }
    assert.strictEqual(shape("x", { overflow: true }), "text, more than 1 byte")
    assert.strictEqual(shape("", { overflow: true }), "more than was looked at")
    assert.strictEqual(shape("\u00e8\u0001", { contentEncoding: "br" }), "compressed (br), 3 bytes")
    assert.strictEqual(shape("tok-9", { contentEncoding: "tok-9" }), "text, 5 bytes")
  })

  it("only a content type of known names is shown", () => {
    const cases: ReadonlyArray<readonly [string | undefined, string]> = [
      [undefined, ""],
      ["", ""],
      ["application/json; charset=tok-9", "application/json"],
      ["Text/HTML", "text/html"],
      ["application/problem+json", "application/problem+json"],
      ["application/vnd.acme.v1+json", "application/vnd.….v1+json"],
      ["application/q7RkV2mXw9LtB4zNc8Ys", "application/…"],
      ["q7RkV2mXw9LtB4zNc8Ys", "an unreadable content type"],
      ["text/html tok-9", "an unreadable content type"],
      ["a/b/c", "an unreadable content type"]
    ]
    for (const [header, expected] of cases) assert.strictEqual(Disclosure.contentType(header), expected)
  })
})

// FAULTS S4
describe("Disclosure.code", () => {
  const { code } = Disclosure.make([Redacted.make("CORRECT_HORSE_BATTERY")])

  // FAULTS S6
  it("shows codes in the form of a runtime, and nothing else", () => {
    const codes = [
      "ECONNREFUSED",
      "EAI_AGAIN",
      "UND_ERR_SOCKET",
      "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "ERR__ERROR_FORMAT_PADDING_1",
      "HPE_INVALID_CHUNK_SIZE",
      "ConnectionRefused"
    ]
    for (const name of codes) assert.strictEqual(code(name), name)
    const others = [
      "q7RkV2mXw9LtB4zN",
      "A7B9C2D4E6F8",
      "ERR_a7b9c2d4",
      "tok-9",
      "s3cr3t",
      "A".repeat(65),
      "CORRECT_HORSE_BATTERY"
    ]
    for (const other of others) assert.strictEqual(code(other), "<redacted>")
  })
})

describe("Disclosure.errorName", () => {
  it("is the tag or the name of an error, if it looks like one", () => {
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [{ _tag: "VaultDown" }, "VaultDown"],
      [{ _tag: "@app/VaultDown" }, "@app/VaultDown"],
      [new TypeError("tok-9"), "TypeError"],
      [{ _tag: "the secret is hunter2" }, "?"],
      [{ _tag: "q7RkV2mXw9LtB4zNc8Ys" }, "?"],
      [{ _tag: 7 }, "?"],
      [Object.assign(new Error("tok-9"), { name: "Error: tok-9" }), "?"],
      [{
        get _tag(): string {
          throw new Error("tok-9")
        }
      }, "?"],
      ["tok-9", "?"],
      [undefined, "?"]
    ]
    for (const [error, expected] of cases) assert.strictEqual(Disclosure.errorName(error, "?"), expected)
  })
})

describe("the errors of a store", () => {
  const failing = (error: unknown) => Effect.flip(storeCall.run("put", () => Effect.fail(error as StoreError), 1000))
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.q7RkV2mXw9Lt"

  // FAULTS S4
  it.live("the detail of a StoreError is shown, without text that looks like a credential", () =>
    Effect.gen(function*() {
      const error = yield* failing(
        new StoreError({ operation: "put", reason: "timeout", detail: `could not write "${token}": disk full` })
      )
      assert.strictEqual(error.reason, "timeout")
      assert.strictEqual(error.detail, "could not write \"<redacted>\": disk full")
    }))

  // FAULTS S4
  it.live("nothing of any other error of a store is shown", () =>
    Effect.gen(function*() {
      const others = [
        new Error(token),
        { reason: token, detail: "x" },
        new StoreError({ operation: "put", reason: token as "timeout", detail: "x" }),
        { reason: "timeout", detail: { token } },
        token,
        undefined
      ]
      for (const other of others) {
        const { detail, operation, reason } = yield* failing(other)
        assert.deepStrictEqual(
          { detail, operation, reason },
          { detail: "it failed unexpectedly", operation: "put", reason: "unavailable" }
        )
      }
    }))
})

describe("Disclosure.whole", () => {
  const { whole } = Disclosure.make([Redacted.make(secret)])

  // FAULTS S1
  it("shows nothing of bytes, from which a secret can be read", () => {
    const data = { body: Buffer.from(secret), part: bytes(secret).buffer, view: new DataView(bytes(secret).buffer) }
    assert.deepStrictEqual(whole(data), { body: "<redacted>", part: "<redacted>", view: "<redacted>" })
    assert.deepStrictEqual(whole({ mark: Symbol(secret), make: () => secret }), { mark: undefined, make: undefined })
  })

  // FAULTS B3: with two references back to itself, each level doubled the work
  it("whole ends at an object that holds itself", () => {
    const response: Record<string, unknown> = { status: 500 }
    const request: Record<string, unknown> = { response, again: response, path: "/x" }
    Object.assign(response, { request, also: request })
    assert.deepStrictEqual(whole(response), {
      status: 500,
      request: { response: undefined, again: undefined, path: "/x" },
      also: { response: undefined, again: undefined, path: "/x" }
    })
  }, 5000)

  // FAULTS B3
  it("whole searches a limited number of texts, and does not show those beyond it", () => {
    const shown = whole({ texts: Array.from({ length: 200_000 }, () => "the server is down"), more: "the end" }) as {
      readonly texts: ReadonlyArray<string>
      readonly more?: string
    }
    assert.lengthOf(shown.texts, 200_000)
    assert.strictEqual(shown.texts[0], "the server is down")
    assert.strictEqual(shown.texts.at(-1), "<redacted>")
    assert.strictEqual(shown.more, "<redacted>")
  }, 10_000)

  it("whole shows nothing of an object that throws when it is read", () => {
    const refusing = new Proxy({}, {
      ownKeys: () => {
        throw new Error(secret)
      }
    })
    assert.deepStrictEqual(whole({ refusing, status: 1 }), { refusing: {}, status: 1 })
  })
})
