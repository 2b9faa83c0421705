import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Cause, Effect, Encoding, Exit, Fiber, Logger, Option, Stream, TestClock } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import type { With } from "../../src/lifecycle/source.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import * as TokenEvent from "../../src/values/TokenEvent.js"
import { accepting, eventsOf, makeApi, makeSource } from "../support/bearer.js"
import { steppable } from "../support/time.js"

const api = "https://api.example.com"
const origins = [api] as const
const hour = 3_600_000

const configurationError = <A, E>(exit: Exit.Exit<A, E>) => {
  const error: unknown = Option.getOrThrow(Cause.failureOption(Exit.isFailure(exit) ? exit.cause : Cause.empty))
  assert.strictEqual((error as { readonly _tag: string })._tag, "InvalidConfiguration")
  return error as { readonly fields: ReadonlyArray<string>; readonly message: string }
}

const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    yield* Effect.provide(
      effect,
      Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => lines.push(`${logLevel.label} ${String(message)}`))
      )
    )
    return lines
  })

describe("BearerAuth plainHttpOrigins", () => {
  const mesh = "http://billing.mesh.local:8080"
  const call = (url: string, options: Omit<BearerAuth.Options, "origins"> & { readonly origins?: [string] }) =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response())
      const exit = yield* Effect.exit(BearerAuth.withBearer(client, source, { origins, ...options }).get(url))
      return { exit, sent: sent() }
    })

  // FAULTS W7
  it.effect("plainHttpOrigins lets the token go to the origins that it names, and to no other", () =>
    Effect.gen(function*() {
      for (const options of [{ plainHttpOrigins: [mesh] }, { origins: [mesh], plainHttpOrigins: [mesh] }] as const) {
        const given = options as unknown as BearerAuth.Options & { readonly origins: [string] }
        assert.deepStrictEqual((yield* call(`${mesh}/x`, given)).sent, ["Bearer t1"])
        for (
          const url of [
            "http://billing.mesh.local/",
            "http://billing.mesh.local:8081/",
            "http://billing.mesh.local:808/",
            "https://billing.mesh.local:8080/",
            "http://other.mesh.local:8080/",
            "http://billing.mesh.local:8080@evil.example/"
          ]
        ) {
          assert.deepStrictEqual((yield* call(url, given)).sent, [undefined], url)
        }
      }
    }))

  // FAULTS W7
  it.effect("an http origin outside plainHttpOrigins is refused, with a message that names the option", () =>
    Effect.gen(function*() {
      for (const plainHttpOrigins of [undefined, [], ["http://other.mesh.local"]]) {
        const { exit, sent } = yield* call(mesh, { origins: [mesh], plainHttpOrigins })
        assert.deepStrictEqual(sent, [])
        const error = configurationError(exit)
        assert.deepStrictEqual(error.fields, ["origins"])
        assert.include(error.message, "plainHttpOrigins")
      }
    }))

  // FAULTS W7
  it.effect("plainHttpOrigins is a list of origins: no switch, no wildcard, no path, no https", () =>
    Effect.gen(function*() {
      for (
        const plainHttpOrigins of [
          true,
          "http://billing.mesh.local",
          ["http://*.mesh.local"],
          ["http://billing.mesh.local/v1"],
          ["http://user:hunter2@billing.mesh.local"],
          ["https://billing.mesh.local"],
          ["billing.mesh.local"],
          ["*"],
          [true]
        ] as const
      ) {
        const { exit, sent } = yield* call(api, { plainHttpOrigins: plainHttpOrigins as never })
        assert.deepStrictEqual(sent, [])
        const error = configurationError(exit)
        assert.deepStrictEqual(error.fields, ["plainHttpOrigins"], String(plainHttpOrigins))
        assert.notInclude(error.message, "hunter2")
      }
    }))
})

