import { createHash } from "node:crypto"
import type { HttpClientError } from "@effect/platform"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Tracer } from "effect"
import { Cause, Data, Effect, Exit, Fiber, Option, Redacted, Stream, TestClock } from "effect"
import {
  AccessToken,
  BearerAuth,
  ClientAuthentication,
  Grant,
  TokenEndpoint,
  TokenRequest,
  TokenSource
} from "effect-bearer"
import * as jose from "jose"
import { ClientAssertion, Dpop } from "../src/index.js"
import { algorithms, key, renderings } from "./utils/keys.js"

interface Seen {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly proof: string | undefined
  readonly claims: jose.JWTPayload
  readonly form: URLSearchParams
  readonly redirect: RequestInit["redirect"]
}

/** A proof that a caller has made. */
const ready = "ready-made"

const seen = (request: HttpClientRequest.HttpClientRequest, init: RequestInit): Seen => {
  const proof = request.headers["dpop"]
  return {
    request,
    proof,
    claims: proof === undefined || proof === ready ? {} : jose.decodeJwt(proof),
    form: new URLSearchParams(
      request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
    ),
    redirect: init.redirect
  }
}

/** A server in memory: what it answers, and what it saw. */
const serve = (answer: (seen: Seen, n: number) => Response | HttpClientError.HttpClientError) => {
  const all: Array<Seen> = []
  const client = HttpClient.make((request) =>
    Effect.flatMap(Effect.serviceOption(FetchHttpClient.RequestInit), (init) => {
      const one = seen(request, Option.getOrElse(init, () => ({})))
      all.push(one)
      const answered = answer(one, all.length)
      return answered instanceof Response
        ? Effect.succeed(HttpClientResponse.fromWeb(request, answered))
        : Effect.fail(answered)
    })
  )
  return { all, client }
}

const ok = (headers: Record<string, string> = {}) => new Response("{}", { headers })
const nonceWanted = (nonce: string) =>
  new Response("no nonce", {
    status: 401,
    headers: { "www-authenticate": `DPoP error="use_dpop_nonce", algs="ES256"`, "dpop-nonce": nonce }
  })
const nonceWantedByAs = (nonce: string) =>
  new Response(JSON.stringify({ error: "use_dpop_nonce" }), { status: 400, headers: { "dpop-nonce": nonce } })

const api = "https://api.test/things?id=1#top"
const get = HttpClientRequest.get(api).pipe(HttpClientRequest.setHeader("authorization", "DPoP t0k3n"))
const ath = (token: string) => createHash("sha256").update(token).digest("base64url")

/** Tokens of type DPoP: `t1`, `t2`, … */
const source = Effect.suspend(() => {
  let n = 0
  return TokenSource.make(() => Effect.sync(() => AccessToken.make({ value: `t${++n}`, tokenType: "DPoP" }))).pipe(
    Effect.flatMap(TokenSource.cached())
  )
})

const tokenRequest = HttpClientRequest.post("https://auth.test/token").pipe(
  HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials" })
)

/** The error of a token request through a client that proves. */
const refusalFrom = (client: HttpClient.HttpClient) =>
  Effect.flatMap(Dpop.make(), (dpop) =>
    Effect.provideService(
      TokenEndpoint.make({
        tokenEndpoint: "https://auth.test/token",
        clientId: "svc",
        authentication: ClientAuthentication.basic(Redacted.make("s3cr3t"))
      }),
      HttpClient.HttpClient,
      dpop.withDpop(client)
    )).pipe(
      Effect.flatMap((endpoint) => Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty)))
    )

