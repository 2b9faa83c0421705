import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { DataAction, GenesysCloud, Limits, Organizations, Users } from "@effect-bearer/genesys"
import { Jwks } from "@effect-bearer/jose"
import { Chunk, Data, Effect, HashMap, HashSet, List, Redacted, Stream } from "effect"
import { AccessToken, BearerAuth, ClientAuthentication, TokenSource, TokenStore } from "effect-bearer"
import type { Answer, Case } from "../../packages/core/test/support/secretCases.js"
import { breath, caseOf, cases, check, clientOf, observed } from "../../packages/core/test/support/secretCases.js"

/** See `NoSecretShown.test.ts` of the core: here are the surfaces of the other packages, and of requests. */
const number = Math.min(cases / 500, 5000)

const url = "https://login.example.com/endpoint"

type Path = (secret: string, answer: Answer) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>

/** What a call gives is the program's; what it says when it fails is shown. */
const failing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> => Effect.asVoid(effect)

const base64 = (text: string): string => Buffer.from(text).toString("base64url")

const verifier = Jwks.make({ issuer: "https://login.example.com", audience: "a", jwksUri: url, algorithms: ["ES256"] })

/** A login host that issues `token`, and an API. */
const cloudOn = (token: string, api: HttpClient.HttpClient) => {
  const client = HttpClient.make((request, url) =>
    url.pathname === "/oauth/token"
      ? Effect.succeed(
        HttpClientResponse.fromWeb(
          request,
          Response.json({ access_token: token, token_type: "bearer", expires_in: 60 })
        )
      )
      : api.execute(request)
  )
  return GenesysCloud.make({
    region: "mypurecloud.de",
    clientId: "client",
    clientSecret: Redacted.make("of-no-interest-here"),
    api: { retry: false }
  }).pipe(Effect.provideService(HttpClient.HttpClient, client))
}

const cloud = (token: string, answer: Answer) => cloudOn(token, clientOf(answer))

const calls: Readonly<Record<string, Effect.Effect<unknown, unknown, GenesysCloud.GenesysCloud>>> = {
  "an organization": Organizations.me,
  "a list": Stream.runCollect(Users.list())
}

class Wrapped extends Data.TaggedError("Wrapped")<{ readonly details: unknown; readonly cause?: unknown }> {}

/** What an inner client may make of an answer. */
const errors: Readonly<Record<string, (text: string, answer: Answer) => unknown>> = {
  "an error": (text) => new Error(text),
  "text": (text) => text,
  "data": (text, { headers }) => ({ text, headers, [`the whole: ${text}`]: 1 }),
  "an error with details": (text, { body, headers }) =>
    new Wrapped({ details: [{ text }, headers, new Map([[text, body]])], cause: new Error(text) }),
  "an error with collections": (text) =>
    new Wrapped({ details: [Chunk.of(text), HashMap.make([text, text]), List.of(text)], cause: HashSet.make(text) }),
  "an error with a form, a file, a function and an iterator": (text) => {
    const form = new FormData()
    form.set("text", text)
    const call = Object.assign(() => 1, { text })
    return new Wrapped({ details: [form, new File([text], text), call, [text].values(), new Set([text]).keys()] })
  },
  "a request with a body": (text) =>
    new HttpClientError.RequestError({
      request: HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post(url, { urlParams: { text } }), { text }),
      reason: "Encode"
    })
}

const paths: Readonly<Record<string, { readonly legal: boolean; readonly path: Path }>> = {
  "keys to verify tokens with": {
    legal: true,
    path: (secret) =>
      Effect.flatMap(verifier, ({ verify }) =>
        failing(
          verify(Redacted.make(`${base64("{\"alg\":\"ES256\",\"kid\":\"k\"}")}.${base64("{}")}.${base64(secret)}`))
        ))
  },
  "a token that is none": {
    legal: false,
    path: (secret) => Effect.flatMap(verifier, ({ verify }) => verify(Redacted.make(secret)))
  },
  ...Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [`the API of Genesys Cloud: ${name}`, {
      legal: true,
      path: (secret: string, answer: Answer) =>
        Effect.scoped(
          Effect.flatMap(cloud(secret, answer), (cloud) =>
            failing(Effect.provideService(call, GenesysCloud.GenesysCloud, cloud)))
        )
    }])
  ),
  "a data action": {
    legal: false,
    path: (secret) =>
      DataAction.handler({
        tokenEndpoint: url,
        clientId: "svc",
        authentication: ClientAuthentication.basic(Redacted.make(secret))
      }).pipe(
        Effect.flatMap((handle) => handle({ body: "{}" })),
        // a token is what was asked for
        Effect.flatMap((reply) => reply.status === 200 ? Effect.void : Effect.fail(reply)),
        Effect.scoped
      )
  },
  ...Object.fromEntries(
    Object.entries(errors).map(([name, make]) => [`a request with a bearer whose client fails with ${name}`, {
      legal: true,
      path: (secret: string, answer: Answer) => {
        const inner = HttpClient.makeWith<never, never, unknown, never>(
          Effect.flatMap((request) => {
            const made = make(Buffer.from(answer.body).toString(), answer)
            return answer.status % 2 === 0
              ? Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: made }))
              : answer.status % 3 === 0
              ? Effect.die(made)
              : Effect.fail(made)
          }),
          Effect.succeed
        )
        return Effect.flatMap(
          TokenSource.make(() => Effect.succeed(AccessToken.make({ value: secret }))),
          (source) =>
            BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"] })
              .get("https://api.example.com/a")
        )
      }
    }])
  )
}

