/**
 * Tokens from a place that speaks no OAuth: here the metadata server of a cloud machine, but a vault, a file or a
 * subprocess will do. You write one effect that gets a token; the library adds retry, cache and renewal.
 *
 * Run it with `node --import tsx examples/src/custom-source.ts`. It brings its own metadata server.
 */
import { randomBytes } from "node:crypto"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import {
  Array as Arr,
  Clock,
  Console,
  Context,
  Data,
  Duration,
  Effect,
  HashSet,
  Layer,
  Logger,
  LogLevel,
  Schema
} from "effect"
import type { TokenError } from "effect-bearer"
import { AccessToken, RetryPolicy, TokenSource } from "effect-bearer"
import { expect } from "./support/Expect.js"
import * as LoopbackServer from "./support/LoopbackServer.js"

// --- errors of your own ------------------------------------------------------------------------------------------

// `retryable` is a literal: it tells the compiler, and so RetryPolicy, which errors may be retried. An error class
// holds what is worth knowing and nothing else. In particular no HttpClientError: that prints headers and bodies.

class MetadataBusy extends Data.TaggedError("MetadataBusy")<{ readonly detail: string }> {
  readonly retryable = true as const
}

class NoIdentity extends Data.TaggedError("NoIdentity")<{ readonly detail: string }> {
  readonly retryable = false as const
}

// --- one effect that gets a token --------------------------------------------------------------------------------

// As Azure writes it: a number in a string.
const Reply = Schema.Struct({
  access_token: Schema.Redacted(Schema.NonEmptyString),
  expires_in: Schema.NumberFromString
})

const fetchToken = (url: string) =>
  Effect.gen(function*() {
    // Taken before the request is sent: the lifetime counts from here, so time on the wire is never credited.
    const issuedAt = yield* Clock.currentTimeMillis
    const response = yield* HttpClient.get(url, { headers: { metadata: "true" } }).pipe(
      Effect.mapError((error) => new MetadataBusy({ detail: error.reason }))
    )
    if (response.status === 429 || response.status >= 500) {
      return yield* new MetadataBusy({ detail: `status ${response.status}` })
    }
    if (response.status !== 200) return yield* new NoIdentity({ detail: `status ${response.status}` })
    const reply = yield* HttpClientResponse.schemaBodyJson(Reply)(response).pipe(
      Effect.mapError(() => new NoIdentity({ detail: "the reply is not a token" }))
    )
    return AccessToken.make({
      value: reply.access_token,
      issuedAt,
      expiresAt: issuedAt + reply.expires_in * 1000
    })
  })

// --- the lifecycle -----------------------------------------------------------------------------------------------

// MetadataBusy has left the type of the source: whoever asks it sees what is left when retrying did not help.
class Identity extends Context.Tag("Identity")<
  Identity,
  TokenSource.With<NoIdentity | TokenError.RetriesExhausted<MetadataBusy>>
>() {}

const identity = (url: string) =>
  Layer.scoped(
    Identity,
    TokenSource.make(() => fetchToken(url)).pipe(
      TokenSource.retry(RetryPolicy.exponentialJitter({ base: "100 millis", maxRetries: 5 })),
      TokenSource.cached(),
      TokenSource.backgroundRefresh()
    )
  ).pipe(Layer.provide(NodeHttpClient.layerUndici))

// An HttpClient with these tokens is `BearerAuth.layer({ origins, source: Identity })`.

// --- the program -------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const source = yield* Identity
  const ask = Effect.timed(source.get())

  const first = yield* ask
  yield* Console.log(`the first caller waited ${millis(first[0])} for a token: the metadata server was busy once`)

  // Tokens live two seconds here. For three, somebody asks every 50 ms.
  const later = yield* Effect.replicateEffect(Effect.delay(ask, "50 millis"), 60)
  const longest = Arr.reduce(later, Duration.zero, (longest, [waited]) => Duration.max(longest, waited))
  const tokens = HashSet.fromIterable(Arr.map([first, ...later], ([, token]) => token.value))
  yield* Console.log(`${later.length + 1} times asked, ${HashSet.size(tokens)} tokens`)
  yield* Console.log(`after the first, nobody waited longer than ${millis(longest)}`)

  return { tokens: HashSet.size(tokens), longest }
})

const millis = (duration: Duration.Duration) => `${Math.ceil(Duration.toMillis(duration))} ms`

// --- the stage ---------------------------------------------------------------------------------------------------

const latency = 200

/** Answers the first request with 503, and takes its time for each of the others. */
const metadataServer = Effect.gen(function*() {
  const server = yield* LoopbackServer.make
  let requests = 0
  yield* server.handle((_, response) => {
    if (++requests === 1) return void response.writeHead(503).end()
    setTimeout(() => {
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({ access_token: randomBytes(32).toString("base64url"), expires_in: "2" })
      )
    }, latency)
  })
  return { url: `${server.origin}/metadata/identity/oauth2/token`, requests: Effect.sync(() => requests) }
})

const main = Effect.gen(function*() {
  const server = yield* metadataServer
  const { longest, tokens } = yield* Effect.provide(program, identity(server.url))
  const requests = yield* server.requests

  yield* expect("the token was replaced while it was in use", tokens >= 2)
  yield* expect("nobody waited for a replacement", Duration.lessThan(longest, latency))
  // the last one may still have been under way
  yield* expect(
    "one request per token, and one that was turned away",
    requests === tokens + 1 || requests === tokens + 2
  )
})

main.pipe(
  Effect.scoped,
  // The source logs its retries. Here the program tells about them.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