describe("the key", () => {
  for (const alg of algorithms) {
    it.effect(`${alg}: generated, or given in every form`, () =>
      Effect.gen(function*() {
        const { jwk, pem, privateKey, publicJwk, publicKey } = yield* key(alg)
        const expected = yield* Effect.promise(() => jose.calculateJwkThumbprint(publicJwk))
        const given = [
          Redacted.make(pem),
          Redacted.make(jwk),
          privateKey,
          { privateKey, publicKey },
          Effect.succeed(Redacted.make(pem))
        ]
        const made = yield* Effect.forEach(given, (key) => Dpop.make({ key, alg }))
        for (const dpop of made) assert.strictEqual(dpop.thumbprint, expected)
        for (const dpop of [...made, yield* Dpop.make({ alg })]) {
          assert.strictEqual(dpop.alg, alg)
          assert.isUndefined(dpop.publicJwk.d)
          const proof = Redacted.value(yield* dpop.proof({ method: "GET", url: api }))
          const { protectedHeader } = yield* Effect.promise(() => jose.jwtVerify(proof, jose.EmbeddedJWK))
          assert.deepStrictEqual(protectedHeader, { typ: "dpop+jwt", alg, jwk: { ...dpop.publicJwk } })
          assert.strictEqual(
            yield* Effect.promise(() => jose.calculateJwkThumbprint(protectedHeader.jwk!)),
            dpop.thumbprint
          )
        }
      }))
  }

  // FAULTS L
  for (
    const [how, hangs] of [["hangs", Effect.never], [
      "cannot be interrupted",
      Effect.uninterruptible(Effect.never)
    ]] as const
  ) {
    it.effect(`an effect that yields the key and ${how} is given up after a minute`, () =>
      Effect.gen(function*() {
        const making = yield* Effect.forkDaemon(Effect.flip(Effect.uninterruptible(Dpop.make({ key: hangs }))))
        yield* TestClock.adjust("59 seconds")
        assert.isTrue(Option.isNone(yield* making.poll))
        yield* TestClock.adjust("1 second")
        const error = Option.getOrThrow(yield* making.poll)
        assert.isTrue(Exit.isSuccess(error) && error.value._tag === "InvalidConfiguration")
        assert.include(Exit.isSuccess(error) ? error.value.message : "", "dpop.key")
      }))
  }

  it.effect("a generated key is for ES256 by default, and is a new key each time", () =>
    Effect.gen(function*() {
      const one = yield* Dpop.make()
      const two = yield* Dpop.make()
      assert.strictEqual(one.alg, "ES256")
      assert.notStrictEqual(one.thumbprint, two.thumbprint)
    }))

  it.effect("a key that cannot work is refused, and the error does not show it", () =>
    Effect.gen(function*() {
      const { pem, privateKey } = yield* key("ES256")
      const locked = yield* Effect.promise(() => jose.generateKeyPair("ES256", { extractable: false }))
      const cases: ReadonlyArray<readonly [Dpop.Options, string, string]> = [
        [{ key: Redacted.make("hunter2") }, "key", "no PEM"],
        [{ key: Redacted.make(pem), alg: "RS256" }, "alg", "use ES256"],
        [{ key: privateKey, alg: "RS256" }, "alg", "use ES256"],
        [{ key: locked.privateKey }, "key", "both halves"],
        [{ key: Effect.fail("hunter2") }, "key", "could not be read"],
        [{ alg: "HS256" as never }, "alg", "cannot generate"],
        [{ backdate: Infinity }, "backdate", "duration"]
      ]
      for (const [options, field, text] of cases) {
        const error = yield* Effect.flip(Dpop.make(options))
        assert.deepStrictEqual(error.fields, [`dpop.${field}`])
        assert.include(error.message, text)
        assert.notInclude(renderings(error), "hunter2")
        assert.notInclude(renderings(error), pem.split("\n")[1]!)
      }
    }))

  it.effect("the private key is in no rendering", () =>
    Effect.gen(function*() {
      const { jwk, pem } = yield* key("ES256")
      const dpop = yield* Dpop.make({ key: Redacted.make(pem) })
      const text = renderings(dpop) + renderings(dpop.withDpop(serve(() => ok()).client))
      for (const secret of [jwk.d!, pem.split("\n")[1]!]) assert.notInclude(text, secret)
    }))
})