/** Real time passes here: what would be tried again is a refusal. */
const calm = (one: Case, isWanted: boolean): Case =>
  isWanted && (one.answer.status === 429 || one.answer.status >= 500)
    ? { ...one, answer: { ...one.answer, status: 400 } }
    : one

// FAULTS S1, S2, S5, S6
describe("no secret is in any rendering", () => {
  for (const [name, { legal, path }] of Object.entries(paths)) {
    it.live(`of ${name}`, () =>
      Effect.gen(function*() {
        for (let i = 0; i < number; i++) {
          yield* Effect.promise(() => Promise.resolve(breath(i)))
          const theCase = calm(caseOf(i, true, legal), name === "a data action" && i > 0)
          // a shorter token may be made of words, and is known as a whole only
          if (name.startsWith("a request") && theCase.secret.length < 20) continue
          check(yield* observed(path(theCase.secret, theCase.answer), clientOf(theCase.answer), true), theCase, i)
        }
      }), 600_000)
  }
})

// FAULTS S5
describe("what Effect logs of fibers that fail, at debug level", () => {
  const secret = "Zq8-kLm2vX9pR4tW7yB1"
  /** A body that breaks off with an error that quotes the request. */
  const broken = (status: number) =>
    HttpClient.make((request) =>
      Effect.succeed(HttpClientResponse.fromWeb(
        request,
        new Response(
          new ReadableStream({
            pull: (controller) => controller.error(new Error(`${secret} ${request.headers["authorization"]}`))
          }),
          {
            status,
            // the span of the platform's own client shows headers of responses
            headers: request.url.startsWith("https://api.example.com")
              ? {}
              : { location: `https://other.example/${secret}`, "x-echo": secret }
          }
        )
      ))
    )
  const failed = HttpClient.make((request) =>
    Effect.fail(
      new HttpClientError.RequestError({
        request,
        reason: "Transport",
        cause: new Error(`${secret} ${request.headers["authorization"]}`)
      })
    )
  )
  const token = TokenSource.clientCredentials({
    tokenEndpoint: url,
    clientId: "svc",
    authentication: ClientAuthentication.basic(Redacted.make(secret))
  })
  const bearer = (inner: HttpClient.HttpClient) =>
    Effect.flatMap(
      TokenSource.make(() => Effect.succeed(AccessToken.make({ value: secret }))),
      (source) =>
        BearerAuth.withBearer(inner, source, { origins: ["https://api.example.com"] }).get("https://api.example.com/a")
    )
  const cases: Readonly<Record<string, Effect.Effect<unknown, unknown, HttpClient.HttpClient>>> = {
    "a token request": Effect.flatMap(token, (source) => source.get()),
    "a cached source": Effect.scoped(
      Effect.flatMap(Effect.flatMap(token, TokenSource.cached()), (source) => source.get())
    ),
    "keys": Effect.flatMap(
      verifier,
      ({ verify }) =>
        verify(Redacted.make(`${base64("{\"alg\":\"ES256\",\"kid\":\"k\"}")}.${base64("{}")}.${base64(secret)}`))
    ),
    "a call with a bearer": Effect.flatMap(HttpClient.HttpClient, bearer),
    "a call with a bearer and a limit": Effect.flatMap(
      HttpClient.HttpClient,
      (client) => bearer(client.pipe(Limits.withTimeout("1 second")) as HttpClient.HttpClient)
    ),
    "Genesys Cloud": Effect.scoped(
      Effect.flatMap(
        HttpClient.HttpClient,
        (api) =>
          Effect.flatMap(
            cloudOn(secret, api),
            (cloud) => Effect.provideService(Organizations.me, GenesysCloud.GenesysCloud, cloud)
          )
      )
    ),
    "a shared store of one's own": Effect.scoped(
      Effect.flatMap(
        TokenSource.make(() => Effect.succeed(AccessToken.make({ value: "other-token" }))),
        (source) => Effect.flatMap(TokenSource.shared({ namespace: "n" })(source), (source) => source.get())
      )
    ).pipe(
      Effect.provideService(TokenStore.TokenStore, {
        get: () => Effect.fail(new Error(secret) as never),
        put: () => Effect.die(new Error(secret)),
        acquire: () => Effect.fail({ text: secret } as never),
        release: () => Effect.void,
        remove: () => Effect.void,
        changes: Stream.fail(new Error(secret) as never)
      })
    )
  }
  for (const [name, call] of Object.entries(cases)) {
    it.live(`shows nothing: ${name}`, () =>
      Effect.gen(function*() {
        for (const client of [failed, broken(200), broken(302), broken(401), broken(503)]) {
          const text = yield* observed(Effect.asVoid(call), client, true)
          const at = text.indexOf(secret)
          assert.strictEqual(at, -1, text.slice(Math.max(0, at - 600), at + 60))
          assert.notInclude(text, Buffer.from(`svc:${secret}`).toString("base64"))
        }
      }))
  }
})
