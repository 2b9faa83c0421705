/** Code of the program: sources, stores and callbacks that break their types, or behave in unexpected ways. */
import { inspect } from "node:util"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Fiber, Logger, Option, Redacted, Schedule, Scope, TestClock, Tracer } from "effect"
import {
  AccessToken,
  ClientAuthentication,
  Grant,
  SharedWork,
  TokenEndpoint,
  TokenError,
  TokenMonitor,
  TokenRequest,
  TokenSource,
  TokenStore
} from "../../src/index.js"
import { collect, secret } from "../support/observe.js"
import { Scripted } from "../support/scripted.js"

/** A token made of words, which no pattern recognises as a token. */
const wordy = "correct-horse-battery-staple"

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ annotations, message }) => void lines.push(inspect([message, [...annotations]])))
    return Effect.as(Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)), lines)
  })

class Boom extends Data.TaggedError("Boom")<{ readonly message: string; readonly token: string }> {
  readonly retryable = true
}

/** Keeps how each span ended. */
const recorded = () => {
  const spans: Array<{ readonly name: string; readonly exit: Exit.Exit<unknown, unknown> }> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => ({
      _tag: "Span",
      name,
      spanId: "1",
      traceId: "1",
      parent,
      context,
      status: { _tag: "Started", startTime },
      attributes: new Map(),
      links,
      sampled: true,
      kind,
      end: (_time, exit) => void spans.push({ name, exit }),
      attribute: () => {},
      event: () => {},
      addLinks: () => {}
    }),
    context: (run) => run()
  })
  return { spans, tracer }
}

describe("a source of the program's own", () => {
  // FAULTS B4
  for (const yielded of [undefined, null, "token", {}, { value: Redacted.make("x"), expiresAt: Option.none() }]) {
    it.scoped(`a source that yields ${inspect(yielded)} says what is wrong, and is not asked at every call`, () =>
      Effect.gen(function*() {
        let count = 0
        const source = yield* TokenSource.make(() =>
          Effect.sync(() => {
            count++
            return yielded as unknown as AccessToken.AccessToken
          })
        )
        const tokens = yield* TokenSource.cached()(source)
        for (let i = 0; i < 10; i++) {
          const exit = yield* Effect.exit(tokens.get())
          assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "is no AccessToken")
        }
        assert.strictEqual(count, 1)
        yield* TestClock.adjust("6 seconds")
        yield* Effect.exit(tokens.get())
        assert.strictEqual(count, 2)
      }))
  }

  // FAULTS L5
  it.scoped("a source that is interrupted from inside does not interrupt its callers", () =>
    Effect.gen(function*() {
      const source = yield* TokenSource.make((): Effect.Effect<AccessToken.AccessToken, TokenError.RequestError> =>
        Effect.interrupt
      )
      const tokens = yield* TokenSource.managed()(source)
      const error = yield* Effect.flip(tokens.get())
      assert.isTrue(TokenError.isTokenError(error))
      assert.include(error.message, "interrupted from inside")
    }))

  // FAULTS L5
  it.effect("a secret or an HTTP client that is interrupted from inside is an error to the caller", () =>
    Effect.gen(function*() {
      const plain = HttpClient.make(() => Effect.interrupt)
      const options = (authentication: ClientAuthentication.ClientAuthentication) => ({
        tokenEndpoint: "https://login.test/token",
        clientId: "client",
        authentication
      })
      const sources = [
        TokenSource.clientCredentials(options(ClientAuthentication.basic(Effect.interrupt))),
        TokenSource.clientCredentials(options(ClientAuthentication.basic(Redacted.make("a secret"))))
      ]
      for (const source of sources) {
        const tokens = yield* Effect.provideService(source, HttpClient.HttpClient, plain)
        const asking = yield* Effect.forkDaemon(Effect.exit(tokens.get()))
        yield* TestClock.adjust("1 minute")
        const exit = Option.getOrThrow(yield* asking.poll)
        assert.isTrue(Exit.isSuccess(exit) && Exit.isFailure(exit.value) && exit.value.cause._tag === "Fail")
      }
    }))

  // FAULTS L5
  it.effect("a caller that waits for a source while its scope is closed gets an error that says so", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = new Scripted()
      server.latency = 5000
      const tokens = yield* server.source.pipe(Effect.flatMap(TokenSource.managed()), Scope.extend(scope))
      const waiting = yield* Effect.fork(Effect.flip(tokens.get()))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.include(error.message, "closed while a token was on its way")
    }))

  // FAULTS S
  for (
    const [how, end] of [
      ["fails", Effect.fail],
      ["dies", Effect.die],
      ["does both", (error: Boom) => Effect.failCause(Cause.parallel(Cause.fail(error), Cause.die(error)))]
    ] as const
  ) {
    it.scoped(`a source that ${how} with an error that holds the token: no span shows it, and callers get the error`, () =>
      Effect.gen(function*() {
        const boom = new Boom({ message: wordy, token: wordy })
        const { spans, tracer } = recorded()
        const source = yield* TokenSource.make((): Effect.Effect<AccessToken.AccessToken, Boom> => end(boom))
        const sources: ReadonlyArray<TokenSource.With<unknown>> = [
          source,
          TokenSource.retry(Schedule.recurs(1))(source)
        ]
        for (const self of sources) {
          const exit = yield* Effect.flatMap(TokenSource.cached()(self), (tokens) => Effect.exit(tokens.get())).pipe(
            Effect.withTracer(tracer)
          )
          assert.include(inspect(exit, { depth: 9 }), wordy)
        }
        const acquired = spans.filter(({ name }) => name === "TokenSource.acquire")
        assert.lengthOf(acquired, 2)
        for (const { exit } of acquired) {
          assert.isTrue(Exit.isFailure(exit))
          const shown = inspect(exit, { depth: 9, showHidden: true }) + JSON.stringify(exit) +
            (Exit.isFailure(exit) ? Cause.pretty(exit.cause, { renderErrorCause: true }) : "")
          assert.match(shown, /Boom|RetriesExhausted/)
          assert.notInclude(shown, "horse")
        }
      }))
  }

  // FAULTS S2
  it("a token that is given as a number is hidden like any other token", () => {
    const token = AccessToken.make({ value: 123_456_789 as unknown as string, refreshToken: 987 as unknown as string })
    assert.strictEqual(secret(token), "123456789")
    assert.notMatch(`${JSON.stringify(token)}${inspect(token)}${String(token)}`, /123456789|987/)
  })
})

