// The recommended stack, from the modules it needs.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TokenSource from "../../dist/core/lifecycle/TokenSource.js"
import * as ClientAuthentication from "../../dist/core/wire/ClientAuthentication.js"

const [tokenEndpoint] = process.argv.slice(2)

const Tokens = TokenSource.layer({
  tokenEndpoint,
  clientId: "benchmark",
  authentication: ClientAuthentication.basic(Redacted.make("benchmark-secret"))
}).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.flatMap(TokenSource.TokenSource, (source) => source.get())

const token = await Effect.runPromise(Effect.provide(program, Tokens))
process.exit(Redacted.value(token.value).startsWith("token.") ? 0 : 1)
