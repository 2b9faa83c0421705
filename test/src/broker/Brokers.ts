/** Brokers in processes of their own, as they run in the field. All of them are gone when the scope is closed. */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CallerKey } from "@effect-bearer/broker"
import type { Scope } from "effect"
import { Deferred, Effect, Redacted } from "effect"
import { bundle } from "../../bundle.js"

const program = bundle(new URL(".", import.meta.url), ["serve.ts"])

/** One broker. */
export interface Broker {
  readonly origin: string
  readonly file: string
  /** What it wrote to standard output and standard error. */
  readonly output: () => string
  readonly signal: (name: "SIGKILL" | "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
  /** Waits for its end: the exit code, or the signal. */
  readonly ended: Effect.Effect<number | string>
}

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "brokers-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A broker of this configuration, in the form of its file. */
export const start = (config: unknown): Effect.Effect<Broker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const file = join(yield* folder, "broker.json")
    writeFileSync(file, JSON.stringify(config))
    const listening = yield* Deferred.make<ReadonlyArray<string>>()
    const end = yield* Deferred.make<number | string>()
    let output = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync((): ChildProcess =>
        spawn(process.execPath, ["--enable-source-maps", program("serve.ts"), file], {
          stdio: ["ignore", "pipe", "pipe", "ipc"]
        })
      ),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => output += text)
    }
    child.on("message", (addresses: ReadonlyArray<string>) => Deferred.unsafeDone(listening, Effect.succeed(addresses)))
    child.on("close", (code, signal) => {
      Deferred.unsafeDone(end, Effect.succeed(code ?? signal ?? "unknown"))
      Deferred.unsafeDone(listening, Effect.die(new Error(`The broker has ended (${signal ?? code}). ${output}`)))
    })
    const [origin] = yield* Deferred.await(listening)
    return {
      origin: origin!,
      file,
      output: () => output,
      signal: (name) => Effect.sync(() => void child.kill(name)),
      ended: Deferred.await(end)
    }
  })

export const newKey = Effect.map(CallerKey.generate, ({ digest, key }) => ({ key: Redacted.value(key), digest }))

/** What a flow is answered; status 0 for no answer. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: {
    readonly access_token?: string
    readonly expires_in?: number
    readonly status?: string
    readonly error?: string
    readonly message?: string
  }
}

const none: Answer = { status: 0, headers: {}, body: {} }

/** One flow asks: SPEC C2. */
export const check = (origin: string, key: string, clientId: string, agent?: Http.Agent): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const request = Http.request(new URL("/auth/token/check", origin), {
      method: "POST",
      agent: agent ?? false,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }
    }, (response) => {
      let text = ""
      let isWhole = false
      response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
      response.on("end", () => (isWhole = true))
      response.on("close", () =>
        resume(Effect.succeed(
          isWhole ? { status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) } : none
        )))
    })
    request.on("error", () => resume(Effect.succeed(none)))
    request.end(JSON.stringify({ client_id: clientId, request_timestamp: new Date().toISOString() }))
  })
