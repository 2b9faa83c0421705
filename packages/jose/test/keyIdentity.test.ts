import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, TestClock } from "effect"
import { TokenSource } from "effect-bearer"
import * as jose from "jose"
import type { SigningKey } from "../src/index.js"
import { ClientAssertion, Dpop } from "../src/index.js"
import { key } from "./utils/keys.js"

const refusing = (code = "invalid_client") => {
  let requests = 0
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      requests++
      return HttpClientResponse.fromWeb(request, Response.json({ error: code }, { status: 401 }))
    })
  )
  return { client, requests: () => requests }
}

const source = (client: HttpClient.HttpClient, material: SigningKey.SigningKey, alg: SigningKey.Algorithm) =>
  TokenSource.clientCredentials({
    tokenEndpoint: "https://as.test/token",
    clientId: "svc",
    authentication: ClientAssertion.privateKeyJwt({ key: material, alg })
  }).pipe(Effect.flatMap(TokenSource.cached()), Effect.provideService(HttpClient.HttpClient, client))

const calls = (tokens: TokenSource.With<unknown>, times: number) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.flip(tokens.get()))

describe("a refused client whose key is read again at each attempt", () => {
  const cases: ReadonlyArray<readonly [SigningKey.Algorithm, extractable: boolean, comparable: boolean]> = [
    ["ES256", true, true],
    ["RS256", true, true],
    ["RS256", false, true],
    ["EdDSA", false, true],
    ["ES256", false, false],
    ["PS256", false, false]
  ]
  for (const [alg, extractable, comparable] of cases) {
    // FAULTS B4
    it.scoped(
      `${alg}, ${extractable ? "" : "not "}extractable: the server is asked once, and again when the key has changed`,
      () =>
        Effect.gen(function*() {
          let pem = (yield* key(alg)).pem
          const other = (yield* key(alg, "two")).pem
          const { client, requests } = refusing()
          const read = Effect.promise(() => jose.importPKCS8(pem, alg, { extractable }))
          const tokens = yield* source(client, read, alg)
          yield* calls(tokens, 20)
          assert.strictEqual(requests(), 1)
          pem = other
          if (!comparable) yield* TestClock.adjust("5 seconds")
          yield* calls(tokens, 1)
          assert.strictEqual(requests(), 2)
        }),
      60_000
    )
  }

  // FAULTS B4
  it.scoped("a JWK whose members come in another order each time, or a PEM with other line breaks, is the same key", () =>
    Effect.gen(function*() {
      const { jwk, pem } = yield* key("ES256")
      let n = 0
      const forms: ReadonlyArray<() => SigningKey.Material> = [
        () => Redacted.make(Object.fromEntries(n++ % 2 === 0 ? Object.entries(jwk) : Object.entries(jwk).reverse())),
        () => Redacted.make(JSON.stringify({ ...jwk, iat: n++ })),
        () => Redacted.make(n++ % 2 === 0 ? pem : pem.trim().replaceAll("\n", "\\n"))
      ]
      for (const form of forms) {
        const { client, requests } = refusing()
        yield* calls(yield* source(client, Effect.sync(form), "ES256"), 10)
        assert.strictEqual(requests(), 1)
      }
    }))

  it.effect("the name by which keys are compared holds no part of the key, and differs if the kid or the key differs", () =>
    Effect.gen(function*() {
      const { jwk } = yield* key("ES256")
      const other = (yield* key("ES256", "two")).jwk
      const seen = new Set<string>()
      for (const one of [jwk, { ...jwk, kid: "a" }, { ...jwk, kid: "b" }, other]) {
        const { current } = ClientAssertion.privateKeyJwt({ key: Redacted.make(one), alg: "ES256" })
        const identity = Redacted.value(Option.getOrThrow(yield* current))
        assert.notInclude(identity, String(jwk.d))
        seen.add(identity)
      }
      assert.strictEqual(seen.size, 4)
    }))
})

describe("DPoP", () => {
  for (const at of ["token endpoint", "API"] as const) {
    // FAULTS W2
    it.effect(`the error code use_dpop_nonce counts in any case, at the ${at}`, () =>
      Effect.gen(function*() {
        const dpop = yield* Dpop.make()
        let sent = 0
        const client = dpop.withDpop(HttpClient.make((request) =>
          Effect.sync(() =>
            HttpClientResponse.fromWeb(
              request,
              ++sent > 1 ? Response.json({}) : Response.json({ error: "Use_DPoP_Nonce" }, {
                status: at === "API" ? 401 : 400,
                headers: { "dpop-nonce": "n1", "www-authenticate": "DPoP error=\"USE_DPOP_NONCE\"" }
              })
            )
          )
        ))
        const request = at === "API"
          ? HttpClientRequest.get("https://api.test/x", { headers: { authorization: "DPoP abc" } })
          : HttpClientRequest.bodyUrlParams(HttpClientRequest.post("https://as.test/token"), {
            grant_type: "client_credentials"
          })
        assert.strictEqual((yield* client.execute(request)).status, 200)
        assert.strictEqual(sent, 2)
      }))
  }

  // FAULTS S5
  it.effect("a request object that an inner client has frozen causes no defect", () =>
    Effect.gen(function*() {
      const dpop = yield* Dpop.make()
      const client = dpop.withDpop(HttpClient.make((request) =>
        Effect.sync(() =>
          HttpClientResponse.fromWeb(Object.freeze(HttpClientRequest.setHeader(request, "x", "y")), Response.json({}))
        )
      ))
      const request = HttpClientRequest.get("https://api.test/x", { headers: { authorization: "DPoP abc" } })
      assert.strictEqual((yield* client.execute(request)).status, 200)
    }))
})
