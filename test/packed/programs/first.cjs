// The same by `require`: one copy of effect, that which the program itself has.
const { AuthorizationServer } = require("@effect-bearer/testing")
const { Effect, Redacted } = require("effect")
const { ClientAuthentication, TokenError, TokenSource } = require("effect-bearer")

const program = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const source = yield* TokenSource.clientCredentials({
    tokenEndpoint: server.tokenEndpoint,
    clientId: "client",
    authentication: ClientAuthentication.basic(Redacted.make("secret"))
  }).pipe(Effect.flatMap(TokenSource.managed()), Effect.provide(server.layer))
  const first = yield* source.get()
  const second = yield* source.get()
  if (TokenError.isTokenError(first)) throw new Error("an error in the place of a token")
  return [Redacted.value(first.value), first === second, yield* server.count].join(" ")
})

module.exports = Effect.runPromise(Effect.scoped(program)).then((result) => {
  if (result !== "token-1 true 1") throw new Error(result)
  return result
})
if (require.main === module) {
  module.exports.then(console.log, (error) => {
    console.error(error)
    process.exit(1)
  })
}
