/** HTTP by undici, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`). */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

const usesProxy = (): boolean => proxies.some((name) => (process.env[name] ?? "") !== "")

export const make: Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> = Effect.flatMap(
  Effect.acquireRelease(
    Effect.sync((): Undici.Dispatcher => usesProxy() ? new Undici.EnvHttpProxyAgent() : new Undici.Agent()),
    (dispatcher) => Effect.promise(() => dispatcher.destroy())
  ),
  (dispatcher) => Effect.succeed(NodeHttpClient.makeUndici(dispatcher))
)
