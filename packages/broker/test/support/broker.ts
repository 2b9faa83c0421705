/** What the tests of the broker share: a broker on free loopback ports, an authorization server, and a plain HTTP client. */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import * as Http from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { AuthorizationServer } from "@effect-bearer/testing"
import { Effect, Layer, Logger, LogLevel, Redacted, Schema } from "effect"
import { Broker, BrokerConfig, BrokerServer, CallerKey } from "../../src/index.js"

/** The secret of the profile's client: no output may hold it. */
export const clientSecret = "upstream-secret-5f1d9c"

export const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "broker-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A configuration from what its file would hold. */
export const configOf = (encoded: unknown): BrokerConfig.Config =>
  Schema.decodeUnknownSync(BrokerConfig.Config)(encoded)

export interface Key {
  readonly key: string
  readonly digest: string
}

export const newKey: Effect.Effect<Key> = Effect.map(CallerKey.generate, ({ digest, key }) => ({
  key: Redacted.value(key),
  digest
}))

/** What a plain client gets. */
export interface Reply {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test looks for what it expects
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly agent?: Http.Agent
}

/** One request, with nothing added that is not asked for. */
export const ask = (origin: string, path: string, { agent, body, headers, method = "GET" }: Ask = {}) =>
  Effect.async<Reply>((resume) => {
    const { hostname, port } = new URL(origin)
    const request = Http.request(
      { host: hostname.replace(/^\[|\]$/g, ""), port, path, method, headers, agent: agent ?? false },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("close", () => {
          const text = Buffer.concat(chunks).toString()
          let json: unknown
          try {
            json = JSON.parse(text)
          } catch {
            json = undefined
          }
          resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text, json }))
        })
      }
    )
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

export const basic = (id: string, key: string) => `Basic ${Buffer.from(`${id}:${key}`).toString("base64")}`

/** Headers of a GET surface. */
export const get = (key: string) => ({ authorization: `Bearer ${key}`, "x-effect-bearer": "true" })

export const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()

export interface SetUp {
  readonly server?: Parameters<typeof AuthorizationServer.listen>[0]
  /** Members of the profile `main`, in the form of the file. */
  readonly profile?: Record<string, unknown>
  /** Further profiles. */
  readonly profiles?: Record<string, Record<string, unknown>>
  /** Members of the caller `flow`. */
  readonly caller?: Record<string, unknown>
  readonly callers?: ReadonlyArray<Record<string, unknown>>
  readonly config?: Record<string, unknown>
  /** What takes log messages and spans. Default: no messages. */
  readonly observed?: Layer.Layer<never>
}

/** A broker with the profile `main` at an authorization server of its own, and the caller `flow`. */
export const setUp = (options: SetUp = {}) =>
  Effect.gen(function*() {
    const directory = yield* folder
    const server = yield* AuthorizationServer.listen(options.server)
    const flow = yield* newKey
    const auditFile = join(directory, "audit.log")
    const encoded = {
      listen: [{ port: 0 }],
      audit: { file: auditFile },
      allowPlainSecrets: true,
      profiles: {
        main: {
          tokenEndpoint: server.tokenEndpoint,
          clientId: "upstream-client",
          authentication: { method: "basic", secret: { plain: clientSecret } },
          scopes: ["a", "b"],
          ...options.profile
        },
        ...Object.fromEntries(
          Object.entries(options.profiles ?? {}).map(([name, profile]) => [name, {
            tokenEndpoint: server.tokenEndpoint,
            clientId: `client-${name}`,
            authentication: { method: "basic", secret: { plain: clientSecret } },
            ...profile
          }])
        )
      },
      callers: [
        {
          id: "flow",
          keys: [flow.digest],
          profiles: { main: {} },
          permissions: ["status", "metrics"],
          ...options.caller
        },
        ...(options.callers ?? [])
      ],
      ...options.config
    }
    const context = yield* Layer.build(
      BrokerServer.layer.pipe(
        Layer.provideMerge(Broker.layer(configOf(encoded))),
        Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici]),
        Layer.provide(options.observed ?? Logger.minimumLogLevel(LogLevel.None))
      )
    )
    const listening = yield* Effect.provide(BrokerServer.BrokerServer, context)
    const broker = yield* Effect.provide(Broker.Broker, context)
    const origin = listening.addresses.find((address) => address.startsWith("http://127."))!
    return {
      server,
      broker,
      listening,
      encoded,
      directory,
      origin,
      key: flow.key,
      audit: Effect.promise(() => readFile(auditFile, "utf8").catch(() => "")),
      ask: (path: string, options?: Ask) => ask(origin, path, options),
      /** A token request of the caller `flow`. */
      token: (fields: Record<string, string> = {}, headers: Record<string, string> = {}, profile = "main") =>
        ask(origin, `/oauth2/${profile}/token`, {
          method: "POST",
          headers: {
            authorization: basic("flow", flow.key),
            "content-type": "application/x-www-form-urlencoded",
            ...headers
          },
          body: form({ grant_type: "client_credentials", ...fields })
        })
    }
  })

/** Asks until the answer is what is waited for; who waits for time lets it pass. */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isGood: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (value) =>
    isGood(value)
      ? Effect.succeed(value)
      : Effect.zipRight(
        Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5))),
        eventually(effect, isGood)
      ))

/** One server-sent event. */
export interface StreamEvent {
  readonly id: number
  readonly event: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test looks for what it expects
  readonly data: any
}

/** The stream of tokens of the profile `main`; comments are signs of life. */
export const openStream = (origin: string, key: string, lastId?: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const events: Array<StreamEvent> = []
      const seen = { comments: 0, ended: false }
      const { hostname, port } = new URL(origin)
      const request = Http.request({
        host: hostname,
        port,
        path: "/v1/profiles/main/tokens",
        agent: false,
        headers: { ...get(key), ...(lastId === undefined ? {} : { "last-event-id": String(lastId) }) }
      }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk
          const blocks = text.split("\n\n")
          text = blocks.pop() ?? ""
          for (const block of blocks) {
            if (block.startsWith(":")) {
              seen.comments++
              continue
            }
            const fields = Object.fromEntries(
              block.split("\n").map((line) => {
                const colon = line.indexOf(": ")
                return [line.slice(0, colon), line.slice(colon + 2)]
              })
            )
            events.push({ id: Number(fields["id"]), event: fields["event"]!, data: JSON.parse(fields["data"]!) })
          }
        })
        response.on("close", () => (seen.ended = true))
      })
      request.on("error", () => (seen.ended = true))
      request.end()
      return { request, events, seen }
    }),
    ({ request }) => Effect.sync(() => request.destroy())
  ).pipe(Effect.map(({ events, seen }) => ({
    next: Effect.map(
      eventually(Effect.sync(() => events.shift()), (event) => event !== undefined),
      (event) => event!
    ),
    comment: Effect.asVoid(eventually(Effect.sync(() => seen.comments), (count) => count > 0)),
    ended: Effect.asVoid(eventually(Effect.sync(() => seen.ended), (ended) => ended))
  })))
