/** What programs without types get wrong is a typed error, or works; it is no defect. */
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer } from "@effect-bearer/testing"
import { Effect } from "effect"
import { ClientAuthentication, TokenSource } from "../../../src/index.js"

describe("a program without types", () => {
  for (
    const [where, place] of [["tokenEndpoint", "https://login.example.com/token"], [
      "issuer",
      "https://login.example.com"
    ]]
  ) {
    it.scoped(`that gives no authentication beside ${where} is told so`, () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        for (const authentication of [undefined, "secret", {}]) {
          const options = { [where!]: place, clientId: "client", authentication } as unknown as TokenSource.Options
          const error = yield* Effect.flip(TokenSource.clientCredentials(options).pipe(Effect.provide(server.layer)))
          assert.deepStrictEqual(error.fields, ["authentication"])
          assert.include(error.detail, "ClientAuthentication.basic(secret)")
        }
      }))
  }

  it.scoped("may give the options of a token request in place of one", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const tokens = yield* TokenSource.clientCredentials({
        tokenEndpoint: server.tokenEndpoint,
        clientId: "client",
        authentication: ClientAuthentication.none
      }).pipe(TokenSource.managed(), Effect.provide(server.layer))
      const options = { scopes: "users:read" } as never
      const first = yield* tokens.get(options)
      assert.strictEqual(yield* tokens.get({ scopes: "users:read" } as never), first)
      assert.deepStrictEqual((yield* server.requests).map(({ form }) => form["scope"]), ["users:read"])
    }))
})
