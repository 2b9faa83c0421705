import { inspect } from "node:util"
import { HttpClient, HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, LogLevel, Option, Redacted, Schema, Stream, TestClock } from "effect"
import * as FakeCloud from "../src/FakeCloud.js"
import { Analytics, GenesysApi, GenesysCloud, GenesysError, Limits, Organizations, Users } from "../src/index.js"
import * as test from "./utils/cloud.js"
import { recorder as makeRecorder } from "./utils/spans.js"

const basic = Buffer.from(`client:${test.secret}`).toString("base64")
const guarded = [test.secret, test.token, basic, test.token.slice(0, 24), test.secret.slice(0, 24)]

/** A server that says everything it knows in everything it says. */
const everything = (status: number, type = "application/json"): test.Script => () => {
  const said = `Bearer ${test.token} and token=${test.token}, also ${test.token} {"access_token":"${test.token}"}`
  const inner = { message: said, code: test.token, entityId: test.token, errors: [] }
  const body = type === "application/json"
    ? JSON.stringify({
      ...inner,
      status,
      contextId: test.token,
      messageParams: { access_token: test.token, [test.token]: "a", b: said },
      details: [{ errorCode: test.token, fieldName: said, entityName: "Ada" }],
      errors: [inner, { ...inner, errors: [inner] }]
    })
    : `<!doctype html>${said}`
  return new Response(body, {
    status,
    headers: {
      "content-type": type === "application/json" ? type : `${type}; ${test.token}`,
      "inin-correlation-id": test.token,
      "set-cookie": test.token,
      "x-echo": said
    }
  })
}

/** Everything a failing program leaves behind. */
const traces = <A, E>(effect: Effect.Effect<A, E, GenesysCloud.GenesysCloud>, client: HttpClient.HttpClient) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const logger = Logger.make((options) => {
      lines.push(Logger.stringLogger.log(options), Logger.jsonLogger.log(options), Logger.logfmtLogger.log(options))
    })
    const recorder = makeRecorder()
    const cloud = yield* test.connectTo(client, { api: { retry: false } })
    const exit = yield* effect.pipe(
      Effect.tapErrorCause((cause) =>
        Effect.zipRight(
          Effect.logError("it failed", cause),
          Effect.logError("it failed", Cause.squash(cause)).pipe(Effect.annotateLogs("error", Cause.squash(cause)))
        )
      ),
      Effect.provideService(GenesysCloud.GenesysCloud, cloud),
      Effect.withTracer(recorder.tracer),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All),
      Effect.exit
    )
    assert.isTrue(Exit.isFailure(exit))
    const error = Cause.squash((exit as Exit.Failure<A, E>).cause)
    const text = [
      ...lines,
      test.renderings(error),
      test.renderings(exit),
      test.renderings(new Error("wrapped", { cause: error })),
      test.renderings(recorder.spans.map((span) => inspect(span, { depth: 20 }))),
      test.renderings(cloud)
    ].join("\n")
    return {
      error,
      text,
      spans: recorder.spans as ReadonlyArray<{ readonly name: string; readonly attributes: object }>
    }
  }).pipe(Effect.scoped)

const check = (text: string) => {
  for (const secret of guarded) {
    const at = text.indexOf(secret)
    assert.isTrue(at < 0, `…${text.slice(Math.max(0, at - 200), at + 20)}…`)
  }
}

const ok = () => test.organization()
const broken: test.Script = () => Effect.die(new Error(`socket of Bearer ${test.token} broke`))

