import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Context, Effect, HashMap, Layer, Logger, LogLevel, Option, Redacted, TestClock } from "effect"
import { ClientAuthentication, RetryPolicy, TokenEvent, TokenSource } from "../../../src/index.js"
import * as telemetry from "../../../src/lifecycle/telemetry.js"
import { collect, tags } from "../../support/observe.js"

/** A program that asks for a token, is refused, and asks again; the lines that the library wrote, as Effect writes them. */
const linesOf = (least?: LogLevel.LogLevel) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const server = yield* AuthorizationServer.make()
    const log = Layer.mergeAll(
      Logger.replace(Logger.defaultLogger, Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))),
      Logger.minimumLogLevel(LogLevel.Debug)
    )
    const live = TokenSource.layer({
      tokenEndpoint: server.tokenEndpoint,
      clientId: "client",
      authentication: ClientAuthentication.basic(Redacted.make("s3cr3t")),
      scopes: "a b",
      retry: RetryPolicy.exponentialJitter({ maxRetries: 1 }),
      refresh: false
    }).pipe(
      Layer.provide(server.layer),
      least === undefined ? (layer) => layer : Layer.provide(TokenSource.logs(least))
    )
    const events = yield* Effect.gen(function*() {
      const tokens = Context.get(yield* Layer.build(live), TokenSource.TokenSource)
      const events = yield* collect(tokens)
      yield* server.enqueue(Reply.json({ access_token: "x", token_type: "odd", expires_in: 3600, scope: "c d" }))
      const first = yield* tokens.get()
      yield* server.setOutage(Reply.status(503))
      const renewing = yield* Effect.fork(Effect.flip(tokens.renew(first)))
      yield* TestClock.adjust("1 minute")
      yield* renewing.await
      return events
    }).pipe(Effect.provide(log))
    return { lines, events }
  })

const messages = (lines: ReadonlyArray<string>) =>
  lines.map((line) => /level=(\w+).*?message=(?:"([^"]*)"|(\S+))/.exec(line)!.slice(1).filter(Boolean).join(" "))

describe("the log", () => {
  it.scoped("each event is at most one line, and a failure that callers get is one line of them", () =>
    Effect.gen(function*() {
      const { lines } = yield* linesOf()
      assert.deepStrictEqual(messages(lines).map((line) => line.replace(/https:.*?(?= sent)/, "…")), [
        "WARN … sent the unknown token_type \\",
        "WARN scopes granted are not those requested [scope-drift]",
        "DEBUG access token acquired",
        "INFO access token refused by the API",
        "WARN access token refused before its expiry: revoked? [revoked-early]",
        "INFO token request failed and will be tried again",
        "ERROR no access token to be had [refresh-failed]"
      ])
      assert.include(lines[1], "requested=\"a b\"")
      for (const line of lines) assert.notInclude(line, "\n")
    }))

  it.scoped("`logs` leaves out what is below its level, and everything with None; events stay", () =>
    Effect.gen(function*() {
      const warnings = yield* linesOf(LogLevel.Warning)
      assert.deepStrictEqual(messages(warnings.lines).map((line) => line.split(" ")[0]), [
        "WARN",
        "WARN",
        "WARN",
        "ERROR"
      ])
      const none = yield* linesOf(LogLevel.None)
      assert.deepStrictEqual(none.lines, [])
      assert.include(tags(none.events), "RefreshFailed")
    }))

  it.effect("times are in whole milliseconds and in seconds, though the steady clock counts parts of them", () =>
    Effect.gen(function*() {
      const shown: Array<unknown> = []
      const logger = Logger.make(({ annotations }) =>
        void shown.push(Option.getOrUndefined(HashMap.get(annotations, "elapsed")))
      )
      for (const elapsed of [12.345678, 1340.000004]) {
        yield* telemetry.report(TokenEvent.TokenEvent.StoreRecovered({ at: 0, key: "k", elapsed })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
      }
      assert.deepStrictEqual(shown, ["12ms", "1s 340ms"])
    }))
})
