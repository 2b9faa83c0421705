import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, TestClock } from "effect"
import { withSettableClock } from "../../../test/src/SettableClock.js"
import { GenesysApi, GenesysCloud, Limits } from "../src/index.js"
import { connectTo, memory as cloud } from "./utils/cloud.js"
import { effect, memory, token } from "./utils/dataAction.js"

const hour = 3_600_000

/** Answers with a head at once, and with a body that does not end. */
const trickling = HttpClient.make((request) =>
  Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(new ReadableStream({ pull: () => {} }))))
)

describe("a wall clock that is set to another time", () => {
  // FAULTS K3
  for (const step of [-hour, hour]) {
    effect(
      `changes nothing of how long a replaced token is given again: ${step} ms`,
      () =>
        withSettableClock((set) =>
          Effect.gen(function*() {
            const { action, server } = yield* memory({}, { expiresIn: 86_400 })
            yield* action()
            assert.strictEqual(token(yield* action({ rejected_token: "token-1" })), "token-2")
            set(step)
            assert.strictEqual(token(yield* action({ rejected_token: "token-2" })), "token-2")
            yield* TestClock.adjust("5 seconds")
            assert.strictEqual(token(yield* action({ rejected_token: "token-2" })), "token-3")
            assert.strictEqual(yield* server.count, 3)
          })
        )
    )

    // FAULTS K3
    it.scoped(`does not change the time limit of a body: ${step} ms`, () =>
      withSettableClock((set) =>
        Effect.gen(function*() {
          const client = trickling.pipe(Limits.withTimeout("1 second"))
          const limited = Limits.withPayloadLimit()(
            HttpClient.transform(client, (response) => Effect.tap(response, () => Effect.sync(() => set(step))))
          )
          const fiber = yield* Effect.fork(Effect.flip(limited.get("https://crm.example")))
          yield* TestClock.adjust("999 millis")
          assert.isNull(fiber.unsafePoll())
          yield* TestClock.adjust("1 millis")
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "ApiTimeout")
        })
      ))

    // FAULTS K3
    it.scoped(`does not change the time limit of an answer of the API: ${step} ms`, () =>
      withSettableClock((set) =>
        Effect.gen(function*() {
          const { client } = cloud(() =>
            Effect.sync(() => {
              set(step)
              return new Response(new ReadableStream({ pull: () => {} }))
            })
          )
          const service = yield* connectTo(client)
          const fiber = yield* Effect.fork(
            Effect.flip(GenesysApi.get("/api/v2/x", Schema.Unknown)).pipe(
              Effect.provideService(GenesysCloud.GenesysCloud, service)
            )
          )
          yield* TestClock.adjust("4999 millis")
          assert.isNull(fiber.unsafePoll())
          yield* TestClock.adjust("1 millis")
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "ApiTimeout")
        })
      ))
  }

  // FAULTS K3
  effect(
    "back gives a token no longer life than it has, by what a reply says of it",
    () =>
      withSettableClock((set) =>
        Effect.gen(function*() {
          const { action } = yield* memory({}, { expiresIn: 3600 })
          assert.propertyVal((yield* action()).body, "expires_in", 3600)
          set(-hour)
          yield* TestClock.adjust("10 minutes")
          const { body } = yield* action()
          assert.propertyVal(body, "access_token", "token-1")
          assert.propertyVal(body, "expires_in", 3000)

          const assumed = yield* memory({ assumedLifetime: "1 hour" }, { expiresIn: null })
          yield* assumed.action()
          set(-2 * hour)
          yield* TestClock.adjust("10 minutes")
          assert.propertyVal((yield* assumed.action()).body, "expires_in", 3000)
        })
      )
  )
})
