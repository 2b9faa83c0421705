import { NodeHttpClient } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { AuthorizationServer, LeakCheck } from "@effect-bearer/testing"
import { Effect, Layer, Redacted } from "effect"
import { ClientAuthentication, TokenSource } from "effect-bearer"

it.live("the program leaves nothing behind", () =>
  LeakCheck.noLeaks(Effect.gen(function*() {
    const server = yield* AuthorizationServer.listen() // on a socket of this machine
    const Tokens = TokenSource.layer({
      tokenEndpoint: server.tokenEndpoint,
      clientId: "reports",
      authentication: ClientAuthentication.basic(Redacted.make("secret"))
    }).pipe(Layer.provide(NodeHttpClient.layerUndici))
    yield* Effect.flatMap(TokenSource.TokenSource, (tokens) => tokens.get()).pipe(Effect.provide(Tokens))
  })))
