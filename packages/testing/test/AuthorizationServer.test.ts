import { HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { AuthorizationServer, Reply } from "../src/index.js"

const post = ({ client, tokenEndpoint }: AuthorizationServer.AuthorizationServer) =>
  Effect.flatMap(client.execute(HttpClientRequest.post(tokenEndpoint)), ({ json }) => json)

describe("the scriptable server", () => {
  // FAULTS D
  it.effect("only tokens count as issued, and no number is handed out twice", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      yield* server.enqueue(
        Reply.token({ access_token: undefined }),
        Reply.token({ access_token: null }),
        Reply.token({ access_token: 7 }),
        Reply.token({ access_token: "token-2" })
      )
      assert.notProperty(yield* post(server), "access_token")
      assert.propertyVal(yield* post(server), "access_token", null)
      yield* post(server)
      yield* post(server)
      assert.deepStrictEqual(yield* server.issued, ["token-2"])
      yield* post(server)
      yield* post(server)
      assert.deepStrictEqual(yield* server.issued, ["token-2", "token-3", "token-4"])
    }))

  // FAULTS D
  it.effect("a token whose lifetime is a number in quotes expires, too", () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make({ members: { expires_in: "60" } })
      yield* post(server)
      assert.isTrue(yield* server.isActive("token-1"))
      yield* TestClock.adjust("60 seconds")
      assert.isFalse(yield* server.isActive("token-1"))
    }))
})
