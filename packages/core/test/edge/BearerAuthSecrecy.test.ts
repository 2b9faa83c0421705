import * as util from "node:util"
import { Headers, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Data,
  Effect,
  Exit,
  FastCheck,
  HashMap,
  HashSet,
  List,
  Logger,
  Option,
  Schema,
  Tracer
} from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import { makeApi, makeSource } from "../support/bearer.js"

const api = "https://api.example.com"
const origins = [api] as const
const secret = "S3CRET-t0ken/with+marks="
const header = `Bearer ${secret}`
const tokens = makeSource(() => Effect.succeed(AccessToken.make({ value: secret })))

const renderings = (value: unknown): ReadonlyArray<string> => {
  const shown = [
    util.inspect(value, { depth: 30 }),
    util.inspect(value, { depth: 30, showHidden: true }),
    util.format("%O", value),
    util.format("%j", value),
    attempt(() => JSON.stringify(value)),
    attempt(() => String(value)),
    Logger.jsonLogger.log(options(value)),
    Logger.stringLogger.log(options(value)),
    util.inspect(Logger.structuredLogger.log(options(value)), { depth: 30 })
  ]
  if (Exit.isExit(value) && Exit.isFailure(value)) {
    shown.push(...renderings(value.cause), Cause.pretty(value.cause, { renderErrorCause: true }))
    for (const error of Cause.prettyErrors(value.cause)) {
      shown.push(error.message, error.stack ?? "", util.inspect(error, { depth: 30 }), attempt(() => JSON.stringify(error)))
    }
    shown.push(util.inspect(Cause.squash(value.cause), { depth: 30 }))
  }
  return value instanceof Error ? [...shown, value.message, value.stack ?? ""] : shown
}

const attempt = (render: () => string): string => {
  try {
    return render()
  } catch {
    return ""
  }
}

const options = (message: unknown): Logger.Logger.Options<unknown> => ({
  ...Effect.runSync(Effect.map(captured, (options) => options)),
  message
})

/** The values that a logger gets. */
const captured = Effect.async<Logger.Logger.Options<unknown>>((resume) => {
  Effect.runSync(Effect.provide(
    Effect.log("x"),
    Logger.replace(Logger.defaultLogger, Logger.make((options) => resume(Effect.succeed(options))))
  ))
})

const assertHidden = (value: unknown) => {
  for (const text of renderings(value)) {
    assert.isFalse(
      text.includes(secret) || text.includes(encodeURIComponent(secret)),
      `shown: ${text.slice(0, 2000)}`
    )
  }
}

/** The exit of a call through a client that ends as `end` says. */
const exitOf = (
  end: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<HttpClientResponse.HttpClientResponse, unknown>,
  call: (client: HttpClient.HttpClient.With<unknown>) => Effect.Effect<unknown, unknown> = (client) => client.get(api)
) =>
  Effect.gen(function*() {
    const { source } = yield* tokens
    const inner = HttpClient.makeWith<never, never, unknown, never>(Effect.flatMap(end), Effect.succeed)
    return yield* Effect.exit(call(BearerAuth.withBearer(inner, source, { origins })))
  })

class Wrapped extends Data.TaggedError("Wrapped")<{ readonly cause?: unknown; readonly details?: unknown }> {}

class WithText extends Schema.TaggedError<WithText>()("WithText", { text: Schema.String }) {
  override get message() {
    return `it was ${this.text}`
  }
}

