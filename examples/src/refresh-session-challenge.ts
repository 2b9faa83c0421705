/**
 * The "refresh session challenge" of the Effect community (Lucas Barake): a session dies while many requests are under
 * way, and then
 *
 * - one refresh is made, whatever the number of requests that need it,
 * - it is given 5 seconds,
 * - it is tried 3 times, waiting 1.5 s and then 1.5 times as long, but not after a 401 or a reply that can't be read,
 *   and the compiler knows the difference,
 * - the requests queue up meanwhile and are replayed with the new token,
 * - or fail, all of them, if the session is over,
 * - everything is injected and traced.
 *
 * All of it is the `Session` and the `AppClient` below. The rest is the play, and two servers that count.
 *
 * Run it with `node --import tsx examples/src/refresh-session-challenge.ts`. It brings its own servers.
 */
import { HttpBody, HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Array as Arr, Console, Effect, Either, Layer, Logger, LogLevel, Option, Redacted, Ref, Tracer } from "effect"
import { BearerAuth, ClientAuthentication, RetryPolicy, TokenSource } from "effect-bearer"
import * as AuthorizationServer from "./support/AuthorizationServer.js"
import { expect } from "./support/Expect.js"
import * as ProtectedApi from "./support/ProtectedApi.js"

// --- the solution ------------------------------------------------------------------------------------------------

class Session extends TokenSource.Tag("Session")<Session>() {}

const session = (tokenEndpoint: string, clientId: string, secret: ClientAuthentication.Secret) =>
  Session.layer({
    tokenEndpoint,
    clientId,
    authentication: ClientAuthentication.basic(secret),
    timeout: "5 seconds",
    // The input type of a policy is what it may retry: a timeout, a broken connection, 429 and 5xx. OAuthError (which
    // is what a 401 becomes) and MalformedResponse say `retryable: false`, so no policy can be made to retry them.
    retry: RetryPolicy.exponentialJitter({ base: "1.5 seconds", factor: 1.5, jitter: "none", maxRetries: 2 })
  })

// A 401 renews the very token that was sent. Requests that come with the same dead token wait for the same refresh;
// each is then sent once more, with its own body and a new header.
const appClient = (origin: string) => BearerAuth.layer({ origins: [origin], source: Session })

// --- the app: it has never heard of tokens -----------------------------------------------------------------------

const burst = 25

/** Posts a note and reads it back; the API returns what it was sent. */
const post = (url: string, note: string) =>
  Effect.gen(function*() {
    const response = yield* HttpClient.post(url, { body: HttpBody.text(note) })
    const body = yield* response.text
    return response.status === 201 && body === note
  })

/** All at once. */
const postAll = (url: string) =>
  Effect.forEach(Arr.range(1, burst), (n) => Effect.either(post(url, `note ${n}`)), { concurrency: "unbounded" })

const answered = (results: ReadonlyArray<Either.Either<boolean, unknown>>) =>
  results.filter((result) => Either.getOrElse(result, () => false)).length

// --- the play ----------------------------------------------------------------------------------------------------

const program = (secret: Ref.Ref<Redacted.Redacted>, acquisitions: () => number) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.AuthorizationServer
    const api = yield* ProtectedApi.ProtectedApi

    yield* post(api.callsUrl, "hello")
    yield* Console.log("The app is at work.")

    yield* server.revokeAll
    yield* server.fail(AuthorizationServer.unavailable())
    yield* Console.log(`The session dies, the refresh endpoint is down, and ${burst} requests go out.`)

    const before = yield* server.seen
    const [results] = yield* Effect.all([
      postAll(api.callsUrl),
      // the endpoint is back once it has turned one attempt away
      Effect.zipRight(
        Effect.repeat(Effect.delay(server.seen, "20 millis"), { until: (seen) => seen.tokenStatuses[503] === 1 }),
        server.recover
      )
    ], { concurrency: "unbounded" })

    const after = yield* server.seen
    const refused = (yield* api.seen).statuses[401] ?? 0
    const attempts = after.tokenRequests - before.tokenRequests
    const waited = after.tokenRequestsAt[after.tokenRequests - 1]! - after.tokenRequestsAt[after.tokenRequests - 2]!
    yield* Console.log(`${refused} of them met a 401, ${answered(results)} were answered in the end.`)
    yield* Console.log(`The refresh took ${attempts} attempts, ${(waited / 1000).toFixed(1)} s apart.`)
    yield* expect("every request was answered, with its own body", answered(results) === burst)
    yield* expect("there was one refresh: one failed attempt, one token", attempts === 2 && issued(before, after) === 1)
    yield* expect("the second attempt waited 1.5 s", waited >= 1500)

    yield* Ref.set(secret, Redacted.make("signed out"))
    yield* server.revokeAll
    yield* Console.log(`The session is over for good, and ${burst} requests go out.`)

    const turnedAway = yield* postAll(api.callsUrl)
    const end = yield* server.seen
    const reasons = Arr.dedupe(turnedAway.map((result) =>
      Either.match(result, {
        onRight: () => "none",
        onLeft: (error) =>
          Option.match(BearerAuth.tokenErrorOf(error), { onNone: () => error._tag, onSome: (error) => error._tag })
      })
    ))
    yield* Console.log(`All of them failed with ${reasons.join(", ")}: time to sign in again.`)
    yield* expect("every request failed with the reason", reasons.length === 1 && reasons[0] === "OAuthError")
    yield* expect("a refusal is not retried", end.tokenRequests - after.tokenRequests === 1)

    yield* expect("each refresh is one span of the trace", acquisitions() === 3)
  })

const issued = (before: AuthorizationServer.Seen, after: AuthorizationServer.Seen) =>
  after.tokensIssued - before.tokensIssued

// --- the stage ---------------------------------------------------------------------------------------------------

const main = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  const api = yield* ProtectedApi.ProtectedApi
  // A secret may be an effect: it is evaluated at every token request.
  const secret = yield* Ref.make(server.clients.basic.secret)

  // Counts the spans that the library makes; yours go to OpenTelemetry.
  const tracer = yield* Effect.tracer
  let acquisitions = 0
  const counting = Layer.setTracer(Tracer.make({
    span: (...args) => {
      if (args[0] === "TokenSource.acquire") acquisitions++
      return tracer.span(...args)
    },
    context: tracer.context
  }))

  const AppClient = appClient(api.origin).pipe(
    Layer.provide(session(server.tokenEndpoint, server.clients.basic.id, Ref.get(secret))),
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.provide(counting)
  )
  yield* Effect.provide(program(secret, () => acquisitions), AppClient)
})

const Servers = ProtectedApi.layer.pipe(Layer.provideMerge(AuthorizationServer.layer({ lifetime: "1 hour" })))

main.pipe(
  Effect.provide(Servers),
  // The source logs what this program prints.
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
