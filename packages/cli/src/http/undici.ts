/** HTTP by undici, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`). */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { usage } from "../output/failure.js"

const proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"]

const set = (): ReadonlyArray<string> => proxies.filter((name) => (process.env[name] ?? "") !== "")

/** A value may hold a password: it is not repeated. */
const dispatcher = Effect.suspend((): Effect.Effect<Undici.Dispatcher> => {
  const names = set()
  const wrong = names.find((name) => !isProxy(process.env[name] ?? ""))
  if (wrong !== undefined) {
    // nothing is sent past the proxy that was meant; the library tells it as the reason why there is no answer
    return Effect.die(usage(`${wrong} is no URL of an HTTP proxy.`))
  }
  return Effect.sync(() => names.length > 0 ? new Undici.EnvHttpProxyAgent() : new Undici.Agent())
})

const isProxy = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

export const make: Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> = Effect.flatMap(
  Effect.acquireRelease(
    dispatcher,
    (dispatcher) => Effect.promise(() => dispatcher.destroy())
  ),
  (dispatcher) => Effect.succeed(NodeHttpClient.makeUndici(dispatcher))
)
