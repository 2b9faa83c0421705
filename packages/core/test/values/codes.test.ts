/** Messages of errors, and the log lines of anomalies, end with a code. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Effect, Logger, LogLevel, Metric, Option } from "effect"
import * as Schemas from "../../src/edge/Schemas.js"
import { Disclosure, TokenError, TokenEvent } from "../../src/index.js"
import * as telemetry from "../../src/lifecycle/telemetry.js"

const down = new TokenError.EndpointUnavailable({
  endpoint: "https://login.example.com/oauth/token",
  status: 503,
  retryAfter: Option.none(),
  description: Option.none()
})

describe("the code of an error", () => {
  it.prop(
    "the code of an error is at the end of its message, whatever the error holds",
    [Arbitrary.make(Schemas.TokenError)],
    ([error]) => {
      assert.include(TokenError.codes, TokenError.codeOf(error))
      assert.isTrue(error.message.endsWith(` [${TokenError.codeOf(error)}]`), error.message)
    }
  )

  it("the code of an error does not replace the code of the system", () => {
    const error = new TokenError.TransportError({
      endpoint: "https://login.example.com/oauth/token",
      code: Option.some("ECONNREFUSED"),
      detail: "connection refused"
    })
    assert.deepStrictEqual(error.code, Option.some("ECONNREFUSED"))
    assert.strictEqual(
      error.message,
      "No answer from https://login.example.com/oauth/token: connection refused (ECONNREFUSED). Check the host name, " +
        "the port and the network path. [transport-error]"
    )
  })

  it("the code of an error follows the code of the error inside", () => {
    const exhausted = new TokenError.RetriesExhausted({
      attempts: 3,
      elapsed: Duration.seconds(2),
      last: down,
      retryAt: Option.none()
    })
    assert.strictEqual(
      exhausted.message,
      "Gave up after 3 attempts. Last: https://login.example.com/oauth/token answered 503 and cannot serve now. " +
        "[endpoint-unavailable] [retries-exhausted]"
    )
    const elsewhere = new TokenError.FailedElsewhere({
      error: down._tag,
      detail: down.message,
      retryAfter: Option.none()
    })
    assert.strictEqual(
      elsewhere.message,
      "Another process that shares this token has just failed to get it (EndpointUnavailable): " +
        `${down.message} [failed-elsewhere]`
    )
  })
})

const counted = ({ _tag }: TokenEvent.TokenEvent) =>
  Effect.map(Metric.value(Metric.tagged(telemetry.anomalies, "kind", _tag)), ({ count }) => count)

describe("both codes", () => {
  it("codes are still readable in a message that was stored for other processes", () => {
    const stored = Disclosure.make([], { keepsUuids: true })
    for (const code of [...TokenError.codes, ...TokenEvent.anomalyCodes]) {
      assert.strictEqual(stored.text(`no token came. [${code}]`), `no token came. [${code}]`)
    }
  })
})

describe("the code of an event", () => {
  it.effect.prop(
    "the code of an event is at the end of its log line exactly if the event counts as an anomaly",
    [Arbitrary.make(Schemas.TokenEvent)],
    ([event]) =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const before = yield* counted(event)
        const logger = Logger.make(({ message }) => void lines.push(String(message)))
        yield* telemetry.report(event).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
          Logger.withMinimumLogLevel(LogLevel.All)
        )
        assert.lengthOf(lines, 1)
        const isCounted = (yield* counted(event)) > before
        assert.strictEqual(TokenEvent.isAnomaly(event), isCounted)
        assert.strictEqual(lines[0]!.endsWith(` [${TokenEvent.codeOf(event)}]`), isCounted, lines[0])
        assert.strictEqual(/\]$/.test(lines[0]!), isCounted, lines[0])
      })
  )
})
