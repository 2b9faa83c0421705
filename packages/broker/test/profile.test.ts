/** Every way in which a profile gets its tokens, over real HTTP. */
import { generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Effect } from "effect"
import { eventually, folder, setUp } from "./support/broker.js"

/** The metadata of an issuer whose token endpoint is elsewhere (RFC 8414). */
const issuerFor = (tokenEndpoint: () => string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly issuer: string; readonly close: () => void }>((resume) => {
      const server = createServer((request, response) => {
        response.setHeader("content-type", "application/json")
        const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        response.end(JSON.stringify({ issuer, token_endpoint: tokenEndpoint(), response_types_supported: [] }))
        void request
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ issuer: `http://127.0.0.1:${port}`, close: () => void server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("a profile", () => {
  it.scopedLive("a profile finds the token endpoint of its issuer", () =>
    Effect.gen(function*() {
      let endpoint = ""
      const { issuer } = yield* issuerFor(() => endpoint)
      const { server, token } = yield* setUp({ profile: { tokenEndpoint: undefined, issuer } })
      endpoint = server.tokenEndpoint
      const reply = yield* token()
      assert.strictEqual(reply.status, 200, reply.text)
    }))

  it.scopedLive("a profile signs with a private key, which is read at each token request", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "key.pem")
      const write = () =>
        writeFileSync(
          file,
          generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" })
        )
      write()
      const { server, token } = yield* setUp({
        profile: { authentication: { method: "private-key-jwt", key: { file }, algorithm: "ES256", keyId: "k1" } }
      })
      const reply = yield* token()
      assert.strictEqual(reply.status, 200, reply.text)
      const [request] = yield* server.requests
      assert.strictEqual(
        request!.form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
      )
      const [header = ""] = request!.form["client_assertion"]!.split(".")
      assert.deepInclude(JSON.parse(Buffer.from(header, "base64url").toString()), { alg: "ES256", kid: "k1" })
    }))

  // SPEC C11
  it.scopedLive("a rotated secret is used at the next token request, without a reload", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      const file = join(directory, "secret")
      writeFileSync(file, "old-secret\n")
      const { server, token } = yield* setUp({
        profile: { authentication: { method: "post", secret: { file } } }
      })
      yield* token({ scope: "a" })
      writeFileSync(file, "new-secret\n")
      yield* token({ scope: "b" })
      const requests = yield* server.requests
      assert.deepStrictEqual(requests.map(({ form }) => form["client_secret"]), ["old-secret", "new-secret"])
    }))

  // SPEC B11
  it.scopedLive("a profile uses a refresh token, and then its successor", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({
        server: { answer: (_, count) => Reply.token({ refresh_token: `refresh-${count}` }) },
        profile: { grant: { type: "refresh_token", refreshToken: { plain: "refresh-first" } } }
      })
      const first = yield* token({ scope: "a" })
      assert.strictEqual(first.status, 200, first.text)
      yield* token({ scope: "b" })
      const requests = yield* server.requests
      assert.deepStrictEqual(requests.map(({ form }) => form["grant_type"]), ["refresh_token", "refresh_token"])
      assert.strictEqual(requests[0]!.form["refresh_token"], "refresh-first")
      assert.match(requests[1]!.form["refresh_token"]!, /^refresh-\d$/)
    }))

  it.scopedLive("a profile sends an assertion", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({
        profile: { grant: { type: "jwt_bearer", assertion: { plain: "signed elsewhere" } } }
      })
      yield* token()
      const [request] = yield* server.requests
      assert.strictEqual(request!.form["assertion"], "signed elsewhere")
    }))

  // SPEC C8
  it.scopedLive("a profile sends no more token requests than its limit, and callers are told when to come back", () =>
    Effect.gen(function*() {
      const { server, token } = yield* setUp({
        profile: { scopes: ["a", "b", "c"], wait: "10 ms", rateLimit: { limit: 1, interval: "1 hour" } }
      })
      const first = yield* eventually(token({ scope: "a" }), ({ status }) => status === 200)
      assert.strictEqual(first.status, 200)
      const second = yield* token({ scope: "b" })
      assert.strictEqual(second.status, 503)
      assert.isAtLeast(Number(second.headers["retry-after"]), 1)
      assert.strictEqual(yield* server.count, 1)
    }))
})
