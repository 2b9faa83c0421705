/**
 * The official SDK of Genesys Cloud in a long-running program. By itself it stops working when its token expires; here
 * its token is kept current, and what it is rejected with can be logged as it is.
 *
 * Run it with `node --import tsx examples/src/genesys/sdk-bridge.ts`. It brings its own server; to ask your
 * organization, set `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION`.
 */
import { inspect } from "node:util"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { GenesysCloud, SdkBridge } from "@effect-bearer/genesys"
import * as FakeCloud from "@effect-bearer/genesys/FakeCloud"
import { Clock, Console, Duration, Effect, Layer, Option, Redacted } from "effect"
import type { AccessToken } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import { expect } from "../support/Expect.js"
import * as Genesys from "../support/Genesys.js"

// --- a program that knows the SDK, and nothing of this library ---------------------------------------------------------

const organizations = new platformClient.OrganizationApi()

/** Asks again and again; how often it was answered. */
const watch = async (until: number): Promise<number> => {
  let answers = 0
  while (Date.now() < until) {
    const { id } = await organizations.getOrganizationsMe()
    if (id !== undefined) answers++
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return answers
}

// --- the program around it ---------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const apiClient = platformClient.ApiClient.instance

  // From here to the end of the scope the SDK has a token. It fails here if there is none to be had.
  const sdk = yield* SdkBridge.connect(apiClient)

  const { fake } = yield* Genesys.Genesys
  const answers = yield* Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.promise(() => watch(now + 4_500)))
  yield* Console.log(`the old program was answered ${answers} times`)
  yield* expect("it was answered all the time", answers > 1)

  // An SDK call as an effect: its errors have types, and it ends when the effect is interrupted.
  const refused = yield* sdk.call((api) => new platformClient.UsersApi(api).getUser("nobody")).pipe(
    Effect.map((): string => "a user"),
    Effect.catchTag(
      "ApiError",
      (error) => Effect.succeed(`${error.status}, code ${Option.getOrElse(error.code, () => "unknown")}`)
    )
  )
  yield* Console.log(`an id that nobody has is refused with ${refused}`)
  yield* expect("it is an error with a type", /^4\d\d, code /.test(refused))

  // The same by promise: an Error that can be logged.
  const rejected = yield* Effect.promise(() => new platformClient.UsersApi().getUser("nobody").catch((error) => error))
  const { tokens } = yield* GenesysCloud.GenesysCloud
  const token = Redacted.value((yield* tokens.get()).value)
  const log = inspect(rejected, { depth: Infinity, showHidden: true }) + JSON.stringify(rejected)
  yield* expect("the rejection says its status", rejected.status >= 400)
  yield* expect("no credential is in it", !log.includes(token) && !log.includes("Bearer"))

  if (Option.isSome(fake)) yield* trouble(fake.value, tokens)
})

/** Trouble of a kind that only a fake can be asked for. */
const trouble = Effect.fnUntraced(function*(fake: FakeCloud.Service, tokens: GenesysCloud.Service["tokens"]) {
  const expired = yield* fake.seen
  yield* Console.log(`${expired.tokensIssued} tokens, each good for two seconds`)
  yield* expect("no call met a token that had expired", expired.tokensIssued > 2 && expired.statuses[401] === undefined)

  // All tokens are revoked while ten calls are made at once.
  yield* fake.setLifetime("1 hour")
  yield* Effect.repeat(Effect.delay(tokens.get(), "100 millis"), { until: livesLong })
  const before = yield* fake.seen
  yield* fake.revokeAll
  const calls = Array.from({ length: 10 }, () => organizations.getOrganizationsMe())
  const answered = yield* Effect.promise(() => Promise.all(calls))
  const revoked = yield* fake.seen
  yield* Console.log(
    `after a revocation, ${answered.length} calls shared ${revoked.tokensIssued - before.tokensIssued} token`
  )
  yield* expect("one token was enough for all of them", revoked.tokensIssued === before.tokensIssued + 1)

  // The API asks to be left alone for a second.
  yield* fake.fail(1, FakeCloud.rateLimited("1 second"), { host: "api" })
  const [elapsed] = yield* Effect.timed(Effect.promise(() => organizations.getOrganizationsMe()))
  yield* expect("a rate limit was waited for", Duration.toSeconds(elapsed) >= 1)
})

const livesLong = (token: AccessToken.AccessToken) =>
  Option.exists(token.expiresAt, (at) => at - token.issuedAt > 60_000)

program.pipe(
  Effect.scoped,
  Effect.provide(
    Genesys.cloud().pipe(
      Layer.provide(NodeHttpClient.layerUndici),
      Layer.provideMerge(Genesys.layer({ lifetime: "2 seconds" }))
    )
  ),
  NodeRuntime.runMain
)
