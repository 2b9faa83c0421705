/** `serve --demo`: a broker to try, with an authorization server, an API, and lines to paste. */
import { createServer } from "node:net"
import { join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import * as Broker from "@effect-bearer/broker/Broker"
import * as CallerKey from "@effect-bearer/broker/CallerKey"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scopes from "effect-bearer/Scopes"
import type * as TokenError from "effect-bearer/TokenError"
import type { Failure } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import * as ownBroker from "../serve/ownBroker.js"
import * as running from "../serve/running.js"
import { checkPort } from "../serve/serve.js"
import { defaults } from "../settings/environmentProfile.js"
import type { Environment } from "../settings/places.js"
import * as temporaryFolder from "../temporaryFolder.js"
import * as api from "./api.js"
import * as authorizationServer from "./authorizationServer.js"
import * as lines from "./lines.js"

export interface Options {
  readonly port?: number | undefined
  readonly json: boolean
  readonly quiet: boolean
}

type Services = FileSystem.FileSystem | HttpClient.HttpClient | Path.Path

const usualPort = 4180
const profile = "demo"
const caller = "demo"

/** The usual port where nobody listens on it, else any. */
const freePort = Effect.async<number>((resume) => {
  const probe = createServer()
  probe.once("error", () => resume(Effect.succeed(0)))
  probe.listen(usualPort, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(usualPort))))
})

export const run = (
  options: Options,
  environment: Environment
): Effect.Effect<void, Failure | TokenError.InvalidConfiguration, Services> =>
  Effect.zipRight(
    checkPort(options.port),
    running.untilAsked(
      // of a terminal that is closed, nothing is left behind either
      process.platform === "win32" ? ["SIGINT", "SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP"],
      () => Effect.void,
      begin(options, environment)
    )
  )

const begin = ({ json, port }: Options, environment: Environment) =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder.make
    const server = yield* authorizationServer.make
    const apiUrl = yield* api.make(server)
    const { digest, key } = yield* CallerKey.generate
    const tokenFile = join(folder, "token")
    const auditFile = join(folder, "audit.log")
    const { server: { addresses } } = yield* running.start(Broker.layer(ownBroker.configOf({
      listen: ownBroker.loopback(port ?? (yield* freePort)),
      profile: {
        name: profile,
        profile: {
          ...defaults,
          tokenEndpoint: server.tokenEndpoint,
          clientId: server.clientId,
          authentication: { method: "basic", secret: { plain: server.clientSecret } },
          scopes: Scopes.make("calls:read"),
          file: { path: tokenFile, format: "header", removeDead: false }
        }
      },
      caller,
      digest,
      permissions: ["status", "metrics"],
      auditFile
    })))
    const places = {
      origin: addresses[0] ?? "",
      profile,
      caller,
      key: Redacted.value(key),
      clientId: server.clientId,
      api: apiUrl,
      tokenFile,
      auditFile
    }
    const style = terminal.styleOf(process.stdout, environment)
    yield* terminal.answer(
      json
        ? JSON.stringify({
          address: places.origin,
          caller,
          key: places.key,
          profile,
          api: apiUrl,
          statusPage: `${places.origin}/`,
          lines: lines.make(places)
        })
        : lines.text(places, (text) => terminal.paint(style, "bold", text))
    )
  })