/** Like an error of axios: its rendering copies the configuration of the request. */
class WithRendering extends Error {
  readonly #request: HttpClientRequest.HttpClientRequest
  constructor(request: HttpClientRequest.HttpClientRequest) {
    super("failed")
    this.#request = request
  }
  toJSON() {
    return { message: this.message, config: { headers: { ...this.#request.headers } } }
  }
  override toString() {
    return `failed with ${this.#request.headers["authorization"]}`
  }
  [util.inspect.custom]() {
    return `WithRendering <${this.#request.headers["authorization"]}>`
  }
}

class Holder {
  constructor(readonly request: unknown) {}
}

/** The objects and texts that code may make from a request. */
const made: ReadonlyArray<readonly [string, (request: HttpClientRequest.HttpClientRequest) => unknown]> = [
  ["the request", (request) => request],
  ["another request made of it", (request) => HttpClientRequest.setHeader(request, "x-other", "1")],
  ["its headers", (request) => request.headers],
  ["a copy of its headers", (request) => ({ ...request.headers })],
  ["the header under another name", (request) => ({ "x-upstream": request.headers["authorization"] })],
  ["headers of the platform", (request) => Headers.fromInput({ ...request.headers, a: "b" })],
  ["headers of the runtime", (request) => new globalThis.Headers({ ...request.headers })],
  ["a map", (request) => new Map(Object.entries(request.headers))],
  ["a set", (request) => new Set([request.headers["authorization"], request])],
  ["a list as Node has it", (request) => Object.entries(request.headers).flat()],
  ["text", (request) => `GET / authorization: ${request.headers["authorization"]}`],
  ["encoded text", (request) => `?access_token=${encodeURIComponent(secret)}&${request.method}`],
  [
    "an error of the client",
    (request) =>
      new HttpClientError.RequestError({
        request,
        reason: "Transport",
        cause: new Error(JSON.stringify(request.headers))
      })
  ],
  ["a response error", (request) =>
    new HttpClientError.ResponseError({
      request,
      response: HttpClientResponse.fromWeb(HttpClientRequest.setHeader(request, "a", "b"), new Response("")),
      reason: "Decode"
    })],
  ["a response", (request) => HttpClientResponse.fromWeb(request, new Response("no json"))],
  ["an error that quotes it", (request) => new TypeError(`invalid header value ${request.headers["authorization"]}`)],
  ["a schema error", (request) => new WithText({ text: request.headers["authorization"]! })],
  ["an error with renderings", (request) => new WithRendering(request)],
  ["an option", (request) => Option.some(request.headers["authorization"])],
  ["an exit", (request) => Exit.fail(request)],
  ["a name of a member", (request) => ({ deep: { [request.headers["authorization"]!]: 1 } })],
  ["a name of a member of an error", (request) => Object.assign(new Error("x"), { [secret]: request.method })],
  ["a symbol", (request) => ({ deep: { [Symbol(secret)]: Symbol(request.headers["authorization"]) } })],
  ["a getter", (request) => ({
    deep: {
      get headers() {
        return { ...request.headers }
      }
    }
  })],
  ["a getter of an error", (request) =>
    Object.defineProperty(new Error("x"), "config", { enumerable: true, get: () => ({ ...request.headers }) })],
  ["a getter that throws", (request) => ({
    deep: {
      get broken() {
        throw new Error("no")
      },
      headers: { ...request.headers }
    }
  })],
  ["bytes", (request) => ({ raw: Buffer.from(`authorization: ${request.headers["authorization"]}`) })],
  ["other bytes", (request) => new TextEncoder().encode(request.headers["authorization"])],
  ["a promise", (request) => ({ later: Promise.resolve(request.headers["authorization"]) })]
]

/** The objects that code may put it into. */
const wrappers: ReadonlyArray<readonly [string, (value: unknown) => unknown]> = [
  ["a cause", (cause) => new Wrapped({ cause })],
  ["a member", (details) => new Wrapped({ details })],
  ["an Error's cause", (cause) => new Error("wrapped", { cause })],
  ["an AggregateError", (error) => new AggregateError([error, 1], "several")],
  ["an object", (inner) => ({ inner })],
  ["a list", (inner) => [null, inner, undefined]],
  ["a map", (inner) => new Map([["k", inner]])],
  ["an instance", (inner) => new Holder(inner)],
  ["an object without a prototype", (inner) => Object.assign(Object.create(null), { inner })],
  ["a hidden property", (inner) => Object.defineProperty(new Error("hidden"), "inner", { value: inner })],
  ["a symbol", (inner) => ({ [Symbol.for("inner")]: inner })],
  ["an option", Option.some],
  ["something frozen", (inner) => typeof inner === "object" && inner !== null ? Object.freeze(inner) : inner],
  ["something frozen all through", (inner) => Object.freeze({ inner: Object.freeze([inner]) })],
  ["a cycle", (inner) => {
    const self: Record<string, unknown> = { inner }
    self.self = self
    return new Wrapped({ details: self })
  }]
]

const ends: ReadonlyArray<readonly [string, (value: unknown) => Effect.Effect<never, unknown>]> = [
  ["fails", Effect.fail],
  ["dies", Effect.die],
  ["throws", (value) =>
    Effect.sync(() => {
      throw value
    })],
  ["does several things", (value) =>
    Effect.failCause(
      Cause.sequential(
        Cause.parallel(Cause.fail(value), Cause.die({ value })),
        Cause.die(new Error("x", { cause: value }))
      )
    )],
  ["fails within a span", (value) => Effect.withSpan(Effect.fail(value), "inner")]
]

describe("BearerAuth never shows the token, however the inner client ends", () => {
  // FAULTS S5
  for (const [how, end] of ends) {
    it.effect(`the token is hidden if the inner client ${how}`, () =>
      Effect.gen(function*() {
        for (const [name, make] of made) {
          const plain = yield* exitOf((request) => end(make(request)))
          assert.isTrue(Exit.isFailure(plain))
          assertHidden(plain)
          for (const [wrapper, wrap] of wrappers) {
            const exit = yield* exitOf((request) => end(wrap(make(request))))
            assert.isTrue(Exit.isFailure(exit), `${name} in ${wrapper}`)
            assertHidden(exit)
          }
        }
      }), 60_000)
  }

  // FAULTS S5
  it.effect.prop("the token is hidden in errors nested at random", {
    make: FastCheck.constantFrom(...made),
    wraps: FastCheck.array(FastCheck.constantFrom(...wrappers), { maxLength: 12 }),
    end: FastCheck.constantFrom(...ends)
  }, ({ end: [, end], make: [, make], wraps }) =>
    Effect.gen(function*() {
      const exit = yield* exitOf((request) => end(wraps.reduce((value, [, wrap]) => wrap(value), make(request))))
      assert.isTrue(Exit.isFailure(exit))
      assertHidden(exit)
    }), { fastCheck: { numRuns: 150 } })

  // FAULTS S5
  it.effect("the token is hidden if an inner client throws before there is an effect", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      const { client } = makeApi(() => new Response())
      const inner = HttpClient.mapRequestInput(client, (request) => {
        throw new Error(`no route for ${JSON.stringify(request.headers)}`)
      })
      const exit = yield* Effect.exit(BearerAuth.withBearer(inner, source, { origins }).get(api))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assertHidden(exit)
    }))

  // FAULTS S5
  // FAULTS S5, S6
  it.effect("a token of usual length is hidden in any encoding, and even if it was cut", () =>
    Effect.gen(function*() {
      const spelled = [
        secret.slice(0, 15),
        secret.slice(5),
        secret.toUpperCase(),
        encodeURIComponent(secret).toLowerCase(),
        JSON.stringify(secret).replaceAll("/", "\\/"),
        Buffer.from(secret).toString("base64"),
        Buffer.from(`x:${secret}`).toString("base64url"),
        Buffer.from(secret).toString("hex")
      ]
      for (const text of spelled) {
        const exit = yield* exitOf(() => Effect.fail(new Wrapped({ cause: new Error(`rejected (${text}) there`) })))
        for (const shown of renderings(exit)) {
          assert.notInclude(shown, text)
          assert.notInclude(shown, text.slice(-10))
        }
        assert.include(renderings(exit).join("\n"), "rejected (")
      }
    }))

  it.effect("the error stays the same object and the request keeps its headers, unless it is frozen", () =>
    Effect.gen(function*() {
      let error: Wrapped | undefined
      const exit = yield* exitOf((request) => Effect.fail(error = new Wrapped({ cause: { request } })))
      const found = Exit.isFailure(exit) ? Option.getOrThrow(Cause.failureOption(exit.cause)) : undefined
      assert.strictEqual(found, error)
      const { request } = error!.cause as { readonly request: HttpClientRequest.HttpClientRequest }
      assert.strictEqual(request.headers["authorization"], header)
      const frozen = yield* exitOf((request) =>
        Effect.fail(Object.freeze(new Wrapped({ cause: Object.freeze({ request }) })))
      )
      const copy = Exit.isFailure(frozen) ? Option.getOrThrow(Cause.failureOption(frozen.cause)) : undefined
      assert.instanceOf(copy, Wrapped)
      assert.strictEqual((copy as Wrapped)._tag, "Wrapped")
    }))

  // FAULTS S5
  it.effect("the token is hidden in requests that are frozen, before and after the response", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      for (const traced of [true, false]) {
        for (const status of [200, 401, 500]) {
          for (const freeze of [Object.freeze, Object.seal, Object.preventExtensions] as ReadonlyArray<<A>(a: A) => A>) {
            const { client, sent } = makeApi(() => new Response("no json", { status }))
            const deep = (request: HttpClientRequest.HttpClientRequest) => {
              freeze(request.headers)
              return freeze(request)
            }
            const freezing = HttpClient.make((request) =>
              Effect.map(client.execute(request), (response) =>
                HttpClientResponse.fromWeb(deep(request), new Response("no json", { status: response.status })))
            )
            const inner = freezing.pipe(
              HttpClient.mapRequest(deep),
              HttpClient.withTracerDisabledWhen(() =>
                !traced
              )
            )
            const bearer = BearerAuth.withBearer(inner, source, { origins })
            const exit = yield* Effect.exit(bearer.execute(deep(HttpClientRequest.get(api))))
            assert.isTrue(Exit.isSuccess(exit))
            assertHidden(exit)
            const response = Exit.getOrElse(exit, () => undefined)!
            assertHidden(response.request)
            assert.strictEqual(response.request.headers["authorization"], header)
            assertHidden(yield* Effect.flip(response.json))
            assert.isTrue(sent().every((authorization) => authorization === header))
            const failed = yield* Effect.exit(
              BearerAuth.withBearer(HttpClient.filterStatus(inner, () => false), source, { origins }).get(api)
            )
            assertHidden(failed)
          }
        }
      }
    }))