describe("BearerAuth isAuthFailure", () => {
  // FAULTS W9
  it.effect("the default rule is exported, and the user's own rule can be combined with it", () =>
    Effect.gen(function*() {
      for (const status of [401, 403]) {
        const { source } = yield* makeSource()
        const { client, sent } = makeApi((seen) =>
          new Response("", { status: seen.authorization === "Bearer t2" ? 200 : status })
        )
        const response = yield* BearerAuth.withBearer(client, source, {
          origins,
          isAuthFailure: (response) => BearerAuth.isAuthFailure(response) || response.status === 403
        }).get(api)
        assert.strictEqual(response.status, 200)
        assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t2"])
      }
    }))

  // FAULTS W9
  it.effect("a user's own rule that lets a 401 pass is obeyed, with a warning", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, {
        origins,
        isAuthFailure: (response) => response.status === 403
      })
      const lines = yield* logged(Effect.zip(bearer.get(`${api}/a?secret=1`), bearer.get(api)))
      assert.deepStrictEqual(sent(), ["Bearer t1", "Bearer t1"])
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0]!, /^INFO https:\/\/api\.example\.com answered 401/)
      assert.include(lines[0], "combine the option with BearerAuth.isAuthFailure")
    }))

  it("by default a 401 is a refusal, unless its challenge says that another token would be refused too", () => {
    const judge = (status: number, challenge?: string) =>
      BearerAuth.isAuthFailure(HttpClientResponse.fromWeb(
        undefined as never,
        new Response("", { status, headers: challenge === undefined ? {} : { "www-authenticate": challenge } })
      ))
    assert.isTrue(judge(401))
    assert.isTrue(judge(401, "Bearer"))
    assert.isTrue(judge(401, `Bearer error="invalid_token"`))
    assert.isTrue(judge(401, `Bearer error="TOKEN_EXPIRED"`))
    assert.isTrue(judge(401, `Basic error="insufficient_scope"`))
    assert.isFalse(judge(403))
    assert.isFalse(judge(200))
    assert.isFalse(judge(401, `Bearer error="insufficient_scope"`))
  })
})

describe("BearerAuth and challenges that another token would get too", () => {
  const claims = (value: unknown) => Encoding.encodeBase64(JSON.stringify(value))
  const call = (challenge: string, status = 401) =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("no", { status, headers: { "www-authenticate": challenge } }))
      const response = yield* BearerAuth.withBearer(client, source, { origins }).get(api)
      assert.strictEqual(yield* response.text, "no")
      return { sent: sent().length, renewals: state.renewals, invalidated: state.invalidated.length }
    })

  // FAULTS W14, W2
  it.effect("never renews for a challenge that another token would get too, in upper or lower case", () =>
    Effect.gen(function*() {
      for (
        const code of [
          "insufficient_user_authentication",
          "Insufficient_User_Authentication",
          "insufficient_scope",
          "INSUFFICIENT_SCOPE",
          "insufficient_authorization_details",
          "invalid_request",
          "Invalid_Request",
          "use_dpop_nonce",
          "INVALID_DPOP_PROOF",
          "login_required",
          "interaction_required",
          "consent_required",
          "account_selection_required"
        ]
      ) {
        for (const scheme of ["Bearer", "bearer", "DPoP", "dpop"]) {
          const challenge = `${scheme} error="${code}", acr_values="gold", max_age="5"`
          assert.deepStrictEqual(yield* call(challenge), { sent: 1, renewals: 0, invalidated: 0 }, challenge)
        }
      }
    }))

  // FAULTS W14, W2
  it.effect("never renews for such a challenge among several, or with additional quotes", () =>
    Effect.gen(function*() {
      for (
        const challenge of [
          `Bearer error="invalid_token", Bearer error="insufficient_user_authentication", acr_values="gold"`,
          `DPoP error="invalid_token", Basic realm="x", bearer error=Insufficient_User_Authentication`,
          `Bearer error='insufficient_scope'`,
          `Bearer error=" insufficient_user_authentication "`
        ]
      ) {
        assert.deepStrictEqual(yield* call(challenge), { sent: 1, renewals: 0, invalidated: 0 }, challenge)
      }
      for (
        const challenge of [
          // an error of another scheme, or in another parameter
          `Bearer error="invalid_token", Basic error="insufficient_scope"`,
          `Bearer error="invalid_token", error_description="Bearer error=insufficient_scope"`,
          // a server that accepts both schemes says what the other scheme would need
          `Bearer error="invalid_token", DPoP error="use_dpop_nonce"`
        ]
      ) {
        assert.strictEqual((yield* call(challenge)).renewals, 1, challenge)
      }
    }))

  // FAULTS W14
  it.effect("insufficient_claims renews only if the claims ask for no more than a newer token", () =>
    Effect.gen(function*() {
      const newer = { access_token: { nbf: { essential: true, value: "1700000000" } } }
      const stronger = { access_token: { acrs: { essential: true, value: "c1" } } }
      const both = { access_token: { ...newer.access_token, ...stronger.access_token } }
      for (const wanted of [`claims="${claims(newer)}"`, `claims="%%%"`, `realm=""`, `claims="${claims([])}"`]) {
        assert.strictEqual((yield* call(`Bearer error="insufficient_claims", ${wanted}`)).renewals, 1, wanted)
      }
      for (const wanted of [stronger, both]) {
        const challenge = `Bearer error="Insufficient_Claims", claims="${claims(wanted)}"`
        assert.strictEqual((yield* call(challenge)).renewals, 0, challenge)
      }
    }))

  // FAULTS W14
  it.effect("renews for a code of the server's own", () =>
    Effect.gen(function*() {
      for (const code of ["invalid_token", "expired_token", "insufficientscope", "token_insufficient_"]) {
        assert.strictEqual((yield* call(`Bearer error="${code}"`)).renewals, 1, code)
      }
    }))
})

