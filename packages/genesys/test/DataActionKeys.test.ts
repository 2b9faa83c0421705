import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, Layer, TestClock } from "effect"
import { ClientAuthentication, Secret, TokenStore } from "effect-bearer"
import { forkVanishing } from "../../../test/src/vanishing.js"
import { exchangeNamespace } from "../src/dataAction/tokens.js"
import { DataAction } from "../src/index.js"
import { authentication, effect, memory, never, settings, token, verdict } from "./utils/dataAction.js"

/** A server whose token says for what request it is. */
const echoing = HttpClient.make((request, url) =>
  Effect.sync(() => {
    const form = new TextDecoder().decode((request.body as { readonly body: Uint8Array }).body)
    const members = Array.from(new URLSearchParams(form)).filter(([name]) => name !== "client_secret")
    const access_token = Buffer.from(JSON.stringify([url.href, members.sort()])).toString("base64url")
    return HttpClientResponse.fromWeb(
      request,
      Response.json({ access_token, token_type: "bearer", expires_in: 3600 })
    )
  })
)

const asked = (reply: DataAction.Reply): string => Buffer.from(token(reply), "base64url").toString()

interface Input {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly payload: Readonly<Record<string, unknown>>
}

const input: fc.Arbitrary<Input> = fc.record({
  tokenEndpoint: fc.constantFrom(
    "https://login.test/token",
    "https://login.test/token/",
    "https://login.test/Token",
    "https://login.test/token?tenant=66",
    "https://login.test/token?tenant=p0",
    "https://login.test/token?a=b:crm"
  ),
  clientId: fc.constantFrom("crm", "CRM", "c:rm", "c%3Arm", "66:crm"),
  payload: fc.record({
    scope: fc.constantFrom("a", "b", "a b"),
    audience: fc.constantFrom("x", "y", ["x", "y"]),
    resource: fc.constantFrom("https://x.test", "https://y.test"),
    subject_token: fc.constantFrom("ada", "grace"),
    subject_token_type: fc.constantFrom("urn:1", "urn:2"),
    actor_token: fc.constantFrom("ada", "grace")
  }, { requiredKeys: [] }).map(({ actor_token, subject_token_type, ...rest }) =>
    rest.subject_token === undefined ? rest : {
      ...rest,
      ...(actor_token === undefined ? {} : { actor_token }),
      ...(subject_token_type === undefined ? {} : { subject_token_type })
    }
  )
})

describe("tokens in a shared store", () => {
  // FAULTS T1
  effect("are those of their endpoint, whatever its query: 1 296 tenants of two letters", () =>
    Effect.gen(function*() {
      const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
      const names = new Set<string>()
      for (const a of letters) {
        for (const b of letters) {
          const name = exchangeNamespace(undefined, `https://login.test/token?tenant=${a}${b}`, "crm")
          assert.notInclude(name, "tenant")
          names.add(name)
        }
      }
      assert.strictEqual(names.size, 1296)
      const store = Layer.succeedContext(yield* Layer.build(TokenStore.layerMemory))
      for (const tenant of ["66", "p0"]) {
        const url = `https://login.test/token?tenant=${tenant}`
        const action = yield* DataAction.handler(settings(url)).pipe(
          Effect.provide(store),
          Effect.provideService(HttpClient.HttpClient, echoing)
        )
        assert.include(asked(yield* action({ subject_token: "ada" })), url)
        assert.include(asked(yield* action()), url)
      }
    }))

  // FAULTS T
  effect("are those of their client, whatever its credentials add to its id", () =>
    Effect.sync(() => {
      const name = (identity?: string) => exchangeNamespace(undefined, "https://login.test/token", "crm", identity)
      assert.strictEqual(name(""), name())
      assert.strictEqual(new Set([name(), name("a"), name("b")]).size, 3)
    }))

  // FAULTS T1
  effect(
    "are never those of another input: endpoint, client, scopes, audience, resource, subject, actor, types",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(input, { minLength: 2, maxLength: 4 }), (inputs) =>
            Effect.gen(function*() {
              const get = (input: Input, shared: boolean) =>
                Effect.gen(function*() {
                  const action = yield* DataAction.handler({
                    ...input,
                    authentication,
                    allowedScopes: "any",
                    ...(shared ? {} : { shared: false })
                  })
                  return asked(yield* action(input.payload))
                })
              for (const one of inputs) assert.strictEqual(yield* get(one, true), yield* get(one, false))
            }).pipe(
              Effect.scoped,
              Effect.provide(TokenStore.layerMemory),
              Effect.provideService(HttpClient.HttpClient, echoing),
              Effect.runPromise
            )),
          { numRuns: 12 }
        )
      )
  )
})

describe("settings of a data action", () => {
  // FAULTS L3
  effect("that hang end in a reply, and the next request reads them again", () =>
    Effect.gen(function*() {
      let reads = 0
      const clientId = Effect.suspend(() =>
        ++reads === 1 ? Effect.uninterruptible(Effect.never) : Effect.succeed("crm")
      )
      const { action } = yield* memory({ clientId, retry: never })
      const fiber = yield* Effect.fork(action())
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(verdict(yield* Fiber.join(fiber)), "503 RetryExhausted")
      assert.strictEqual(token(yield* action()), "token-1")
    }))

  // FAULTS L1
  effect("whose reader vanishes are read again by the next request", () =>
    Effect.gen(function*() {
      let reads = 0
      const secret = Effect.suspend(() => ++reads === 1 ? Effect.never : Effect.succeed("crm"))
      const { action } = yield* memory(
        { clientId: secret, authentication: ClientAuthentication.post(Secret.env("X")) }
      )
      const { vanish } = yield* forkVanishing(action())
      yield* TestClock.adjust(1)
      vanish()
      const waiting = yield* Effect.fork(action())
      yield* TestClock.adjust("30 seconds")
      const later = yield* Effect.fork(action())
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(verdict(yield* Fiber.join(later)), "500 ConfigurationError")
      assert.strictEqual(verdict(yield* Fiber.join(waiting)), "500 ConfigurationError")
      assert.isAtLeast(reads, 2)
    }))
})