  // FAULTS S5
  it.effect("the token is hidden in a response whose request carries it under another header", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      const { client } = makeApi(() => new Response("no json"))
      for (const keep of [true, false]) {
        const inner = HttpClient.mapRequest(client, (request) => {
          const renamed = HttpClientRequest.setHeader(request, "x-upstream", request.headers["authorization"]!)
          return keep ? renamed : HttpClientRequest.get(renamed.url, {
            headers: Headers.remove(renamed.headers, "authorization")
          })
        })
        const response = yield* BearerAuth.withBearer(inner, source, { origins }).get(api)
        assertHidden(Exit.succeed(response))
      }
    }))

  // FAULTS S5
  it.effect("the token is hidden in spans and logs, whatever currentRedactedNames was replaced with", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      for (const names of [[], ["x-api-key"], [/cookie/], ["Authorization"], ["authorization"]]) {
        const spans: Array<Tracer.Span> = []
        const lines: Array<string> = []
        const tracer = Tracer.make({
          span: (...args) => {
            const span = Effect.runSync(Effect.tracer).span(...args)
            spans.push(span)
            return span
          },
          context: (f) => f()
        })
        // as Spring Security OAuth answers
        const challenge = `Bearer error="invalid_token", error_description="Invalid access token: ${secret}"`
        const { client } = makeApi(() => new Response("", { status: 401, headers: { "www-authenticate": challenge } }))
        const logging = HttpClient.tapRequest(client, (request) =>
          Effect.zipRight(Effect.log(request), Effect.log(request.headers)))
        const call = BearerAuth.withBearer(logging, source, { origins }).get(api, { headers: { "x-other": "kept" } })
        const response = yield* call.pipe(
          Effect.locally(Headers.currentRedactedNames, names),
          Effect.withTracer(tracer),
          Effect.provide(Logger.replace(
            Logger.defaultLogger,
            Logger.make((options) =>
              lines.push(Logger.stringLogger.log(options), Logger.jsonLogger.log(options))
            )
          ))
        )
        assertHidden(response)
        assert.strictEqual(response.headers["www-authenticate"], challenge)
        assert.isAbove(spans.length, 0)
        assert.isAbove(lines.length, 0)
        for (const span of spans) {
          const attributes = Array.from(span.attributes)
          assert.deepInclude(attributes, ["http.request.header.authorization", "<redacted>"])
          assert.deepInclude(attributes, ["http.request.header.x-other", "kept"])
          assertHidden(attributes)
        }
        for (const line of lines) assert.notInclude(line, secret)
      }
    }))

  // FAULTS S5
  it.effect("an error that many calls share is not wrapped again by each call", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource((n) => Effect.succeed(AccessToken.make({ value: `${secret}${n}` })))
      const shared = new (class extends Error {
        last: unknown
        toJSON() {
          return { last: this.last }
        }
      })("shared")
      const inner = HttpClient.make((request) => {
        shared.last = { ...request.headers }
        return Effect.withSpan(Effect.fail(shared as never), "inner")
      })
      const bearer = BearerAuth.withBearer(inner, source, { origins })
      const toJSON = new Set<unknown>()
      for (let i = 0; i < 20; i++) {
        assertHidden(yield* Effect.exit(bearer.get(api)))
        toJSON.add(shared.toJSON)
      }
      assert.strictEqual(toJSON.size, 1)
    }))

  it.effect("an error that holds very many objects is searched in bounded time, nearest first", () =>
    Effect.gen(function*() {
      const much = Array.from({ length: 200_000 }, (_, n) => ({ n }))
      const exit = yield* exitOf((request) => Effect.fail(new Wrapped({ cause: { much, request: { request } } })))
      const cause = Exit.isFailure(exit) ? (Option.getOrThrow(Cause.failureOption(exit.cause)) as Wrapped).cause : 0
      assertHidden((cause as { readonly request: unknown }).request)
    }))
})