describe("a proof", () => {
  it.effect("a proof is for one request: its method, its URL without query and fragment, its token and its time", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_999)
      const { all, client } = serve(() => ok())
      const dpop = yield* Dpop.make({ backdate: "5 seconds" })
      yield* dpop.withDpop(client).execute(get)
      yield* dpop.withDpop(client).execute(get)
      const [{ jti, ...claims }, second] = all.map(({ claims }) => claims) as [jose.JWTPayload, jose.JWTPayload]
      assert.deepStrictEqual(claims, {
        htm: "GET",
        htu: "https://api.test/things",
        iat: 1_699_999_995,
        ath: ath("t0k3n")
      })
      assert.notStrictEqual(jti, second.jti)
    }))

  it.effect("a proof does not hold the user name and the password of the URL", () =>
    Effect.gen(function*() {
      const dpop = yield* Dpop.make()
      const proof = yield* dpop.proof({ method: "PUT", url: "https://me:pw@API.test:443/a/../b" })
      assert.strictEqual(jose.decodeJwt(Redacted.value(proof)).htu, "https://api.test/b")
    }))

  it.effect("a proof is added to requests with a bound token and to token requests, and to no others", () =>
    Effect.gen(function*() {
      const { all, client } = serve(() => ok())
      const dpop = yield* Dpop.make()
      const decorated = dpop.withDpop(
        HttpClient.mapRequest(
          client,
          (request) =>
            request.url === "/relative" ? HttpClientRequest.prependUrl(request, "https://elsewhere.test") : request
        )
      )
      const form = HttpClientRequest.bodyUrlParams({ grant_type: "refresh_token" })
      for (
        const request of [
          get,
          HttpClientRequest.setHeader(get, "authorization", "dpop t0k3n"),
          tokenRequest,
          HttpClientRequest.post("https://auth.test/token").pipe(HttpClientRequest.basicAuth("a", "b"), form)
        ]
      ) {
        yield* decorated.execute(request)
        assert.isDefined(all[all.length - 1]!.proof, request.url)
      }
      for (
        const request of [
          HttpClientRequest.get("https://elsewhere.test/"),
          HttpClientRequest.get("/relative"),
          HttpClientRequest.setHeader(get, "authorization", "Bearer t0k3n"),
          HttpClientRequest.post("https://auth.test/revoke").pipe(HttpClientRequest.bodyUrlParams({ token: "x" })),
          HttpClientRequest.post("https://elsewhere.test/").pipe(HttpClientRequest.bodyText("grant_type=x"))
        ]
      ) {
        yield* decorated.execute(request)
        assert.isUndefined(all[all.length - 1]!.proof, request.url)
      }
      yield* decorated.execute(HttpClientRequest.setHeader(get, "dpop", ready))
      assert.strictEqual(all[all.length - 1]!.request.headers["dpop"], ready)
    }))

  it.effect("a call to a relative URL fails, because no proof can be made for it; nothing is sent", () =>
    Effect.gen(function*() {
      const { all, client } = serve(() => ok())
      const dpop = yield* Dpop.make()
      const error = yield* Effect.flip(
        dpop.withDpop(client).execute(
          HttpClientRequest.get("/things?secret=1").pipe(HttpClientRequest.setHeader("authorization", "DPoP t0k3n"))
        )
      )
      assert.strictEqual(error._tag === "RequestError" && error.reason, "InvalidUrl")
      assert.notMatch(renderings(error), /t0k3n|secret=1/)
      assert.lengthOf(all, 0)
    }))

  // FAULTS S
  it.effect("a URL that does not parse is described and not quoted, for it may hold a password", () =>
    Effect.gen(function*() {
      const dpop = yield* Dpop.make()
      for (
        const url of ["https://me:hunt3r2#x@api.test/y", "https://me:hunt3r2@api.test:99999", "//me:hunt3r2@api.test"]
      ) {
        const error = yield* Effect.flip(
          dpop.withDpop(serve(() => ok()).client).execute(
            HttpClientRequest.get(url).pipe(HttpClientRequest.setHeader("authorization", "DPoP t0k3n"))
          )
        )
        assert.notInclude(renderings(error), "hunt3r2")
        assert.include(error.message, `a text of ${url.length} characters`)
      }
    }))

  it.scoped("no redirect is followed with a proof: fetch must not, and an inner followRedirects is an error", () =>
    Effect.gen(function*() {
      const { all, client } = serve(({ request }) =>
        request.url.startsWith("https://api.test/")
          ? new Response(null, { status: 302, headers: { location: "https://evil.test/" } })
          : ok()
      )
      const dpop = yield* Dpop.make()
      const response = yield* dpop.withDpop(client).execute(get)
      assert.strictEqual(response.status, 302)
      assert.strictEqual(all[0]!.redirect, "manual")
      yield* dpop.withDpop(client).execute(get).pipe(
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error", keepalive: true })
      )
      assert.strictEqual(all[1]!.redirect, "error")
      // FAULTS T
      const settled = HttpClient.transformResponse(
        client,
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "follow", keepalive: true })
      )
      assert.strictEqual((yield* dpop.withDpop(settled).execute(get)).status, 302)
      assert.strictEqual(all[2]!.redirect, "manual")

      const inside = yield* Effect.flip(dpop.withDpop(HttpClient.followRedirects(client)).execute(get))
      assert.include(String((inside as HttpClientError.RequestError).description), "https://evil.test")
      const before = all.length
      const tokens = yield* source
      const outside = client.pipe(
        dpop.withDpop,
        BearerAuth.withBearer(tokens, { origins: ["https://api.test"] }),
        HttpClient.followRedirects()
      )
      yield* outside.get(api)
      assert.deepStrictEqual(all.slice(before).map(({ proof }) => proof !== undefined), [true, false])
    }))

  it.scoped("a proof is in no rendering and in no span", () =>
    Effect.gen(function*() {
      const server = serve(() => new Response("no", { status: 500 }))
      const { all } = server
      const spans: Array<Tracer.Span> = []
      const client = HttpClient.make((request) =>
        Effect.zipRight(
          Effect.tap(Effect.orDie(Effect.currentSpan), (span) => Effect.sync(() => spans.push(span))),
          server.client.execute(request)
        )
      )
      const dpop = yield* Dpop.make()
      const bearer = client.pipe(
        HttpClient.filterStatusOk,
        dpop.withDpop,
        BearerAuth.withBearer(yield* source, { origins: ["https://api.test"] })
      )
      const error = yield* Effect.flip(bearer.get(api)).pipe(Effect.withSpan("outer"))
      const response = yield* dpop.withDpop(client).execute(get)
      const proofs = all.map(({ proof }) => proof!)
      assert.lengthOf(spans, 2)
      for (const span of spans) {
        const sent = span.attributes.get("http.request.header.dpop")
        assert.strictEqual(String(sent), "<redacted>")
      }
      const text = renderings(error) + renderings(response.toJSON()) + JSON.stringify(response) +
        renderings(response.request.toJSON()) +
        spans.map((span) => JSON.stringify(Array.from(span.attributes))).join()
      for (const proof of proofs) assert.notInclude(text, proof.split(".")[2]!)
      assert.include(JSON.stringify(response.request), `"dpop":"<redacted>"`)
    }))
})

