/**
 * Row 9: the largest answer that is read, 1 MiB, in the shapes that cost most. What it takes blocks the event loop.
 */
import * as Headers from "@effect/platform/Headers"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenResponse from "effect-bearer/TokenResponse"
import type { Row } from "./harness.js"
import { atMost, interleave, median, round, spread, timed } from "./harness.js"

const size = 1_048_576

/** Milliseconds for 1 MiB. */
const target = 1000

const numbered = (length: number, item: (index: number) => string): ReadonlyArray<string> =>
  Array.from({ length }, (_, index) => item(index))

const withTokens = (bytes: number): Record<string, unknown> =>
  Object.fromEntries(
    numbered(Math.floor(bytes / 32), (index) => `m${index}_token:value-${index}`).map((pair) => pair.split(":"))
  )

/** JSON of about `bytes` bytes. */
const shapes: Readonly<Record<string, (bytes: number) => unknown>> = {
  "a token with many scopes": (bytes) => ({
    access_token: "token",
    scope: numbered(Math.floor(bytes / 14), (index) => `scope:${index}`).join(" ")
  }),
  "a token with one long scope": (bytes) => ({ access_token: "token", scope: "x".repeat(bytes - 100) }),
  "a token with many more": (bytes) => ({ access_token: "token", ...withTokens(bytes) }),
  "no token, many others": withTokens,
  "a refusal with many tokens": (bytes) => ({
    error: "refused",
    error_description: "value-1 value-2 ".repeat(500),
    ...withTokens(bytes - 8000)
  }),
  "a refusal with a long token": (bytes) => ({
    error: "refused",
    error_description: "ab".repeat(5000),
    access_token: "ab".repeat((bytes - 11_000) >> 1)
  })
}

const read = (body: Uint8Array) =>
  TokenResponse.parse({ status: 200, headers: Headers.empty, body, overflow: false }, {
    endpoint: "https://login.example.com/token",
    grantType: "client_credentials",
    request: TokenRequest.empty,
    sentAt: 0,
    receivedAt: 0,
    secrets: [Redacted.make("Zk9-s3cr3t/with+odd&chars~"), Redacted.make("c3ZjOlprOS1zM2NyM3Qvd2l0aCtvZGQmY2hhcnN+")],
    hint: Option.none(),
    authenticationAdvice: "",
    lenientTokenType: true,
    jwtExpiry: true
  })

export const largestAnswer: Row = {
  id: "9",
  title: "The largest answer of a token endpoint, 1 MiB",
  run: async ({ quick }) => {
    const bodies = Object.entries(shapes).flatMap(([name, shape]) =>
      [size / 4, size].map((bytes) =>
        [
          `${name}, ${bytes / 1024} KiB`,
          new TextEncoder().encode(JSON.stringify(shape(bytes))).subarray(0, size)
        ] as const
      )
    )
    const samples = await interleave(
      Object.fromEntries(bodies.map(([name, body]) => [name, () => timed(1, () => read(body)) / 1e6])),
      { rounds: quick ? 2 : 7, warmup: 1 }
    )
    return [{
      caption: "Milliseconds to read one answer; four times the bytes may take some four times as long.",
      columns: ["answer", "ms", "spread", "target", "verdict"],
      rows: Array.from(samples, ([name, millis]) => [
        name,
        round(median(millis), 1),
        spread(millis, 1),
        name.endsWith(" 1024 KiB") ? `<= ${target}` : "",
        name.endsWith(" 1024 KiB") ? atMost(median(millis), target, 0) : ""
      ])
    }]
  }
}
