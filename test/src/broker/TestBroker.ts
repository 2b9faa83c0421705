/**
 * A broker as its users have it: in front of a real authorization server (`oidc-provider`), with an API behind that asks
 * this server about every token.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeContext, NodeHttpClient } from "@effect/platform-node"
import { Broker, BrokerConfig, BrokerServer, CallerKey } from "@effect-bearer/broker"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as ProtectedApi from "@effect-bearer/examples/support/ProtectedApi"
import type { Duration } from "effect"
import { Effect, Exit, Layer, Logger, LogLevel, Redacted, Schema, Scope } from "effect"

/** A folder that is gone in the end. */
export const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "broker-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
)

/** The caller that the broker knows. */
export const caller = "flow"

export interface Options {
  /** How long tokens live. Default: longer than any test takes. */
  readonly lifetime?: Duration.DurationInput
  /** Members of the profile `calls`, as in the file. */
  readonly profile?: Record<string, unknown>
  /** Of the caller to that profile. Default: as wide as the profile. */
  readonly access?: Record<string, unknown>
}

/** A broker with the profile `calls`, whose scopes are `calls:read calls:write`, and the caller {@link caller}. */
export const start = ({ access = {}, lifetime = "2 hours", profile }: Options = {}) =>
  Effect.gen(function*() {
    const directory = yield* folder
    const issuer = yield* AuthorizationServer.make({ lifetime })
    const api = yield* Effect.provideService(ProtectedApi.make, AuthorizationServer.AuthorizationServer, issuer)
    const key = yield* CallerKey.generate
    const config = Schema.decodeUnknownSync(BrokerConfig.Config)({
      listen: [{ port: 0 }],
      audit: { file: join(directory, "audit.log") },
      allowPlainSecrets: true,
      profiles: {
        calls: {
          tokenEndpoint: issuer.tokenEndpoint,
          clientId: issuer.clients.basic.id,
          authentication: { method: "basic", secret: { plain: Redacted.value(issuer.clients.basic.secret) } },
          scopes: ["calls:read", "calls:write"],
          ...profile
        }
      },
      callers: [{ id: caller, keys: [key.digest], profiles: { calls: access } }]
    })
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const context = yield* Layer.buildWithScope(
      BrokerServer.layer.pipe(
        Layer.provideMerge(Broker.layer(config)),
        Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici]),
        Layer.provide(Logger.minimumLogLevel(LogLevel.None))
      ),
      scope
    )
    const { addresses } = yield* Effect.provide(BrokerServer.BrokerServer, context)
    const origin = addresses.find((address) => address.startsWith("http://127."))!
    return {
      issuer,
      api,
      directory,
      origin,
      /** The token endpoint that clients are configured with. */
      tokenEndpoint: `${origin}/oauth2/calls/token`,
      key: Redacted.value(key.key),
      /** Ends the broker; nobody listens any more. */
      stop: Scope.close(scope, Exit.void)
    }
  })