// FAULTS S5
describe("neither the token nor the proof is shown, whatever the inner client fails with", () => {
  const token = "T0ken-that-is-bound+to/a.key="
  class Wrapped extends Data.TaggedError("Wrapped")<{ readonly cause: unknown }> {}

  /** What somebody may make of a request. */
  const made: Readonly<Record<string, (request: HttpClientRequest.HttpClientRequest) => unknown>> = {
    "the request": (request) => request,
    "its headers": (request) => request.headers,
    "a copy of its headers": (request) => ({ ...request.headers }),
    "other headers": (request) => ({ "x-proof": request.headers["dpop"], "x-token": request.headers["authorization"] }),
    "a text": (request) => `GET with ${JSON.stringify(request.headers)}`,
    "an error": (request) => new TypeError(`bad header ${request.headers["dpop"]} ${request.headers["authorization"]}`),
    "encoded": (request) => new Error(Buffer.from(JSON.stringify(request.headers)).toString("base64")),
    "something frozen": (request) => Object.freeze({ request: Object.freeze(request) })
  }
  const shownOf = (exit: Exit.Exit<unknown, unknown>): string =>
    Exit.isSuccess(exit) ? renderings(exit.value) : [
      renderings(exit),
      renderings(exit.cause),
      Cause.pretty(exit.cause, { renderErrorCause: true }),
      ...Cause.prettyErrors(exit.cause).flatMap((error) => [renderings(error), error.stack, error.message])
    ].join("\n")

  for (const [name, make] of Object.entries(made)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const dpop = yield* Dpop.make()
        const tokens = yield* TokenSource.make(() =>
          Effect.succeed(AccessToken.make({ value: token, tokenType: "DPoP" }))
        )
        for (
          const end of [
            (value: unknown) => Effect.fail(value),
            (value: unknown) => Effect.fail(new Wrapped({ cause: value })),
            (value: unknown) => Effect.die({ deep: [value] })
          ]
        ) {
          let sent: HttpClientRequest.HttpClientRequest | undefined
          const inner = HttpClient.makeWith<never, never, unknown, never>(
            Effect.flatMap((request) => {
              sent = request
              return end(make(request))
            }),
            Effect.succeed
          )
          const bearer = BearerAuth.withBearer(dpop.withDpop(inner), tokens, { origins: ["https://api.test"] })
          const shown = shownOf(yield* Effect.exit(bearer.get(api)))
          const [protectedHeader, , signature] = sent!.headers["dpop"]!.split(".")
          assert.strictEqual(sent!.headers["authorization"], `DPoP ${token}`)
          for (const secret of [token, protectedHeader!, signature!]) {
            assert.notInclude(shown, secret)
            assert.notInclude(shown, Buffer.from(secret).toString("base64").slice(3, -8))
          }
        }
      }))
  }

  it.effect("a response whose request object is frozen does not show the token or the proof", () =>
    Effect.gen(function*() {
      const dpop = yield* Dpop.make()
      let proof: string | undefined
      const client = HttpClient.make((request) => {
        proof = request.headers["dpop"]
        return Effect.succeed(HttpClientResponse.fromWeb(Object.freeze(request), new Response("no json")))
      })
      const response = yield* dpop.withDpop(client.pipe(HttpClient.mapRequest((request) => Object.freeze(request))))
        .execute(get)
      const [, , signature] = proof!.split(".")
      assert.notInclude(shownOf(Exit.succeed(response)), signature!)
      assert.notInclude(shownOf(yield* Effect.exit(response.json)), signature!)
    }))
})

