import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/examples/support/AuthorizationServer"
import { ProtectedApi } from "@effect-bearer/examples/support/ProtectedApi"
import { Effect, Redacted } from "effect"
import { bundle } from "../bundle.js"
import { servers } from "./harness.js"

const program = bundle(new URL("../../examples/src/main-job/", import.meta.url), ["main.ts"])

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the main job as `npm start` does; `watch` sees its output as it comes, and may signal it. */
const mainJob = (
  env: Record<string, string>,
  watch?: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void
) =>
  Effect.async<Ended>((resume) => {
    const { OAUTH_TOKEN_ENDPOINT: _, OAUTH_CLIENT_ID: __, OAUTH_CLIENT_SECRET: ___, ...inherited } = process.env
    const child = spawn(process.execPath, [program("main.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...inherited, ...env }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
      watch?.(stdout, (signal) => child.kill(signal))
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
    child.on("close", (code, signal) => resume(Effect.succeed({ code, signal, stdout, stderr })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

/** Signals the job once it shows that it is at work. */
const stopWith = (signal: NodeJS.Signals) => {
  let sent = false
  return (stdout: string, kill: (signal: NodeJS.Signals) => void) => {
    if (sent || !/\d calls/.test(stdout)) return
    sent = true
    kill(signal)
  }
}

const number = (stdout: string, row: RegExp): number =>
  Number(new RegExp(`^ *${row.source} +([\\d,]+)`, "m").exec(stdout)?.[1]?.replaceAll(",", "") ?? NaN)

describe("the main job", () => {
  // I1, I2, I5, SPEC B1, B4, D6
  it.live("keeps its promises and says so", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* mainJob({ MAIN_JOB_SECONDS: "1" })
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0, stdout)
      assert.notInclude(stdout, "BROKEN")
      assert.lengthOf(stdout.match(/^ +held /gm) ?? [], 5)
      assert.isAbove(number(stdout, /API calls answered/), 50)
      assert.strictEqual(number(stdout, /Failures seen by callers/), 0)
      assert.isAtLeast(number(stdout, /answered with a token/), 4)
      assert.isAtLeast(number(stdout, /turned away in the outage/), 1)
    }))

  it.live("ends with exit code 1 when a promise is broken", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* mainJob({ MAIN_JOB_SECONDS: "1", MAIN_JOB_SABOTAGE: "refuse-tokens" })
      assert.strictEqual(code, 1, stdout)
      assert.match(stdout, /BROKEN {2}no call fails/)
      assert.isAbove(number(stdout, /Failures seen by callers/), 0)
    }))

  // I8
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.live(`stops at ${signal}, with the numbers so far`, () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* mainJob({ MAIN_JOB_SECONDS: "600" }, stopWith(signal))
        assert.strictEqual(code, 130, stderr)
        assert.match(stdout, /API calls answered/)
      }))
  }
})

describe("the main job against a server out there", () => {
  it.scopedLive("uses the server and the API that the environment names", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const api = yield* ProtectedApi
      const { code, stderr, stdout } = yield* mainJob({
        MAIN_JOB_SECONDS: "4",
        OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
        OAUTH_CLIENT_ID: server.clients.basic.id,
        OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret),
        OAUTH_SCOPES: "calls:read",
        OAUTH_API_URL: api.callsUrl
      })
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0, stdout)
      const seen = yield* api.seen
      assert.isAtLeast(seen.statuses[200] ?? 0, 2)
      assert.strictEqual(number(stdout, /API calls that succeeded/), seen.calls)
      // the token is renewed after three quarters of its life at the latest, and nothing is under way at the end
      const { tokensIssued } = yield* server.seen
      assert.isAtLeast(tokensIssued, 2)
      assert.strictEqual(number(stdout, /Tokens acquired/), tokensIssued)
    }).pipe(Effect.provide(servers({ lifetime: "6 seconds" }))))

  // FAULTS D3
  it.scopedLive("counts the token that it has asked for when its time is over", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { code, stdout } = yield* mainJob({
        MAIN_JOB_SECONDS: "1",
        OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
        OAUTH_CLIENT_ID: server.clients.basic.id,
        OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret)
      })
      assert.strictEqual(code, 0, stdout)
      // the first answer comes after 1.5 seconds, the second request leaves before 2.25 seconds are over, and at the end,
      // after 2.5 seconds, its answer is still to come
      const { tokensIssued } = yield* server.seen
      assert.isAtLeast(tokensIssued, 2)
      assert.strictEqual(number(stdout, /Tokens acquired/), tokensIssued)
    }).pipe(Effect.provide(servers({ lifetime: "3 seconds", latency: "1500 millis" }))))

  it.scopedLive("keeps a token fresh when there is no API", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { code, stdout } = yield* mainJob({
        MAIN_JOB_SECONDS: "3",
        OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
        OAUTH_CLIENT_ID: server.clients.basic.id,
        OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret)
      })
      assert.strictEqual(code, 0, stdout)
      const { tokensIssued } = yield* server.seen
      assert.isAtLeast(tokensIssued, 2)
      assert.strictEqual(number(stdout, /Tokens acquired/), tokensIssued)
    }).pipe(Effect.provide(servers({ lifetime: "2 seconds" }))))

  // SPEC A1, B8
  it.live("names what is missing", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* mainJob({ OAUTH_CLIENT_ID: "calls" })
      assert.strictEqual(code, 1)
      assert.include(stderr, "OAUTH_TOKEN_ENDPOINT")
      assert.include(stderr, "OAUTH_CLIENT_SECRET")
    }))

  // I9, SPEC E2
  it.scopedLive("says that the secret is wrong, and shows it to nobody", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer
      const { code, stderr, stdout } = yield* mainJob({
        OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
        OAUTH_CLIENT_ID: server.clients.basic.id,
        OAUTH_CLIENT_SECRET: "hunter2-is-wrong"
      })
      assert.strictEqual(code, 1)
      assert.include(stderr, "invalid_client")
      assert.notInclude(stderr + stdout, "hunter2")
    }).pipe(Effect.provide(servers())))
})
