import { createServer } from "node:http"
import { inspect } from "node:util"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import type { Scope } from "effect"
import { Clock, Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import * as FakeCloud from "../../src/FakeCloud.js"
import { GenesysCloud } from "../../src/index.js"

export const Server = NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" })

/** A fake on a socket, and a client whose calls to any region end up there. */
export const sockets = (options: FakeCloud.Options = {}) =>
  FakeCloud.layerHttpClient.pipe(
    Layer.provide(NodeHttpClient.layer),
    Layer.provideMerge(FakeCloud.layer(options)),
    Layer.provide(Server),
    Layer.merge(Logger.minimumLogLevel(LogLevel.None))
  )

/** The service for the client the fake knows. */
export const connect = (
  options: Partial<GenesysCloud.Options> = {}
): Effect.Effect<
  GenesysCloud.Service,
  never,
  FakeCloud.FakeCloud | HttpClient.HttpClient | Scope.Scope
> =>
  Effect.flatMap(FakeCloud.FakeCloud, (fake) =>
    Effect.orDie(GenesysCloud.make({
      region: "eu_central_1",
      clientId: fake.clientId,
      clientSecret: fake.clientSecret,
      ...options
    })))

/** Runs with a fake on a socket and a service for it. */
export const withCloud = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: { readonly fake?: FakeCloud.Options; readonly cloud?: Partial<GenesysCloud.Options> } = {}
) =>
  effect.pipe(
    Effect.provide(Layer.effect(GenesysCloud.GenesysCloud, connect(options.cloud))),
    Effect.scoped,
    Effect.provide(sockets(options.fake))
  )

// --- in memory, for TestClock -------------------------------------------------------------------------------------

export const secret = "s3cr3t-0f-the-cl1ent-Zm9vYmFyYmF6cXV4"
export const token = "t0k3n-0f-the-cl1ent-Zm9vYmFyYmF6cXV4cXV1eA"

export interface Recorded {
  readonly at: number
  readonly method: string
  readonly url: string
  readonly body: string
}

export type Script = (request: Recorded, nth: number) => Response | Effect.Effect<Response>

/** A login host that always gives one token, and an API that answers as scripted. No I/O: TestClock alone moves time. */
export const memory = (script: Script, login: Script = () => tokenReply()) => {
  const calls: Array<Recorded> = []
  const logins: Array<Recorded> = []
  const client = HttpClient.make((request, url) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const recorded = { at, method: request.method, url: url.href, body }
      const isLogin = url.pathname === "/oauth/token"
      const list = isLogin ? logins : calls
      list.push(recorded)
      const response = (isLogin ? login : script)(recorded, list.length)
      return Effect.map(
        Effect.isEffect(response) ? response : Effect.succeed(response),
        (response) => HttpClientResponse.fromWeb(request, response)
      )
    })
  )
  return { client, calls, logins }
}

export const tokenReply = () => Response.json({ access_token: token, token_type: "bearer", expires_in: 86_400 })

/** The service on a client in memory. */
export const connectTo = (client: HttpClient.HttpClient, options: Partial<GenesysCloud.Options> = {}) =>
  GenesysCloud.make({
    region: "mypurecloud.de",
    clientId: "client",
    clientSecret: Redacted.make(secret),
    ...options
  }).pipe(Effect.provideService(HttpClient.HttpClient, client))

export const apiError = (
  status: number,
  code: string,
  members: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {}
) =>
  Response.json(
    { message: "It did not work", code, status, contextId: "c0ffee", details: [], errors: [], ...members },
    { status, headers: { "inin-correlation-id": "c0rre1ation", ...headers } }
  )

export const organization = () => Response.json({ id: "org", name: "Org", version: 1 })

/** Every way a value is printed. */
export const renderings = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    inspect(value, { depth: 20, showHidden: true }),
    value instanceof Error ? value.stack ?? "" : ""
  ].join("\n")
