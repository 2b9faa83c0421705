/**
 * A user of Genesys Cloud. The call carries a token that nobody has to think about, and its errors have types.
 *
 * Run it with `node --import tsx examples/src/genesys/users.ts`. It brings its own server; to ask your organization, set
 * `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION`. The client needs the permission
 * `directory:user:view`.
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Users } from "@effect-bearer/genesys"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { expect } from "../support/Expect.js"
import * as Genesys from "../support/Genesys.js"

const program = Effect.gen(function*() {
  // A page is fetched when it is needed: for one user, one page.
  const some = yield* Stream.runHead(Users.list({ pageSize: 25 }))
  const { id } = yield* Effect.orDieWith(some, () => new Error("there is nobody in this organization"))

  const user = yield* Users.get(id)
  yield* Console.log(`GET /api/v2/users/{id} answered with a user who is ${user.state ?? "of no known state"}`)
  yield* expect("it is the one that was asked for", user.id === id)

  // What the API refuses has a type, and says what to do.
  const nobody = yield* Users.get("nobody").pipe(
    Effect.map((): string => "a user"),
    Effect.catchTag("ApiError", (error) => Effect.succeed(`an error with status ${error.status}`))
  )
  yield* Console.log(`an id that nobody has is answered with ${nobody}`)
  yield* expect("it is an error, and no defect", /^an error with status 4\d\d$/.test(nobody))

  const { fake } = yield* Genesys.Genesys
  if (Option.isNone(fake)) return

  // Somebody revokes the token. The call that meets the 401 is sent once more, with a new one.
  yield* fake.value.revokeAll
  const again = yield* Users.get(id)
  const { byPath, tokenRequests } = yield* fake.value.seen
  yield* Console.log(`${Object.values(byPath).reduce((a, b) => a + b)} calls reached the API, ${tokenRequests} tokens`)
  yield* expect("a revoked token was replaced, and the caller noticed nothing", again.id === id)
  yield* expect("one token for everything before, one for everything after", tokenRequests === 2)
})

program.pipe(
  Effect.provide(
    Genesys.cloud().pipe(
      Layer.provide(NodeHttpClient.layerUndici),
      Layer.provideMerge(Genesys.layer())
    )
  ),
  NodeRuntime.runMain
)
