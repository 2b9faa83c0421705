/** `serve --demo`: a broker to try, with an authorization server, an API, and lines to paste. */
import { join } from "node:path"
import * as Broker from "@effect-bearer/broker/Broker"
import * as CallerKey from "@effect-bearer/broker/CallerKey"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Scopes from "effect-bearer/Scopes"
import type * as TokenError from "effect-bearer/TokenError"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import * as ownBroker from "../serve/ownBroker.js"
import * as running from "../serve/running.js"
import type { Options } from "../serve/serve.js"
import type { Services } from "../services.js"
import { defaults } from "../settings/environmentProfile.js"
import type { Environment } from "../settings/places.js"
import * as temporaryFolder from "../temporaryFolder.js"
import * as api from "./api.js"
import * as authorizationServer from "./authorizationServer.js"
import * as lines from "./lines.js"

const usualPort = 4180
const profile = "demo"
const caller = "demo"

/** A part that failed to start is removed before the next try. */
const attempt = <A, E, R>(begin: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.flatMap(
    Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope, ExecutionStrategy.sequential)),
    (own) => Scope.extend(begin, own).pipe(Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))))
  )

export const run = (
  options: Options,
  environment: Environment
): Effect.Effect<void, Failure | TokenError.InvalidConfiguration, Services> =>
  Effect.zipRight(
    options.config === undefined
      ? Effect.void
      : Effect.fail(usage("--demo has a configuration of its own: leave out --config, or --demo.")),
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
    const broker = (port: number) =>
      running.start(Broker.layer(ownBroker.configOf({
        listen: ownBroker.loopback(port),
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
    // the usual port, or any if another program has it
    const { server: { addresses } } = yield* port === undefined
      ? Effect.catchIf(attempt(broker(usualPort)), running.isInUse, () => broker(0))
      : broker(port)
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
