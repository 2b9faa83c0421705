/** Every code has a page, every page has a code, and every message says its code. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Arbitraries } from "@effect-bearer/testing"
import { Duration, FastCheck, Option } from "effect"
import { Scopes, TokenError, TokenEvent } from "effect-bearer"
import { codes as findingCodes } from "../../packages/cli/src/doctor/findings.js"

/** All lists of codes, each with its heading in the index. A new list is one more line here. */
const lists: ReadonlyArray<readonly [heading: string, codes: ReadonlyArray<string>]> = [
  ["Errors", TokenError.codes],
  ["Anomalies", TokenEvent.anomalyCodes],
  ["Findings of `effect-bearer doctor`", findingCodes]
]

const codes = lists.flatMap(([, codes]) => codes)
const headings = ["What it means", "Why it happens", "What to do"]

const folder = fileURLToPath(new URL("../../docs/errors/", import.meta.url))
const read = (file: string) => readFileSync(folder + file, "utf8")

/** The parts of a text that begin with a `##`, without code blocks, in which a `#` is something else. */
const sectionsOf = (text: string) =>
  text.replace(/^ *```[^]*?^ *```$/gm, "(code)").split(/^## /m).slice(1).map((section) => {
    const end = section.indexOf("\n")
    return { heading: section.slice(0, end), body: section.slice(end).trim() }
  })

/** The paragraph below the title. */
const summaryOf = (page: string): string => page.split("\n\n")[1]?.replace(/\s+/g, " ").trim() ?? ""

/** Files that a text links to; addresses elsewhere are left out. */
const linksIn = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g), ([, target]) => target!).filter((target) =>
    !/^https?:/.test(target)
  )

describe("pages of errors", () => {
  it("there is one for each code, and none besides", () => {
    assert.strictEqual(new Set(codes).size, codes.length, "two things have the same code")
    assert.deepStrictEqual(readdirSync(folder).sort(), [...codes.map((code) => `${code}.md`), "README.md"].sort())
  })

  for (const code of codes) {
    it(`${code} says what it means, why it happens and what to do`, () => {
      const page = read(`${code}.md`)
      assert.strictEqual(page.slice(0, page.indexOf("\n")), `# ${code}`)
      assert.match(summaryOf(page), /^[A-Z`].*\.$/)
      const sections = sectionsOf(page)
      assert.deepStrictEqual(sections.map(({ heading }) => heading), headings)
      for (const { body, heading } of sections) assert.isAbove(body.length, 80, heading)
      for (const target of linksIn(page)) assert.isTrue(existsSync(folder + target), target)
    })
  }

  it("the index lists each below its heading, with the summary of its page", () => {
    const sections = new Map(sectionsOf(read("README.md")).map(({ body, heading }) => [heading, body]))
    for (const [heading, codes] of lists) {
      const lines = (sections.get(heading) ?? "").split("\n").filter((line) => line.startsWith("- "))
      assert.deepStrictEqual(lines, codes.map((code) => `- [${code}](${code}.md): ${summaryOf(read(`${code}.md`))}`))
    }
  })
})

// --- messages -------------------------------------------------------------------------------------------------------

type Samples = {
  readonly [Tag in TokenError.TokenError["_tag"]]: Extract<TokenError.TokenError, { readonly _tag: Tag }>
}

const endpoint = "https://login.example.com/oauth/token"
const unavailable = new TokenError.EndpointUnavailable({
  endpoint,
  status: 503,
  retryAfter: Option.some(Duration.seconds(7)),
  description: Option.none()
})

/** A member that is added to `TokenError` is missing here, and the compiler says so. */
const samples: Samples = {
  TransportError: new TokenError.TransportError({
    endpoint,
    code: Option.some("ECONNRESET"),
    detail: "socket hang up"
  }),
  EndpointTimeout: new TokenError.EndpointTimeout({ endpoint, phase: "total", limit: Duration.seconds(10) }),
  RateLimited: new TokenError.RateLimited({
    endpoint,
    status: 429,
    retryAfter: Option.none(),
    description: Option.some("slow down")
  }),
  EndpointUnavailable: unavailable,
  FailedElsewhere: new TokenError.FailedElsewhere({
    error: unavailable._tag,
    detail: unavailable.message,
    retryAfter: Option.none()
  }),
  OAuthError: new TokenError.OAuthError({
    endpoint,
    error: "invalid_client",
    description: Option.none(),
    uri: Option.none(),
    status: 401,
    advice: Option.some("The client id or the secret is wrong.")
  }),
  MalformedResponse: new TokenError.MalformedResponse({
    endpoint,
    status: 200,
    contentType: "text/html",
    detail: "the reply is HTML",
    excerpt: "HTML, 12 bytes"
  }),
  RejectedByEndpoint: new TokenError.RejectedByEndpoint({
    endpoint,
    status: 404,
    contentType: "",
    excerpt: "",
    advice: Option.some("There is nothing at this URL.")
  }),
  ScopeNotGranted: new TokenError.ScopeNotGranted({
    requested: Scopes.make("a b"),
    granted: Scopes.make("a"),
    missing: Scopes.make("b"),
    renamed: []
  }),
  InvalidConfiguration: new TokenError.InvalidConfiguration({ fields: ["clientId"], detail: "the client id is blank" }),
  TlsError: new TokenError.TlsError({ endpoint, code: "CERT_HAS_EXPIRED", advice: "Have the certificate renewed." }),
  AuthenticationRequired: new TokenError.AuthenticationRequired({ reason: "the refresh token has expired" }),
  RetriesExhausted: new TokenError.RetriesExhausted({
    attempts: 3,
    elapsed: Duration.seconds(2),
    last: unavailable,
    retryAt: Option.some(0)
  }),
  CircuitOpen: new TokenError.CircuitOpen({ retryAt: Option.none() })
}

/** What stands at the end of a message, for who finds the page from a log. */
const endOf = (message: string): string | undefined => / \[([a-z-]+)\]$/.exec(message)?.[1]

describe("messages of errors", () => {
  it("all end with the code, and there are no other codes", () => {
    const found = Object.values(samples).map((error) => endOf(error.message))
    assert.deepStrictEqual(found, Object.values(samples).map(TokenError.codeOf))
    assert.sameMembers(found, [...TokenError.codes])
  })

  it("codes of errors inside stand before that of the error itself", () => {
    assert.match(samples.RetriesExhausted.message, /cannot serve now\. \[endpoint-unavailable\] \[retries-exhausted\]$/)
    assert.match(samples.FailedElsewhere.message, /cannot serve now\. \[endpoint-unavailable\] \[failed-elsewhere\]$/)
  })

  it.prop("whatever they hold", [FastCheck.oneof(Arbitraries.transient, Arbitraries.fatal)], ([error]) => {
    assert.strictEqual(endOf(error.message), TokenError.codeOf(error))
  })
})
