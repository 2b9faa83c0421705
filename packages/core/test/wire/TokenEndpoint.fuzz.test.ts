import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Cause, Duration, Effect, Exit, FastCheck, Logger, Option, Redacted, TestClock } from "effect"
import { AccessToken, ClientAuthentication, Grant, TokenError, TokenRequest } from "../../src/index.js"
import { setup } from "../fixtures/exchange.js"

const clientSecret = "pw-7/Q+x&y z=é_1"
const serverToken = "at-5f0c9e2b7d31a846-XyZ"
const spellings = [
  clientSecret,
  new URLSearchParams([["", clientSecret]]).toString().slice(1),
  encodeURIComponent(clientSecret),
  Buffer.from(clientSecret).toString("base64"),
  Buffer.from(`svc:${clientSecret}`).toString("base64"),
  Buffer.from(`svc:${new URLSearchParams([["", clientSecret]]).toString().slice(1)}`).toString("base64")
]

const status = FastCheck.oneof(
  FastCheck.constantFrom(200, 201, 204, 302, 400, 401, 403, 429, 500, 503),
  FastCheck.integer({ min: 0, max: 1100 })
)

const headers = FastCheck.dictionary(
  FastCheck.oneof(
    FastCheck.constantFrom("content-type", "retry-after", "retry-after-ms", "location", "date", "__proto__"),
    FastCheck.string({ maxLength: 12 })
  ),
  FastCheck.oneof(
    FastCheck.constantFrom("application/json", "text/html", "120", "-3", "//evil", "Wed, 28 Feb 2024 12:00:00 GMT"),
    FastCheck.constantFrom(...spellings),
    FastCheck.string()
  ),
  { maxKeys: 5 }
)

/** Text with secrets somewhere in it: the sent ones in any spelling, and a token under its usual name. */
const leaky = FastCheck.oneof(
  { weight: 3, arbitrary: FastCheck.string({ unit: "binary", maxLength: 40 }) },
  FastCheck.constantFrom(...spellings),
  FastCheck.constantFrom(`access_token=${serverToken}`, `"refresh_token": "${serverToken}"`, `Bearer ${serverToken}`),
  FastCheck.tuple(FastCheck.string({ maxLength: 210 }), FastCheck.constantFrom(...spellings), FastCheck.string())
    .map((parts) => parts.join(" "))
)

const value = FastCheck.oneof(leaky, FastCheck.jsonValue({ maxDepth: 2 }), FastCheck.double(), FastCheck.integer())

const member = FastCheck.oneof(
  FastCheck.constantFrom("error", "error_description", "message", "token_type", "expires_in", "scope", "expires_on"),
  FastCheck.constantFrom("refresh_in", "ok", "errors", "error_uri", "description", "expires", "__proto__", "code"),
  FastCheck.string({ maxLength: 10 })
)

const body: FastCheck.Arbitrary<string | Uint8Array> = FastCheck.oneof(
  FastCheck.uint8Array({ maxLength: 300 }),
  leaky,
  FastCheck.json(),
  FastCheck.dictionary(member, value, { maxKeys: 6 }).map((members) => JSON.stringify(members)),
  FastCheck.dictionary(member, value, { maxKeys: 6 }).map((members) =>
    JSON.stringify({ access_token: serverToken, refresh_token: serverToken, ...members })
  ),
  FastCheck.dictionary(member, value, { maxKeys: 6 }).map((members) =>
    JSON.stringify({ access_token: `${serverToken}\n`, ...members }).slice(0, -1)
  ),
  FastCheck.dictionary(member, leaky, { maxKeys: 6 }).map((members) =>
    new URLSearchParams({ access_token: serverToken, ...members }).toString()
  ),
  leaky.map((text) => `<html>${text}</html>`)
)

const reply = FastCheck.record({
  status,
  headers,
  pieces: FastCheck.array(body, { maxLength: 3 }),
  end: FastCheck.constantFrom("complete", "complete", "complete", "reset", "hang")
}).map(({ end, headers, pieces, status }) => Reply.respond({ status, headers, body: pieces, end: end as "complete" }))

/** All renderings of a result that a program may print. */
const renderings = (exit: Exit.Exit<AccessToken.AccessToken, TokenError.RequestError>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.zip(
      Logger.map(Logger.stringLogger, (line) => void lines.push(line)),
      Logger.map(Logger.jsonLogger, (line) => void lines.push(line))
    )
    const subject = Exit.isSuccess(exit) ? exit.value : Option.getOrThrow(Cause.failureOption(exit.cause))
    yield* Effect.logError("failed", subject, exit).pipe(
      Effect.annotateLogs("subject", subject),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
    return [
      ...lines,
      inspect(exit, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }),
      inspect(subject, { depth: 12 }),
      JSON.stringify(exit),
      JSON.stringify(subject),
      String(exit),
      String(subject),
      Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "",
      subject instanceof Error ? `${subject.message}${subject.stack}` : ""
    ]
  })

const bounded = (u: unknown): boolean =>
  typeof u !== "object" || u === null ||
  Object.entries(u).every(([name, value]) => name === "stack" || typeof value !== "string" || value.length <= 700)

describe("TokenEndpoint: anything a server may send", () => {
  for (
    const [name, authentication] of [
      ["basic", ClientAuthentication.basic(Redacted.make(clientSecret))],
      ["basicRaw", ClientAuthentication.basicRaw(Effect.succeed(Redacted.make(clientSecret)))],
      ["post", ClientAuthentication.post(Redacted.make(clientSecret))]
    ] as const
  ) {
    it.effect.prop(
      `I9 I13 ${name}: a token or a typed error, never a defect, and no secret in any rendering`,
      { reply },
      ({ reply }) =>
        Effect.gen(function*() {
          const { endpoint, server } = yield* setup({ clientId: "svc", authentication })
          yield* server.enqueue(reply)
          const fiber = yield* Effect.fork(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
          if (reply._tag === "Respond" && reply.end === "hang") yield* TestClock.adjust("10 seconds")
          const exit = yield* fiber.await
          if (Exit.isFailure(exit)) {
            const error = Option.getOrThrow(Cause.failureOption(exit.cause))
            assert.isTrue(Cause.isFailType(exit.cause), inspect(exit.cause))
            assert.isTrue(TokenError.isTokenError(error))
            assert.isTrue(bounded(error), inspect(error))
          } else {
            const { expiresAt, issuedAt, value } = exit.value
            assert.isTrue(AccessToken.isAccessToken(exit.value))
            assert.isTrue(/^[\x21-\x7e]+$/.test(Redacted.value(value)))
            assert.isTrue(Option.isNone(expiresAt) || Number.isSafeInteger(expiresAt.value))
            assert.isTrue(Option.isNone(expiresAt) || expiresAt.value >= issuedAt)
            assert.isTrue(Option.isNone(expiresAt) || expiresAt.value - issuedAt <= Duration.toMillis("3650 days"))
          }
          for (const rendering of yield* renderings(exit)) {
            for (const spelling of [...spellings, serverToken]) {
              assert.notInclude(rendering, spelling)
              // inside a JSON string
              assert.notInclude(rendering, JSON.stringify(spelling).slice(1, -1))
            }
          }
        }),
      { fastCheck: { numRuns: 120 } }
    )
  }
})
