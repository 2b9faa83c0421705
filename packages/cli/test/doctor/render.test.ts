import { assert, describe, it } from "@effect/vitest"
import { finding } from "../../src/doctor/findings.js"
import * as plan from "../../src/doctor/plan.js"
import * as render from "../../src/doctor/render.js"
import type { Report } from "../../src/doctor/report.js"
import { profileOf } from "./Fixture.js"

const report: Report = {
  profile: "calls",
  from: "broker.yaml",
  checks: [
    { check: "variables", outcome: "ok", detail: "" },
    { check: "connection", outcome: "found", detail: "not shown of what was found" },
    { check: "token request", outcome: "skipped", detail: "no way there" },
    { check: "scopes", outcome: "skipped", detail: "no way there" },
    { check: "store", outcome: "skipped", detail: "not there yet" }
  ],
  findings: [finding("connection-refused", "the host refuses.", "Check the port, and whether the server runs at all.")],
  requests: { connections: 1, vault: 0, metadata: 0, token: 0, introspection: 0, revocation: 0, api: 0 }
}

const plain = { colour: false, columns: 40, isTerminal: false }

describe("doctor: the report", () => {
  it("the report for people is a list of findings, each with what to do", () => {
    assert.strictEqual(
      render.text(report, plain),
      [
        "✔ variables",
        "✖ connection",
        "– token request, scopes: no way there",
        "– store: not there yet",
        "",
        "1 finding:",
        "",
        "1. The connection was refused",
        "   The host refuses.",
        "   Fix: Check the port, and whether the",
        "   server runs at all.",
        "   [connection-refused]",
        "",
        "More about one: effect-bearer explain connection-refused"
      ].join("\n")
    )
  })

  it("the report on a terminal has colours, and the same words", () => {
    const coloured = render.text(report, { ...plain, colour: true })
    assert.include(coloured, "\u001b[31m✖\u001b[39m connection")

    assert.strictEqual(coloured.replace(/\u001b\[\d+m/g, ""), render.text(report, plain))
  })

  it("the report for programs is one JSON object", () => {
    assert.deepStrictEqual(JSON.parse(render.json(report)), report)
  })
})

describe("doctor: the list of requests that it is going to send", () => {
  const text = (profile: Parameters<typeof profileOf>[0], wanted: Partial<plan.Wanted> = {}) =>
    plan.text({ name: "calls", profile: profileOf(profile), from: "broker.yaml", store: undefined }, {
      try: false,
      api: undefined,
      ...wanted
    })

  it("the list has no more requests than needed", () => {
    assert.strictEqual(
      text({ tokenEndpoint: "https://a.example/token" }),
      "Sends at most: 1 connection without a request, 2 token requests. The second token request shows whether the same " +
        "token comes again. In the token store a key of its own is written, read and removed."
    )
  })

  it("the list grows with the checks that were asked for", () => {
    assert.match(
      text({ issuer: "https://a.example" }, { try: true, api: new URL("https://api.example") }),
      /^Sends at most: 3 connections .*, 2 requests for metadata, 4 token requests, 1 introspection .*, 1 revocation .*, 1 GET request to the API\./
    )
  })

  it("the list has no token request for a refresh token", () => {
    const grant = { type: "refresh_token", refreshToken: { env: "REFRESH" } } as const
    assert.match(text({ tokenEndpoint: "https://a.example/token", grant }), /No token request: a refresh token may be/)
  })
})
