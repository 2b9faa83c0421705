import type { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/testing"
import type { Scope } from "effect"
import { ConfigProvider, Effect, Fiber, Layer, Logger, LogLevel, Redacted, TestClock } from "effect"
import { ClientAuthentication, RetryPolicy } from "effect-bearer"
import { DataAction } from "../../src/index.js"

export const secret = "s3cr3t-0f-the-data-action-Zm9vYmFyYmF6"

export const authentication = ClientAuthentication.post(Redacted.make(secret))

export const settings = (tokenEndpoint: string, options: Partial<DataAction.Options> = {}): DataAction.Options => ({
  tokenEndpoint,
  clientId: "crm",
  authentication,
  scopes: "contacts:read contacts:write",
  ...options
})

export interface Stage {
  readonly server: AuthorizationServer.AuthorizationServer
  readonly action: DataAction.Handler
}

/** A data action in front of a server in memory: TestClock alone moves time. */
export const memory = (
  options: Partial<DataAction.Options> = {},
  server: AuthorizationServer.Options = {}
): Effect.Effect<Stage, never, Scope.Scope> =>
  Effect.gen(function*() {
    const running = yield* AuthorizationServer.make(server)
    const action = yield* Effect.provide(DataAction.handler(settings(running.tokenEndpoint, options)), running.layer)
    return { server: running, action }
  })

/** A data action in front of a server on a socket. */
export const sockets = (
  options: Partial<DataAction.Options> = {},
  server: AuthorizationServer.Options = {}
): Effect.Effect<
  Stage & { readonly server: AuthorizationServer.Listening },
  never,
  Scope.Scope | HttpClient.HttpClient
> =>
  Effect.gen(function*() {
    const running = yield* AuthorizationServer.listen(server)
    return { server: running, action: yield* DataAction.handler(settings(running.tokenEndpoint, options)) }
  })

/** The reply to a request, however long it takes by the TestClock. */
export const reply = (action: DataAction.Handler, request?: unknown): Effect.Effect<DataAction.Reply> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(action(request))
    for (let i = 0; i < 12 && (yield* Fiber.poll(fiber))._tag === "None"; i++) yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

export const token = ({ body }: DataAction.Reply): string => "access_token" in body ? body.access_token : ""

export const message = ({ body }: DataAction.Reply): string => "error" in body ? body.message : ""

/** Status and name of a failure, in short. */
export const verdict = ({ body, status }: DataAction.Reply): string => `${status} ${"error" in body ? body.error : ""}`

export const quiet = Logger.minimumLogLevel(LogLevel.None)

/** Every line that is logged, as JSON. */
export const logged = () => {
  const lines: Array<string> = []
  const logger = Logger.make((options) => {
    lines.push(Logger.jsonLogger.log(options), Logger.logfmtLogger.log(options), Logger.stringLogger.log(options))
  })
  return { lines, layer: Logger.replace(Logger.defaultLogger, logger) }
}

// --- tests ------------------------------------------------------------------------------------------------------------

export const effect = (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scoped(name, () => Effect.provide(test(), quiet))

export const live = (
  name: string,
  test: () => Effect.Effect<void, unknown, Scope.Scope | HttpClient.HttpClient>
) => it.scopedLive(name, () => Effect.provide(test(), Layer.merge(NodeHttpClient.layerUndici, quiet)))

export const never = RetryPolicy.exponentialJitter({ maxRetries: 0 })

export const environment = (variables: Record<string, string>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