describe("a nonce", () => {
  it.effect("a nonce is taken from any response, and used for the origin of that response only", () =>
    Effect.gen(function*() {
      const statuses = [200, 401, 400, 503, 204]
      const { all, client } = serve(({ request }, n) =>
        request.url.startsWith("https://api.test")
          ? new Response(statuses[n - 1] === 204 ? null : "{}", {
            status: statuses[n - 1]!,
            headers: { "dpop-nonce": `n${n}` }
          })
          : ok()
      )
      const dpop = yield* Dpop.make()
      for (const _ of statuses) yield* dpop.withDpop(client).execute(get)
      yield* dpop.withDpop(client).execute(HttpClientRequest.setUrl(get, "https://other.test/"))
      yield* dpop.withDpop(client).execute(HttpClientRequest.setUrl(get, "https://api.test:8443/"))
      assert.deepStrictEqual(all.map(({ claims }) => claims.nonce), [
        undefined,
        "n1",
        "n2",
        "n3",
        "n4",
        undefined,
        undefined
      ])
      const proof = yield* dpop.proof({ method: "GET", url: api, accessToken: Redacted.make("t") })
      const { ath: hash, nonce } = jose.decodeJwt(Redacted.value(proof))
      assert.deepStrictEqual([nonce, hash], ["n5", ath("t")])
    }))

  it.effect("a nonce is also taken from responses to requests without a proof and from errors, if it is well-formed", () =>
    Effect.gen(function*() {
      const nonces = ["from-health", "from-failure", "two words", "", "x".repeat(2000)]
      const { all, client } = serve((_, n) =>
        new Response("{}", { status: n === 2 ? 500 : 200, headers: { "dpop-nonce": nonces[n - 1] ?? "" } })
      )
      const dpop = yield* Dpop.make()
      const decorated = dpop.withDpop(HttpClient.filterStatusOk(client))
      yield* decorated.get("https://api.test/health")
      yield* Effect.flip(decorated.execute(get))
      for (let n = 0; n < 4; n++) yield* decorated.execute(get)
      assert.deepStrictEqual(all.slice(1).map(({ claims }) => claims.nonce), [
        "from-health",
        ...Array(4).fill("from-failure")
      ])
    }))

  it.effect("W1.14 if the authorization server asks for a nonce, the request is sent once more with it", () =>
    Effect.gen(function*() {
      const { all, client } = serve(({ claims }) => claims.nonce === "n1" ? ok() : nonceWantedByAs("n1"))
      const dpop = yield* Dpop.make()
      for (const inner of [client, HttpClient.filterStatusOk(client)]) {
        const fresh = yield* Dpop.make()
        const response = yield* fresh.withDpop(inner).execute(tokenRequest)
        assert.strictEqual(response.status, 200)
      }
      yield* dpop.withDpop(client).execute(tokenRequest)
      yield* dpop.withDpop(client).execute(tokenRequest)
      assert.deepStrictEqual(all.map(({ claims }) => claims.nonce), [
        undefined,
        "n1",
        undefined,
        "n1",
        undefined,
        "n1",
        "n1"
      ])
      assert.strictEqual(new Set(all.map(({ claims }) => claims.jti)).size, 7)
    }))

  it.effect("W1.14 if the resource server asks for a nonce, the request is sent once more with it, and not again", () =>
    Effect.gen(function*() {
      const { all, client } = serve((_, n) => nonceWanted(`n${n}`))
      const dpop = yield* Dpop.make()
      const response = yield* dpop.withDpop(client).execute(get)
      assert.strictEqual(response.status, 401)
      assert.strictEqual(yield* response.text, "no nonce")
      assert.deepStrictEqual(all.map(({ claims }) => claims.nonce), [undefined, "n1"])
      const error = yield* Effect.flip(dpop.withDpop(HttpClient.filterStatusOk(client)).execute(get))
      assert.strictEqual(error._tag === "ResponseError" && error.response.status, 401)
      assert.lengthOf(all, 4)
    }))

  it.effect("if the server sends the same nonce again, or none, the request is not sent again", () =>
    Effect.gen(function*() {
      const same = serve(() => nonceWanted("n1"))
      const dpop = yield* Dpop.make()
      yield* dpop.withDpop(same.client).execute(get)
      yield* dpop.withDpop(same.client).execute(get)
      assert.deepStrictEqual(same.all.map(({ claims }) => claims.nonce), [undefined, "n1", "n1"])

      const missing = serve(() =>
        new Response("", { status: 401, headers: { "www-authenticate": "DPoP error=\"use_dpop_nonce\"" } })
      )
      yield* dpop.withDpop(missing.client).execute(get)
      const others = [
        () => new Response("{\"error\":\"invalid_client\"}", { status: 400, headers: { "dpop-nonce": "n9" } }),
        () => new Response("use_dpop_nonce", { status: 400, headers: { "dpop-nonce": "n9" } }),
        () => new Response("{\"error\":\"use_dpop_nonce\"}", { status: 403, headers: { "dpop-nonce": "n9" } })
      ]
      // the body of an API is the API's
      const apiBody = serve(() => nonceWantedByAs("n9"))
      yield* (yield* Dpop.make()).withDpop(apiBody.client).execute(get)
      assert.lengthOf(apiBody.all, 1)
      for (const answer of others) {
        const { all, client } = serve(answer)
        const fresh = yield* Dpop.make()
        const response = yield* fresh.withDpop(client).execute(tokenRequest)
        assert.strictEqual(yield* response.text, yield* Effect.promise(() => answer().text()))
        assert.lengthOf(all, 1)
      }
      assert.lengthOf(missing.all, 1)
    }))

  it.effect("P23 a request with a body that cannot be replayed is not sent again, but the next call uses the nonce", () =>
    Effect.gen(function*() {
      const post = (body: HttpBody.HttpBody) =>
        HttpClientRequest.post(api).pipe(
          HttpClientRequest.setHeader("authorization", "DPoP t0k3n"),
          HttpClientRequest.setBody(body)
        )
      const stream = HttpBody.stream(Stream.make(new Uint8Array([1])))
      const cases: ReadonlyArray<readonly [HttpBody.HttpBody, boolean, number]> = [
        [HttpBody.empty, false, 2],
        [HttpBody.text("text"), false, 2],
        [HttpBody.raw("text"), false, 2],
        [HttpBody.formData(new FormData()), false, 2],
        [HttpBody.raw(new ReadableStream()), true, 1],
        [stream, false, 1],
        [stream, true, 2]
      ]
      for (const [body, replayStreams, sent] of cases) {
        const { all, client } = serve(({ claims }) => claims.nonce === "n1" ? ok() : nonceWanted("n1"))
        const dpop = yield* Dpop.make({ replayStreams })
        const response = yield* dpop.withDpop(client).execute(post(body))
        assert.lengthOf(all, sent, body._tag)
        assert.strictEqual(response.status, sent === 2 ? 200 : 401)
        assert.strictEqual((yield* dpop.withDpop(client).execute(post(body))).status, 200)
      }
    }))

  it.effect("a long or broken body of the token endpoint reaches the caller unchanged, though it was read for the nonce error", () =>
    Effect.gen(function*() {
      const fresh = { status: 400, headers: { "dpop-nonce": "n9" } }
      const long = serve(() => new Response(new Uint8Array(3_000_000), fresh))
      const broken = serve(() =>
        new Response(
          new ReadableStream({
            start: (controller) => {
              controller.enqueue(new Uint8Array(3))
              setTimeout(() => controller.error(new Error("reset")), 20)
            }
          }),
          fresh
        )
      )
      const dpop = yield* Dpop.make()
      const response = yield* dpop.withDpop(long.client).execute(tokenRequest)
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 1_048_577)
      const other = yield* Dpop.make()
      const cut = yield* other.withDpop(broken.client).execute(tokenRequest)
      assert.isTrue((yield* Effect.exit(cut.text))._tag === "Failure")
    }))

  it.effect("the second try after a nonce error has a new client assertion, because each assertion can be used once", () =>
    Effect.gen(function*() {
      const { pem } = yield* key("ES256")
      const { all, client } = serve(({ claims }) =>
        claims.nonce === "n1"
          ? Response.json({ access_token: "t", token_type: "DPoP", expires_in: 60 })
          : nonceWantedByAs("n1")
      )
      const dpop = yield* Dpop.make()
      const endpoint = yield* Effect.provideService(
        TokenEndpoint.make({
          tokenEndpoint: "https://auth.test/token",
          clientId: "svc",
          authentication: ClientAssertion.privateKeyJwt({ key: Redacted.make(pem) })
        }),
        HttpClient.HttpClient,
        dpop.withDpop(client)
      )
      const token = yield* endpoint.request(Grant.clientCredentials, TokenRequest.make({ scopes: "a b" }))
      assert.strictEqual(token.tokenType, "DPoP")
      const forms = all.map(({ form }) => form)
      assert.lengthOf(forms, 2)
      const [one, two] = forms.map((form) => jose.decodeJwt(form.get("client_assertion")!))
      assert.notStrictEqual(one!.jti, two!.jti)
      assert.strictEqual(one!.aud, two!.aud)
      for (const form of forms) form.delete("client_assertion")
      assert.strictEqual(forms[1]!.toString(), forms[0]!.toString())
    }))

  // FAULTS W
  it.effect("if each nonce is refused, the error is transient, names balancers, and says nothing about the credentials", () =>
    Effect.gen(function*() {
      for (const status of [400, 401]) {
        const { all, client } = serve((_, n) =>
          Response.json({ error: "USE_DPOP_NONCE" }, { status, headers: { "dpop-nonce": `n${n}` } })
        )
        const error = yield* refusalFrom(client)
        assert.strictEqual(error._tag, "EndpointUnavailable")
        assert.include(error.message, "balancer")
        assert.notInclude(error.message, "secret")
        assert.lengthOf(all, 2)
      }
    }))

  // FAULTS W
  it.effect("if the server asks for a nonce and sends none, the error is final, and says nothing about the credentials", () =>
    Effect.gen(function*() {
      for (const [code, advice] of [["use_dpop_nonce", "DPoP-Nonce"], ["invalid_dpop_proof", "clock"]] as const) {
        for (const status of [400, 401]) {
          const error = yield* refusalFrom(serve(() => Response.json({ error: code }, { status })).client)
          assert(error._tag === "OAuthError")
          assert.strictEqual(error.error, code)
          assert.include(error.message, advice)
          assert.notInclude(error.message, "secret")
        }
      }
    }))

  // FAULTS W
  it.scoped("with two servers behind a balancer, a retry finds the server whose nonce it has", () =>
    Effect.gen(function*() {
      const route = [0, 1, 0, 0]
      const { all, client } = serve(({ claims }, n) => {
        const nonce = `of server ${route[n - 1]}`.replaceAll(" ", "-")
        const headers = { "dpop-nonce": nonce }
        return claims.nonce === nonce
          ? Response.json({ access_token: "t", token_type: "DPoP", expires_in: 3600 }, { headers })
          : Response.json({ error: "use_dpop_nonce" }, { status: 400, headers })
      })
      const dpop = yield* Dpop.make()
      const tokens = yield* TokenSource.refreshToken({
        tokenEndpoint: "https://auth.test/token",
        clientId: "svc",
        authentication: ClientAuthentication.basic(Redacted.make("s3cr3t")),
        refreshToken: Redacted.make("refresh"),
        rotation: "always"
      }).pipe(
        Effect.flatMap(TokenSource.managed()),
        Effect.provideService(HttpClient.HttpClient, dpop.withDpop(client))
      )
      const got = yield* Effect.fork(tokens.get())
      for (let step = 0; step < 60; step++) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(Redacted.value((yield* Fiber.join(got)).value), "t")
      assert.lengthOf(all, 4)
    }))
})

