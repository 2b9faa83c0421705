/**
 * Many users, one refresh token each: a source per user, made at the first call and closed when the user has been away for
 * a while. A refresh token that rotates is stored before anybody sees the access token, so the next source goes on with it.
 *
 * Run it with `node --import tsx examples/src/recipes/many-users.ts`. It brings its own server.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Logger, LogLevel, RcMap, Redacted } from "effect"
import { ClientAuthentication, RefreshToken, TokenSource } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as GrantServer from "../support/GrantServer.js"

// --- your module -------------------------------------------------------------------------------------------------

type UserId = string

/**
 * What is known of a user: the refresh token of the last login, and the store for its successors. Yours is a table;
 * `RefreshToken.shared` is a store for a fleet.
 */
class Logins extends Context.Tag("Logins")<Logins, {
  readonly of: (user: UserId) => Effect.Effect<Pick<RefreshToken.Options, "refreshToken" | "store">>
}>() {}

const makeUsers = (options: TokenSource.Options) =>
  RcMap.make({
    lookup: (user: UserId) =>
      Effect.gen(function*() {
        const logins = yield* Logins
        const source = yield* TokenSource.refreshToken({ ...options, ...(yield* logins.of(user)) })
        // renewed when it is asked for: a thousand users who are away cost nothing
        return yield* TokenSource.managed({ refresh: false })(source)
      }),
    // after so long without a call the source is closed, and its access token forgotten
    idleTimeToLive: "10 minutes"
  })

// --- the stage ---------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const server = yield* GrantServer.GrantServer
  const users = yield* makeUsers({
    tokenEndpoint: server.tokenEndpoint,
    clientId: server.clients.basic.id,
    authentication: ClientAuthentication.basic(server.clients.basic.secret)
  })
  const tokenOf = (user: UserId) => Effect.scoped(Effect.flatMap(RcMap.get(users, user), (tokens) => tokens.get()))

  const [ada, again, bob] = yield* Effect.all([tokenOf("ada"), tokenOf("ada"), tokenOf("bob")], {
    concurrency: "unbounded"
  })
  const before = (yield* server.answered).length
  yield* Console.log(`two users, three calls, ${before} refresh tokens spent`)
  yield* expect("calls of one user share a token", Redacted.value(ada.value) === Redacted.value(again.value))
  yield* expect("no user gets the token of another", Redacted.value(ada.value) !== Redacted.value(bob.value))

  // ada has been away, or the process was started anew: the stored refresh token is the latest one
  yield* RcMap.invalidate(users, "ada")
  yield* tokenOf("ada")
  yield* expect("a new source goes on with the stored one", (yield* server.answered).length === before + 1)
  yield* expect("none was spent twice", (yield* server.thefts) === 0)

  // somebody the store knows nothing of
  const why = yield* tokenOf("eve").pipe(
    Effect.as("a token"),
    Effect.catchTag("AuthenticationRequired", () => Effect.succeed("log in first"))
  )
  yield* expect("who never logged in is told to", why === "log in first")
})

const LoginsInMemory = Layer.effect(
  Logins,
  Effect.gen(function*() {
    const server = yield* GrantServer.GrantServer
    const logins = new Map<UserId, Pick<RefreshToken.Options, "refreshToken" | "store">>()
    for (const user of ["ada", "bob"]) {
      logins.set(user, { refreshToken: yield* server.login(), store: yield* RefreshToken.memory })
    }
    return { of: (user) => Effect.succeed(logins.get(user) ?? {}) }
  })
)

program.pipe(
  Effect.scoped,
  Effect.provide(LoginsInMemory.pipe(Layer.provideMerge(GrantServer.layer()), Layer.merge(NodeHttpClient.layerUndici))),
  // the source logs what this program prints
  Logger.withMinimumLogLevel(LogLevel.None),
  NodeRuntime.runMain
)