describe("a store of the program's own", () => {
  // FAULTS S4
  for (const operation of ["put", "remove"] as const) {
    it.scoped(`a token that a store quotes in its error of ${operation} is not shown`, () =>
      Effect.gen(function*() {
        const inner = yield* Effect.provide(TokenStore.TokenStore, TokenStore.layerMemory)
        const quoting = (token: AccessToken.AccessToken) =>
          Effect.fail(
            new TokenStore.StoreError({
              operation,
              reason: "unavailable",
              detail: `the row ${Redacted.value(token.value)} is locked`
            })
          )
        const source = yield* TokenSource.make(() => Effect.succeed(AccessToken.make({ value: wordy })))
        const tokens = yield* TokenSource.shared({ namespace: "n" })(source).pipe(
          Effect.provideService(TokenStore.TokenStore, {
            ...inner,
            [operation]: operation === "put"
              ? quoting
              : (_key: string, token: AccessToken.AccessToken) => quoting(token)
          })
        )
        const events = yield* collect(tokens)
        const lines = yield* logged(Effect.flatMap(tokens.get(), (token) => tokens.invalidate(token)))
        yield* TestClock.adjust(1)
        const failed = events.filter((event) => event._tag === "StoreFailed")
        assert.lengthOf(failed, 1)
        assert.include(inspect(failed), "is locked")
        assert.notInclude(inspect([failed, lines]), "horse")
      }))
  }
})

describe("an introspection of the program's own", () => {
  // FAULTS S4
  it.scoped("the message of an introspection's own error is not shown", () =>
    Effect.gen(function*() {
      const source = yield* TokenSource.make(() => Effect.succeed(AccessToken.make({ value: wordy })))
      const tokens = yield* TokenSource.cached()(source)
      yield* tokens.get()
      const introspection = {
        check: (token: AccessToken.AccessToken) => Effect.fail(new Error(`no ${Redacted.value(token.value)} here`))
      }
      const lines = yield* logged(Effect.scoped(Effect.zipRight(
        TokenMonitor.watch({ every: "1 second", introspection: introspection as never })(tokens),
        TestClock.adjust("2 seconds")
      )))
      assert.include(lines.join(), "introspection failed")
      assert.notInclude(lines.join(), "horse")
    }))
})