// FAULTS S5: objects made from the header that show it although no property holds it
describe("BearerAuth and errors that hold the token in another shape", () => {
  // FAULTS S
  it.effect("a response that repeats the token, made into an error by an inner filterStatusOk", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      for (const status of [400, 401, 503]) {
        const inner = HttpClient.make((request) =>
          Effect.succeed(HttpClientResponse.fromWeb(
            request,
            new Response("", { status, headers: { "x-echo": header, "x-part": secret.slice(3, 20), "x-other": "kept" } })
          ))
        )
        const client = BearerAuth.withBearer(HttpClient.filterStatusOk(inner), source, { origins })
        const exit = yield* Effect.exit(client.get(api))
        assert.isTrue(Exit.isFailure(exit))
        assertHidden(exit)
        const shown = renderings(exit).join()
        assert.notInclude(shown, secret.slice(3, 20))
        assert.include(shown, "kept")
      }
    }))

  // FAULTS S
  it.effect("a console that is shown the headers of a successful request alone does not show the token", () =>
    Effect.gen(function*() {
      const { source } = yield* tokens
      const { client } = makeApi(() => new Response(""))
      const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api, { headers: { "x-a": "kept" } })
      const { headers } = response.request
      for (const showHidden of [true, false]) {
        const shown = util.inspect([headers, { ...response.request }], { depth: 9, showHidden })
        assert.notInclude(shown, secret)
        assert.include(shown, "kept")
      }
      // it is what was sent
      assert.strictEqual(headers["authorization"], header)
      assert.include(Object.keys(headers), "authorization")
      assert.strictEqual(JSON.parse(JSON.stringify(headers)).authorization, header)
    }))

  // FAULTS S
  it.effect("what a program may need stays as it is", () =>
    Effect.gen(function*() {
      const call = Object.assign((n: number) => n + 1, { header })
      const body = Buffer.from(header)
      const rows = Array.from({ length: 6000 }, (_, n) => n)
      const none = Option.none()
      const error = new Wrapped({ details: { call, body, rows, chunk: Chunk.of(header), none } })
      const exit = yield* exitOf(() => Effect.fail(error))
      assertHidden(exit)
      assert.strictEqual(call(1), 2)
      assert.strictEqual(new TextDecoder().decode(body), header)
      assert.strictEqual(body.toString("latin1").length, header.length - secret.length - 7 + "<redacted>".length)
      assert.strictEqual(rows.at(-1), 5999)
      assert.strictEqual((error.details as { readonly chunk: Chunk.Chunk<string> }).chunk.pipe(Chunk.unsafeHead), header)
      assert.isFalse(Object.hasOwn(none, "toJSON"))
    }))

  const text = Buffer.from(header)
  const shapes: Readonly<Record<string, () => unknown>> = {
    "a URL": () => new URL(`https://x.test/?token=${encodeURIComponent(secret)}`),
    "parameters of a URL": () => new URLSearchParams({ token: secret }),
    "an expression": () => new RegExp(secret.replace(/[+]/g, "\\+")),
    "a boxed text": () => new String(header),
    "a list of letters": () => Array.from(header),
    "a list of texts": () => ["authorization", header],
    "what JSON makes of bytes": () => text.toJSON(),
    "an array buffer": () => new Uint8Array(text).buffer,
    "private members": () => {
      class Hidden {
        readonly #header = header
        toString() {
          return this.#header
        }
        toJSON() {
          return this.#header
        }
        [util.inspect.custom]() {
          return this.#header
        }
      }
      return new Hidden()
    },
    "the name of a symbol": () => ({ [Symbol(header)]: 1 }),
    // FAULTS S: these were shown
    "a chunk": () => Chunk.of(header),
    "a hash map": () => HashMap.make(["authorization", { header }], [header, 1]),
    "a hash set": () => HashSet.make(header),
    "a list of Effect": () => List.make(List.make(header)),
    "a form": () => {
      const form = new FormData()
      form.set("authorization", header)
      return form
    },
    "a file": () => new File([header], header),
    "a type of a blob": () => new Blob([], { type: header }),
    "members of a function": () => Object.assign(() => 1, { header }),
    "the name of a function": () => ({ call: Object.defineProperty(() => 1, "name", { value: header }) }),
    "the name of a class": () => new (Object.defineProperty(class {}, "name", { value: header }))(),
    "a text of a class": () => Object.create({ header }),
    "members of bytes": () => Object.assign(new Uint8Array(2), { header }),
    "an iterator of a list": () => ({ rest: [header].values() }),
    "an iterator of a map": () => ({ rest: new Map([["authorization", header]]).entries() }),
    "an iterator of a set": () => ({ rest: new Set([header]).values() }),
    "a weak reference": () => ({ weak: new WeakRef({ header }) }),
    "a long list": () => ({ rows: Array.from({ length: 6000 }, (_, n) => n === 5990 ? { header } : { n }) }),
    "a long map": () => ({ rows: new Map(Array.from({ length: 6000 }, (_, n) => [n, n === 5990 ? header : ""])) }),
    "a getter that throws it": () => ({
      inner: Object.defineProperty(new Error("x"), "broken", {
        enumerable: true,
        get: () => {
          throw new Error(header)
        }
      })
    }),
    "the name of an error": () => ({ inner: new DOMException("no", header) }),
    "a list in a list": () => [header, [header]],
    "numbers as text": () => ({ text: JSON.stringify(Array.from(text)) }),
    "letters as text": () => ({ text: Array.from(secret).join(" ") }),
    "a request with it in its URL": () => HttpClientRequest.get(`https://x.test/?token=${encodeURIComponent(secret)}`),
    "a request with it in its parameters": () =>
      HttpClientRequest.setUrlParam(HttpClientRequest.get("https://x.test/"), "token", secret),
    "a request with it in its body": () =>
      HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post("https://x.test/"), { token: secret }),
    "a request with it in a form": () => {
      const form = new FormData()
      form.set("token", secret)
      return HttpClientRequest.bodyFormData(HttpClientRequest.post("https://x.test/"), form)
    },
    "a frozen request with it in its body": () =>
      Object.freeze(HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post("https://x.test/"), { token: secret })),
    "a response with it in a header": () =>
      HttpClientResponse.fromWeb(
        HttpClientRequest.get("https://x.test/"),
        new Response("", { headers: { "www-authenticate": `Bearer token="${secret}"` } })
      ),
    "an object that cannot be read": () => {
      const { proxy, revoke } = Proxy.revocable({ header }, {})
      revoke()
      return { proxy, header }
    }
  }
  const spellings = [secret, encodeURIComponent(secret), text.toString("hex")].flatMap((it) => [it, it.slice(0, 20)])
  const joined = (rendering: string) => rendering.replace(/[\s'",]/g, "")
  const codes = Array.from(text.subarray(7, 20)).join("")

  for (const [name, make] of Object.entries(shapes)) {
    for (const place of ["member", "cause", "itself"] as const) {
      it.effect(`${name}, as ${place}`, () =>
        Effect.gen(function*() {
          const failure = place === "itself"
            ? Object.assign(new Error("failed"), make() as object)
            : new HttpClientError.RequestError({
              request: HttpClientRequest.get(api),
              reason: "Transport",
              cause: place === "cause" ? make() : Object.assign(new Error("failed"), { part: make() })
            })
          const client = HttpClient.make(() => Effect.fail(failure as HttpClientError.RequestError))
          const { source } = yield* tokens
          const exit = yield* Effect.exit(
            client.pipe(BearerAuth.withBearer(source, { origins })).get(`${api}/x`)
          )
          // it is the failure that was made, not a new one
          assert.isTrue(Exit.isFailure(exit) && Option.isSome(Cause.failureOption(exit.cause)))
          for (const rendering of renderings(exit).map(joined)) {
            for (const spelling of [...spellings.map(joined), codes]) {
              assert.notInclude(rendering, spelling)
            }
          }
        }))
    }
  }
})
