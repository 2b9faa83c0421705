import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import { Effect, Redacted } from "effect"
import { home, run } from "./program.js"

const environment = (server: AuthorizationServer.Service) => ({
  OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
  OAUTH_CLIENT_ID: server.clients.basic.id,
  OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret),
  OAUTH_SCOPES: "calls:read"
})

describe("token", () => {
  // SPEC G1
  it.scoped("a shell loop makes one token request", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
      const user = yield* home
      const env = environment(server)
      const first = yield* run(user, ["token"], { env })
      assert.strictEqual(first.stderr, "")
      assert.match(first.stdout, /^[\w.-]+\n$/)
      for (let n = 0; n < 4; n++) {
        assert.deepStrictEqual(yield* run(user, ["token"], { env }), first)
      }
      assert.strictEqual((yield* server.seen).tokenRequests, 1)
    }))
})