describe("a callback that throws", () => {
  const onOverdue = () => {
    throw new Error("boom")
  }

  // FAULTS L3
  it.effect("an onOverdue that throws does not keep a lock from the next waiter, or from those after it", () =>
    Effect.gen(function*() {
      const { withLock } = SharedWork.makeLock({ overdueAfter: "1 second", onOverdue })
      yield* Effect.fork(withLock(Effect.never))
      yield* TestClock.adjust(1)
      const next = yield* Effect.fork(withLock(Effect.succeed("next")))
      const last = yield* Effect.fork(withLock(Effect.succeed("last")))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all([next, last])), ["next", "last"])
    }))

  // FAULTS L3
  it.effect("an onOverdue that throws does not keep a waiting caller from beginning shared work anew", () =>
    Effect.gen(function*() {
      let runs = 0
      const work = SharedWork.make(Effect.suspend(() => ++runs === 1 ? Effect.never : Effect.succeed(runs)), {
        overdueAfter: "1 second",
        onOverdue
      })
      const waiting = yield* Effect.fork(work)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), 2)
    }))
})

describe("parameters of the program's own", () => {
  const requestOf = (parameters: Readonly<Record<string, unknown>>) =>
    TokenRequest.make({ parameters: parameters as Readonly<Record<string, string>> })

  const sent = (parameters: Readonly<Record<string, unknown>>) =>
    Effect.map(
      Grant.clientCredentials.parameters(requestOf(parameters), {
        clientId: "svc",
        endpoint: new URL("https://auth.test/token")
      }),
      (form) => form.map(([name, value]) => `${name}=${Redacted.isRedacted(value) ? Redacted.value(value) : value}`)
    )

  // FAULTS T1
  it("two Redacted secrets as parameters make two keys, so that each has a token of its own", () => {
    const [alice, bob, plain] = [Redacted.make("alice"), Redacted.make("bob"), "alice"].map((login) =>
      requestOf({ login })
    )
    assert.notStrictEqual(alice!.key, bob!.key)
    assert.strictEqual(alice!.key, plain!.key)
    assert.strictEqual(requestOf({ login: undefined, other: null }).key, "")
    assert.strictEqual(requestOf({ age: 5 }).key, requestOf({ age: "5" }).key)
  })

  it.effect("parameters are sent as text, or refused by name", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* sent({ a: Redacted.make("x"), b: 5, c: undefined, d: true, e: BigInt(7) }),
        ["grant_type=client_credentials", "a=x", "b=5", "d=true", "e=7"]
      )
      for (const wrong of [{}, ["x"], Symbol("s"), () => "x"]) {
        const error = yield* Effect.flip(sent({ wrong }))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.include(error.message, "parameters.wrong")
      }
    }))
})

describe("a server that states with each success that there is no error", () => {
  const answer = (members: object) =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, Response.json({ access_token: "t", ...members })))
      )
      const endpoint = yield* TokenEndpoint.make({
        tokenEndpoint: "https://auth.test/token",
        clientId: "svc",
        authentication: ClientAuthentication.none
      }).pipe(Effect.provideService(HttpClient.HttpClient, client))
      return yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
    })

  // FAULTS W2
  for (const error of [0, "0", "", null, false, {}, { code: 0, message: "" }, [], { errors: [] }]) {
    it.effect(`a success with "error": ${JSON.stringify(error)} counts as a success`, () =>
      Effect.map(answer({ error }), (token) => assert.strictEqual(secret(token), "t")))
  }

  for (const error of [1, "x", true, { code: 17 }, { message: "no" }, { errors: ["no"] }]) {
    it.effect(`a reply with "error": ${JSON.stringify(error)} counts as an error`, () =>
      Effect.map(Effect.flip(answer({ error })), (failure) => assert.strictEqual(failure._tag, "OAuthError")))
  }
})
