/** Google's library gets its tokens by token exchange (RFC 8693), at a token URL of one's own choice. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { IdentityPoolClient } from "google-auth-library"
import { setUp } from "../../../packages/broker/test/support/broker.js"

const audience = "//iam.example/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"

const scopes = ["https://scopes.example/calls"]

const exchanging = setUp({
  profile: { scopes, audience: [audience], tokenExchange: true },
  caller: { profiles: { main: { tokenExchange: true } } }
})

/** As its configuration file would have it, but for the subject token, which is somebody's. */
const client = (origin: string, key: string, subject: string, scopes: Array<string>) =>
  new IdentityPoolClient({
    type: "external_account",
    audience,
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${origin}/oauth2/main/token`,
    client_id: "flow",
    client_secret: key,
    scopes,
    subject_token_supplier: { getSubjectToken: async () => subject }
  })

const tokenOf = (client: IdentityPoolClient) =>
  Effect.promise(() => client.getAccessToken().then(({ token }) => token, (error: Error) => error.message))

describe("google-auth-library", () => {
  // SPEC F1
  it.scopedLive("exchanges a token, which is kept for each subject", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* exchanging
      const ask = (subject: string) => tokenOf(client(origin, key, subject, scopes))
      const of = {
        alice: yield* ask("alice"),
        bob: yield* ask("bob"),
        aliceAgain: yield* ask("alice")
      }
      const [alice, bob] = yield* server.issued
      assert.deepStrictEqual(of, { alice, bob, aliceAgain: alice })
      const [first] = yield* server.requests
      assert.strictEqual(first?.form.grant_type, "urn:ietf:params:oauth:grant-type:token-exchange")
      assert.strictEqual(first?.form.subject_token, "alice")
      assert.strictEqual(first?.form.audience, audience)
      assert.strictEqual(first?.form.scope, scopes.join(" "))
    }))

  it.scopedLive("takes a wrong key and a scope that is not its own for what they are", () =>
    Effect.gen(function*() {
      const { key, origin, server } = yield* exchanging
      assert.include(yield* tokenOf(client(origin, `${key}x`, "alice", scopes)), "invalid_client")
      assert.include(yield* tokenOf(client(origin, key, "alice", ["https://scopes.example/other"])), "invalid_scope")
      assert.strictEqual(yield* server.count, 0)
    }))
})