describe("with BearerAuth", () => {
  const origins = ["https://api.test"] as const

  it.scoped("a nonce error does not cost a new token, and each proof is for the token that is sent with it", () =>
    Effect.gen(function*() {
      const { all, client } = serve(({ claims }) => claims.nonce === "n1" ? ok() : nonceWanted("n1"))
      const dpop = yield* Dpop.make()
      const bearer = client.pipe(dpop.withDpop, BearerAuth.withBearer(yield* source, { origins }))
      assert.strictEqual((yield* bearer.get(api)).status, 200)
      assert.deepStrictEqual(all.map(({ request }) => request.headers["authorization"]), ["DPoP t1", "DPoP t1"])
      assert.deepStrictEqual(all.map(({ claims }) => claims.ath), [ath("t1"), ath("t1")])
    }))

  it.scoped("a refused token is renewed and gets a new proof, also if the server asks for a nonce in between", () =>
    Effect.gen(function*() {
      const dead = () =>
        new Response("", { status: 401, headers: { "www-authenticate": "DPoP error=\"invalid_token\"" } })
      const { all, client } = serve(({ claims, request }, n) =>
        claims.nonce !== (n <= 2 ? "n1" : "n2")
          ? nonceWanted(n <= 2 ? "n1" : "n2")
          : request.headers["authorization"] === "DPoP t1"
          ? dead()
          : ok()
      )
      const dpop = yield* Dpop.make()
      const bearer = client.pipe(dpop.withDpop, BearerAuth.withBearer(yield* source, { origins }))
      assert.strictEqual((yield* bearer.get(api)).status, 200)
      assert.deepStrictEqual(all.map(({ claims }) => [claims.nonce, claims.ath]), [
        [undefined, ath("t1")],
        ["n1", ath("t1")],
        ["n1", ath("t2")],
        ["n2", ath("t2")]
      ])
    }))
})
