/** What the tests of `doctor` set faults up with: real servers on loopback, and a profile that leads there. */
import { spawn } from "node:child_process"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import type { Server as NetServer, Socket } from "node:net"
import { connect } from "node:net"
import type * as Tls from "node:tls"
import { NodeContext, NodeHttpClient, Undici } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import type { BrokerConfig } from "@effect-bearer/broker"
import type { Scope } from "effect"
import { Effect, Layer } from "effect"
import { examine } from "../../src/doctor/examine.js"
import type { Code } from "../../src/doctor/findings.js"
import * as plan from "../../src/doctor/plan.js"
import type { Report } from "../../src/doctor/report.js"
import { defaults } from "../../src/settings/environmentProfile.js"
import type { Environment } from "../../src/settings/places.js"
import type { Chosen } from "../../src/settings/settings.js"

/** Nothing that is told may hold these. */
export const secret = "s3cr3t-correct-horse-battery+staple/="
export const tokenText = "tok3n-of-nobody-in-particular"

/** Codes that were found by any test of this process. */
export const reached = new Set<Code>()

// ---------------------------------------------------------------------------------------------------------------
// servers
// ---------------------------------------------------------------------------------------------------------------

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

export type Respond = (request: Received, response: ServerResponse) => void

export interface Server {
  readonly origin: string
  readonly port: number
  readonly received: ReadonlyArray<Received>
  /** How many of them came to a path. */
  readonly count: (path: string) => number
}

const listening = <S extends NetServer>(server: S): Effect.Effect<number, never, Scope.Scope> => {
  const open = new Set<Socket>()
  server.on("connection", (socket) => {
    open.add(socket)
    socket.on("error", () => {})
    socket.once("close", () => open.delete(socket))
  })
  return Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        open.forEach((socket) => socket.destroy())
      })
  )
}

/** Any server, for as long as the scope is open. */
export const listen = listening

/** A server that can be stopped so that not even the system takes connections for it. */
export const stuck = Effect.gen(function*() {
  const script = "const s=require('net').createServer();" +
    "s.listen({port:0,host:'127.0.0.1',backlog:1},()=>console.log(s.address().port))"
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] })),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  const port = yield* Effect.async<number>((resume) => {
    child.stdout.once("data", (chunk: Buffer) => resume(Effect.succeed(Number(chunk.toString("utf8")))))
  })
  const fill = Effect.acquireRelease(
    Effect.sync(() => {
      child.kill("SIGSTOP")
      return Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => {}))
    }),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
  )
  // the queue is full when the two that it has room for are in it
  const stop = Effect.flatMap(fill, (sockets) =>
    Effect.async<void>((resume) => {
      let answered = 0
      sockets.forEach((socket) =>
        socket.once("connect", () => {
          if (++answered === 2) resume(Effect.void)
        })
      )
    }))
  return { port, stop }
})

const collecting =
  (received: Array<Received>, respond: Respond) => (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const one = {
        method: request.method ?? "",
        path: new URL(request.url ?? "/", "http://server").pathname,
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8")
      }
      received.push(one)
      respond(one, response)
    })
  }

export const serve = (
  respond: Respond,
  options: { readonly tls?: Tls.TlsOptions | undefined } = {}
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const received: Array<Received> = []
    const onRequest = collecting(received, respond)
    const server: NetServer = options.tls === undefined
      ? Http.createServer(onRequest)
      : Https.createServer(options.tls, onRequest)
    if (options.tls !== undefined) server.on("tlsClientError", () => {})
    const port = yield* listening(server)
    return {
      origin: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
      port,
      received,
      count: (path) => received.filter((one) => one.path === path).length
    }
  })

export const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Http.OutgoingHttpHeaders = {}
): void => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

export const html = (response: ServerResponse, status: number, headers: Http.OutgoingHttpHeaders = {}): void =>
  void response.writeHead(status, { "content-type": "text/html", ...headers }).end(
    "<!doctype html><html><title>Sign in</title></html>"
  )

let issued = 0

/** An answer with a token, another one each time. */
export const granted = (response: ServerResponse, more: Readonly<Record<string, unknown>> = {}, headers = {}): void =>
  json(
    response,
    200,
    { access_token: `${tokenText}-${issued++}`, token_type: "Bearer", expires_in: 3600, ...more },
    headers
  )

/** A JWT that nobody has signed. */
export const jwt = (claims: Readonly<Record<string, unknown>>): string =>
  [{ alg: "none" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".") + ".c2ln"

// ---------------------------------------------------------------------------------------------------------------
// examinations
// ---------------------------------------------------------------------------------------------------------------

export const profileOf = (given: Partial<BrokerConfig.Profile>): BrokerConfig.Profile => ({
  ...defaults,
  clientId: "reports",
  authentication: { method: "basic", secret: { env: "CALLS_SECRET" } },
  ...given
})

export interface Options {
  readonly env?: Environment | undefined
  readonly try?: boolean | undefined
  readonly api?: string | undefined
  readonly store?: BrokerConfig.Store | undefined
  readonly from?: string | undefined
}

/** A folder that is not there, in one that is: the user's own store is left alone. */
const environmentOf = (env: Environment): Environment => ({
  CALLS_SECRET: secret,
  EFFECT_BEARER_CACHE: "/tmp/effect-bearer-doctor-has-no-such-folder",
  ...env
})

const client = (env: Environment) => {
  const httpProxy = env["HTTP_PROXY"]
  const httpsProxy = env["HTTPS_PROXY"]
  return NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(Layer.scoped(
    NodeHttpClient.Dispatcher,
    Effect.acquireRelease(
      Effect.sync((): Undici.Dispatcher =>
        httpProxy === undefined && httpsProxy === undefined ? new Undici.Agent() : new Undici.EnvHttpProxyAgent({
          ...httpProxy === undefined ? {} : { httpProxy },
          ...httpsProxy === undefined ? {} : { httpsProxy },
          noProxy: ""
        })
      ),
      (dispatcher) => Effect.promise(() => dispatcher.destroy())
    )
  )))
}

/** Examines a profile, and checks what holds for every report: no secret in it, and no more requests than announced. */
export const diagnose = (
  profile: Partial<BrokerConfig.Profile>,
  options: Options = {}
): Effect.Effect<Report> =>
  Effect.gen(function*() {
    const environment = environmentOf(options.env ?? {})
    const chosen: Chosen = {
      name: "calls",
      profile: profileOf(profile),
      from: options.from ?? "broker.yaml",
      store: options.store
    }
    const wanted = { try: options.try ?? false, api: options.api === undefined ? undefined : new URL(options.api) }
    const report = yield* Effect.provide(
      examine(chosen, { ...wanted, environment }),
      Layer.merge(NodeContext.layer, client(environment))
    )
    const most = plan.most(chosen, wanted)
    for (const [place, count] of Object.entries(report.requests)) {
      assert.isAtMost(count, most[place as keyof typeof most], place)
    }
    const told = JSON.stringify(report)
    for (const hidden of [secret, tokenText, Buffer.from(`reports:${secret}`).toString("base64")]) {
      assert.notInclude(told, hidden)
    }
    report.findings.forEach(({ code, evidence, fix }) => {
      reached.add(code)
      assert.match(evidence, /\.$/, code)
      assert.match(fix, /\.$/, code)
    })
    return report
  })

export const codesOf = (report: Report): ReadonlyArray<Code> => report.findings.map(({ code }) => code)

export const evidenceOf = (report: Report, code: Code): string =>
  report.findings.find((finding) => finding.code === code)?.evidence ?? ""

export const checkOf = (report: Report, check: string) => report.checks.find((one) => one.check.startsWith(check))
