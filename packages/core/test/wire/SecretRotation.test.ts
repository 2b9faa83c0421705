import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Effect, Either, Encoding, Option, Redacted } from "effect"
import { ClientAuthentication, Grant, TokenError, TokenRequest } from "../../src/index.js"
import { setup } from "../fixtures/exchange.js"

const password = (request: { readonly headers: Readonly<Record<string, string>> }) =>
  Either.getOrThrow(Encoding.decodeBase64String(request.headers.authorization!.slice("Basic ".length))).split(":")[1]

/** An endpoint whose secret is read from `values`, the last one again and again; and the secrets that it saw. */
const rotating = (values: ReadonlyArray<string | TokenError.RequestError>, ...replies: ReadonlyArray<Reply.Reply>) =>
  Effect.gen(function*() {
    let reads = 0
    const secret = Effect.suspend(() => {
      const value = values[Math.min(reads++, values.length - 1)]!
      return typeof value === "string" ? Effect.succeed(Redacted.make(value)) : Effect.fail(value)
    })
    const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.basic(secret) })
    yield* server.enqueue(...replies)
    const result = yield* Effect.either(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
    return { result, sent: (yield* server.requests).map(password), reads }
  })

const refused = Reply.oauthError("invalid_client", { status: 401 })

// SPEC C11
describe("P21 a rotated secret", () => {
  it.effect("a secret is read again after invalid_client, and the request is sent once more", () =>
    Effect.gen(function*() {
      const { result, sent } = yield* rotating(["old", "new"], refused)
      assert.deepStrictEqual(sent, ["old", "new"])
      assert.isTrue(Either.isRight(result))
    }))

  it.effect("a bare 401 counts like invalid_client", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* rotating(["old", "new"], Reply.status(401))).sent, ["old", "new"])
    }))

  it.effect("with a new secret the request is sent again once, and not twice", () =>
    Effect.gen(function*() {
      const { result, sent } = yield* rotating(["1", "2", "2", "3", "4"], refused, refused, refused)
      assert.deepStrictEqual(sent, ["1", "2"])
      assert.isTrue(Either.isLeft(result) && result.left._tag === "OAuthError")
    }))

  it.effect("the request is not sent again while the secret is the same", () =>
    Effect.gen(function*() {
      const { reads, sent } = yield* rotating(["same"], refused, refused)
      assert.deepStrictEqual(sent, ["same"])
      assert.strictEqual(reads, 2)
    }))

  // FAULTS R2
  it.effect("every refusal that could be about the client counts like invalid_client", () =>
    Effect.gen(function*() {
      const replies = [
        ...[400, 401, 403, 404, 422].map((status) => Reply.status(status)),
        Reply.json({ message: "no" }, { status: 403 }),
        Reply.json({ error: "client.not.found" }, { status: 404 }),
        Reply.json({ error: "other_error" }, { status: 400 }),
        Reply.oauthError("unauthorized_client", { status: 401 }),
        Reply.oauthError("access_denied", { status: 401 }),
        Reply.oauthError("INVALID_CLIENT"),
        Reply.oauthError("invalid_request"),
        Reply.oauthError("invalid_grant"),
        Reply.html("<h1>Forbidden</h1>", 403)
      ]
      for (const reply of replies) {
        const { result, sent } = yield* rotating(["old", "new"], reply)
        assert.deepStrictEqual(sent, ["old", "new"], JSON.stringify(reply))
        assert.isTrue(Either.isRight(result))
      }
    }))

  it.effect("the secret is not read again after any other refusal", () =>
    Effect.gen(function*() {
      for (const reply of [Reply.oauthError("invalid_scope"), Reply.status(405), Reply.status(503), Reply.reset()]) {
        const { reads, sent } = yield* rotating(["old", "new"], reply)
        assert.deepStrictEqual(sent, ["old"])
        assert.strictEqual(reads, 1)
      }
    }))

  it.effect("if the secret cannot be read again, the refusal stays as it is", () =>
    Effect.gen(function*() {
      const trouble = new TokenError.InvalidConfiguration({ fields: ["x"], detail: "gone" })
      const { result, sent } = yield* rotating(["old", trouble], refused)
      assert.deepStrictEqual(sent, ["old"])
      assert.isTrue(Either.isLeft(result) && result.left._tag === "OAuthError")
    }))

  it.effect("for a method without `madeFrom` the secret is not read again", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup({
        authentication: ClientAuthentication.make({
          method: "own",
          current: Effect.sync(() => Option.some(Redacted.make(String(Math.random())))),
          credentials: () => Effect.succeed({ headers: [], parameters: [], secrets: [], hint: Option.none() })
        })
      })
      yield* server.enqueue(refused, refused)
      yield* Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
      assert.strictEqual(yield* server.count, 1)
    }))
})
