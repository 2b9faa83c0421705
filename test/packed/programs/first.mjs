// The first program: a token from a server in memory, twice asked for, once requested.
import { AuthorizationServer } from "@effect-bearer/testing"
import { Effect, Redacted } from "effect"
import { ClientAuthentication, TokenSource } from "effect-bearer"
import * as AccessToken from "effect-bearer/AccessToken"

const program = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const source = yield* TokenSource.clientCredentials({
    tokenEndpoint: server.tokenEndpoint,
    clientId: "client",
    authentication: ClientAuthentication.basic(Redacted.make("secret"))
  }).pipe(Effect.flatMap(TokenSource.managed()), Effect.provide(server.layer))
  const first = yield* source.get()
  const second = yield* source.get()
  if (!AccessToken.isAccessToken(first)) throw new Error("no token")
  return [Redacted.value(first.value), first === second, yield* server.count].join(" ")
})

const result = await Effect.runPromise(Effect.scoped(program))
if (result !== "token-1 true 1") throw new Error(result)
console.log(result)