describe("BearerAuth and origins that are not listed", () => {
  // FAULTS W10
  it.effect("the first 401 to a request without a token is a warning that names both origins, once for each", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response("", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins: ["https://other.example", api] })
      const filtered = HttpClient.filterStatusOk(client).pipe(
        BearerAuth.withBearer(source, { origins: ["https://other.example", api] })
      )
      for (const one of [bearer, filtered]) {
        sent().length = 0
        const lines: Array<string> = []
        const events = yield* eventsOf(
          source,
          Effect.map(
            logged(Effect.gen(function*() {
              for (const port of [8443, 8443, 9443]) yield* Effect.either(one.get(`${api}:${port}/x?secret=1`))
            })),
            (all) => lines.push(...all)
          )
        )
        assert.deepStrictEqual(
          events.map((event) => event._tag === "SentWithoutToken" ? [event.origin, event.allowed] : event._tag),
          [[`${api}:8443`, api], [`${api}:9443`, api]]
        )
        assert.isTrue(events.every(TokenEvent.isAnomaly))
        assert.strictEqual(lines.length, 2)
        assert.match(lines[0]!, /^WARN .*https:\/\/api\.example\.com:8443.*https:\/\/api\.example\.com is/)
      }
      assert.isTrue(sent().every((authorization) => authorization === undefined))
    }))

  // FAULTS W10
  it.effect("there is no warning if no token was missing", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client } = makeApi((seen) => new Response("", { status: Number(new URL(seen.url).pathname.slice(1)) }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const events = yield* eventsOf(
        source,
        Effect.gen(function*() {
          yield* bearer.get("https://other.example/200")
          yield* bearer.get("https://other.example/403")
          yield* bearer.get("https://other.example/401", { headers: { authorization: "own" } })
          yield* BearerAuth.skip(bearer.get(`${api}/401`))
        })
      )
      assert.deepStrictEqual(events, [])
    }))

  // FAULTS W10
  it.effect("remembers a bounded number of origins, and also warns for a source that is a plain object", () =>
    Effect.gen(function*() {
      const source: Pick<With<never>, "get" | "renew" | "invalidate" | "events"> = {
        get: () => Effect.succeed(AccessToken.make({ value: "t" })),
        renew: () => Effect.succeed(AccessToken.make({ value: "t" })),
        invalidate: () => Effect.void,
        events: Stream.empty
      }
      const { client } = makeApi(() => new Response("", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source as With<never>, { origins })
      const call = (n: number) => bearer.get(`https://h${n}.example`)
      const lines = yield* logged(Effect.gen(function*() {
        for (let n = 0; n < 101; n++) yield* call(n)
        yield* call(100)
        yield* call(0)
      }))
      assert.strictEqual(lines.length, 102)
      assert.include(lines[101], "https://h0.example")
    }))
})