describe("no secret is shown", () => {
  const read = Organizations.me
  const refusing: test.Script = () =>
    Response.json({ error: "invalid_client", error_description: `secret ${test.secret}, ${basic}` }, { status: 401 })

  const cases: ReadonlyArray<
    readonly [name: string, tag: string, api: test.Script, login?: test.Script, effect?: typeof read]
  > = [
    ["a refusal", "ApiError", everything(400)],
    ["a second 401", "ApiError", everything(401)],
    ["a missing permission", "ApiError", everything(403)],
    ["a redirect", "ApiError", everything(302)],
    ["a refusal as a page", "ApiError", everything(404, "text/html")],
    ["a rate limit", "ApiRateLimited", everything(429)],
    ["an outage", "ApiUnavailable", everything(503)],
    ["an outage as a page", "ApiUnavailable", everything(502, "text/html")],
    ["a page instead of JSON", "UnexpectedReply", everything(200, "text/html")],
    ["JSON of another shape", "UnexpectedReply", everything(200)],
    ["an empty reply", "UnexpectedReply", () => new Response(null, { status: 200 })],
    ["a connection that breaks", "ApiUnreachable", broken],
    ["a refused client", "OAuthError", ok, refusing],
    ["a login page", "MalformedResponse", ok, everything(200, "text/html")],
    ["a login host that is down", "RetriesExhausted", ok, everything(503)]
  ]

  for (const [name, tag, api, login] of cases) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const { client } = test.memory(api, login)
        const fiber = yield* Effect.fork(traces(read, client))
        yield* TestClock.adjust("10 minutes")
        const { error, spans, text } = yield* fiber
        assert.strictEqual((error as GenesysError.GenesysError)._tag, tag)
        assert.isTrue(GenesysError.isGenesysError(error))
        check(text)
        const span = spans.find(({ name }) => name === "Organizations.me")
        assert.deepInclude(span?.attributes, { "genesys.region": "mypurecloud.de", "error.type": tag })
      }))
  }

  it.effect("a timeout", () =>
    Effect.gen(function*() {
      const { client } = test.memory(() => Effect.never)
      const fiber = yield* Effect.fork(traces(Users.get("42"), client))
      yield* TestClock.adjust("5 seconds")
      const { error, text } = yield* fiber
      assert.strictEqual((error as GenesysError.GenesysError)._tag, "ApiTimeout")
      check(text)
    }))

  it.effect("an HttpClientError of the platform", () =>
    Effect.gen(function*() {
      const { client } = test.memory(ok)
      const failing = HttpClient.transform(client, (effect, request) =>
        request.url.includes("/api/")
          ? Effect.fail(
            new HttpClientError.RequestError({
              request,
              reason: "Transport",
              cause: Object.assign(new Error(`connect ${test.token}`), {
                code: "ECONNREFUSED",
                config: request.headers
              })
            })
          )
          : effect)
      const { error, text } = yield* traces(read, failing)
      assert.instanceOf(error, GenesysError.ApiUnreachable)
      assert.deepStrictEqual(error.code, Option.some("ECONNREFUSED"))
      check(text)
    }))

  it.effect("payloads and pages", () =>
    Effect.gen(function*() {
      const large = Limits.payload({ token: test.token.repeat(2000) }, { direction: "response" })
      check(test.renderings(yield* Effect.flip(large)))
      const { client } = test.memory(() => Response.json({ entities: [{ id: test.token }], cursor: test.token }))
      const list = GenesysApi.listByCursor("/api/v2/x", Schema.Struct({ id: Schema.String }))
      const { error, text } = yield* traces(Stream.runDrain(list), client)
      assert.strictEqual((error as GenesysError.GenesysError)._tag, "PagingStuck")
      check(text)
    }))

  // FAULTS S
  for (const how of ["dies", "dies with an object"]) {
    it.effect(`a schema of the program that ${how} is described in the span, and thrown as it is`, () =>
      Effect.gen(function*() {
        const defect = how === "dies"
          ? new TypeError(`cannot read ${test.secret}`)
          : { _tag: "OwnError", retryable: true, message: test.secret }
        const schema = Schema.transform(Schema.Unknown, Schema.Unknown, {
          decode: () => {
            throw defect
          },
          encode: (value) => value
        })
        const { client } = test.memory(ok)
        const recorder = makeRecorder()
        const cloud = yield* test.connectTo(client, { api: { retry: false } })
        const exit = yield* GenesysApi.get("/api/v2/things", schema).pipe(
          Effect.provideService(GenesysCloud.GenesysCloud, cloud),
          Effect.withTracer(recorder.tracer),
          Effect.exit
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        assert.include(Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined, { message: defect.message })
        check(inspect(recorder.spans, { depth: 20 }))
        const span = (recorder.spans as ReadonlyArray<{ readonly name: string; readonly exit: string }>)
          .find(({ name }) => name === "GenesysApi.get")
        assert.include(span!.exit, `code of the program died: ${how === "dies" ? "TypeError" : "OwnError"}`)
      }).pipe(Effect.scoped))
  }

  it.effect("ids of users, codes and correlation ids are still shown, because they are no secrets", () =>
    Effect.gen(function*() {
      const id = "6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10"
      const { client } = test.memory(() =>
        test.apiError(404, "not.found", {
          message: `No user with id ${id} at /api/v2/users/${id}. Bearer tokens of this client are fine.`,
          messageParams: { userId: id },
          details: [{ errorCode: "nope", fieldName: "id" }],
          errors: [{ code: "inner", message: "inside" }]
        })
      )
      const { error, spans } = yield* traces(Users.get(id), client)
      const refused = error as GenesysError.ApiError
      assert.include(refused.message, `No user with id ${id} at /api/v2/users/${id}. Bearer tokens of this client`)
      assert.deepStrictEqual(refused.messageParams, { userId: id })
      assert.deepStrictEqual(refused.details, [{ errorCode: "nope", fieldName: "id" }])
      assert.deepStrictEqual(refused.errors[0]!.code, Option.some("inner"))
      assert.deepStrictEqual(refused.correlationId, Option.some("c0rre1ation"))
      assert.deepStrictEqual(refused.contextId, Option.some("c0ffee"))
      assert.deepInclude(spans.find(({ name }) => name === "Users.get")!.attributes, {
        "genesys.correlation_id": "c0rre1ation"
      })
    }))

  it.live("the fake keeps no secret that it was sent, and the real client logs none", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make((options) => void lines.push(Logger.logfmtLogger.log(options)))
      const fake = yield* FakeCloud.FakeCloud
      const cloud = yield* test.connect({ region: "us_east_1" })
      const program = Effect.gen(function*() {
        yield* Organizations.me
        yield* fake.revokeAll
        yield* Analytics.conversationDetails({ interval: "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z" })
        yield* fake.setPermissions([])
        yield* Effect.ignore(Users.get("x"))
      })
      yield* program.pipe(
        Effect.provideService(GenesysCloud.GenesysCloud, cloud),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      const secrets = [fake.clientSecret, ...(yield* fake.tokens)].map(Redacted.value)
      assert.lengthOf(secrets, 3)
      const text = lines.join("\n") + test.renderings(yield* fake.seen) + test.renderings(fake) + test.renderings(cloud)
      for (const secret of secrets) assert.notInclude(text, secret)
    }).pipe(Effect.scoped, Effect.provide(test.sockets())))
})
