/** A broker that stops ends within its time, whatever its clients do. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { setUp } from "./support/broker.js"
import * as Raw from "./support/raw.js"

describe("drain", () => {
  // each of these would otherwise keep its connection for the hour that a client may take here
  it.scopedLive(
    "silent connections, and connections that stop in the middle of a request, do not delay the drain",
    () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { origin } = yield* Scope.extend(setUp({ config: { limits: { sending: "1 hour" } } }), scope)
        const silent = yield* Raw.open(origin)
        const halfway = yield* Raw.open(origin)
        yield* halfway.write("POST /oauth2/main/token HTTP/1.1\r\nHost: ")
        const withoutBody = yield* Raw.open(origin)
        yield* withoutBody.write(
          `POST /oauth2/main/token HTTP/1.1\r\nHost: ${
            new URL(origin).host
          }\r\nContent-Length: 9\r\nExpect: 100-continue\r\n` +
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        yield* withoutBody.until("100 Continue")
        // what does not end in a minute does not end; nothing can interrupt it, so it is left behind
        const closing = yield* Effect.forkDaemon(Scope.close(scope, Exit.void))
        yield* Effect.timeout(Fiber.join(closing), "1 minute")
        yield* Effect.forEach([silent, halfway, withoutBody], (connection) => connection.gone)
        assert.notInclude(yield* silent.received, "HTTP/1.1")
      }),
    120_000
  )
})