describe("BearerAuth and a wall clock that is set", () => {
  const step = (effect: Effect.Effect<void, unknown>, duration: Duration.DurationInput) =>
    Effect.zipRight(effect, TestClock.adjust(duration))

  // FAULTS K1
  it.effect("a wall clock set by an hour at any step does not stop the renewal of a refused token", () =>
    Effect.gen(function*() {
      for (const by of [-hour, hour, -24 * hour]) {
        for (let at = 0; at < 4; at++) {
          const { source, state } = yield* makeSource()
          let good = "none"
          const { client } = makeApi(accepting((token) => token === good))
          const bearer = BearerAuth.withBearer(client, source, { origins })
          const { state: clock, stepped } = yield* steppable
          let n = 0
          const next = (duration: Duration.DurationInput) => {
            if (n++ === at) clock.step += by
            return step(Effect.withClock(Effect.asVoid(bearer.get(api)), stepped), duration)
          }
          // the second token is refused as well, and held back
          yield* next("1 second")
          yield* next("1 second")
          yield* next("1 second")
          assert.isAtMost(state.minted, 2)
          // the interval began with the first refusal, at the latest
          yield* TestClock.adjust("5 seconds")
          good = "t3"
          yield* next("1 second")
          assert.strictEqual(state.minted, 3, `${by} ms at step ${at}`)
          const response = yield* Effect.withClock(bearer.get(api), stepped)
          assert.strictEqual(response.status, 200)
        }
      }
    }))

  // FAULTS K1
  it.effect("a clock put forward does not allow renewals that renewInterval holds back", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi(() => new Response("", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const { state: clock, stepped } = yield* steppable
      for (let i = 0; i < 10; i++) {
        yield* Effect.withClock(bearer.get(api), stepped)
        clock.step += hour
      }
      assert.strictEqual(state.minted, 2)
    }))

  // FAULTS K1
  it.effect("calls that cannot be replayed drop a token once per interval, whatever the wall clock says", () =>
    Effect.gen(function*() {
      const { source, state } = yield* makeSource()
      const { client } = makeApi(() => new Response("", { status: 401 }))
      const bearer = BearerAuth.withBearer(client, source, { origins })
      const { state: clock, stepped } = yield* steppable
      const post = Effect.withClock(
        Effect.suspend(() => bearer.post(api, { body: { ...streamBody() } as never })),
        stepped
      )
      yield* post
      clock.step -= hour
      yield* post
      assert.strictEqual(state.invalidated.length, 1)
      yield* TestClock.adjust("5 seconds")
      yield* post
      assert.strictEqual(state.invalidated.length, 2)
    }))
})

const streamBody = () => ({ _tag: "Stream", stream: Stream.empty, toJSON: () => ({}) })

describe("BearerAuth settings that cannot work", () => {
  it.effect("settings that cannot work make every call fail, and send nothing", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client, sent } = makeApi(() => new Response())
      const settings: ReadonlyArray<readonly [Partial<BearerAuth.Options>, string]> = [
        [{ replayDelay: Number.POSITIVE_INFINITY }, "replayDelay"],
        [{ renewInterval: "soon" as never }, "renewInterval"],
        [{ renewInterval: Number.POSITIVE_INFINITY }, "renewInterval"],
        [{ retryThrottled: { maxRetries: Number.NaN } }, "retryThrottled.maxRetries"],
        [{ retryThrottled: { maxRetries: -1 } }, "retryThrottled.maxRetries"],
        [{ retryThrottled: { base: "x" as never } }, "retryThrottled.base"]
      ]
      for (const [options, field] of settings) {
        const exit = yield* Effect.exit(BearerAuth.withBearer(client, source, { origins, ...options }).get(api))
        assert.deepStrictEqual(configurationError(exit).fields, [field])
      }
      assert.deepStrictEqual(sent(), [])
    }))
})

describe("BearerAuth does not wait", () => {
  // FAULTS L4
  it.effect("a body that stalls and cannot be interrupted does not delay the replay", () =>
    Effect.gen(function*() {
      const { source } = yield* makeSource()
      const { client } = makeApi(accepting((token) => token === "t2"))
      const stuck = Object.create(HttpClientResponse.fromWeb(undefined as never, new Response("", { status: 401 })), {
        stream: { value: Stream.fromEffect(Effect.uninterruptible(Effect.never)) }
      })
      let n = 0
      const inner = HttpClient.transformResponse(client, (effect) =>
        Effect.map(effect, (response) =>
          n++ === 0 ? Object.defineProperty(stuck, "request", { value: response.request }) : response))
      const fiber = yield* Effect.fork(BearerAuth.withBearer(inner, source, { origins }).get(api))
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }))
})
