/**
 * From nothing to an answer: get a token, look at its scopes, ask whether it is still good, query conversations.
 *
 * Run it with `node --import tsx examples/src/genesys/analytics-query.ts`. It brings its own server; to ask your
 * organization, set `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION`. The client needs the permission
 * `analytics:conversationDetail:view`.
 *
 * Genesys Cloud has no introspection endpoint (RFC 7662). What tells a token that was revoked from one that is good is
 * the API itself: it answers 401 to the one, and anything else to the other.
 */
import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Analytics, GenesysCloud } from "@effect-bearer/genesys"
import { Console, DateTime, Effect, Layer, Option, Redacted } from "effect"
import type { AccessToken } from "effect-bearer"
import { Jwt, ScopePolicy, Scopes } from "effect-bearer"
import { expect } from "../support/Expect.js"
import * as Genesys from "../support/Genesys.js"

/** Asks with this very token. The client of `GenesysCloud` would replace one that is refused. */
const isActive = (token: AccessToken.AccessToken) =>
  Effect.gen(function*() {
    const { region } = yield* GenesysCloud.GenesysCloud
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(
      HttpClientRequest.get(`${region.apiUrl}/api/v2/organizations/me`).pipe(
        HttpClientRequest.bearerToken(Redacted.value(token.value))
      )
    )
    return response.status !== 401
  }).pipe(Effect.scoped)

const program = Effect.gen(function*() {
  const { fake, options } = yield* Genesys.Genesys
  const { tokens } = yield* GenesysCloud.GenesysCloud

  // 1. A token. From here on it is held, and renewed before its end.
  const token = yield* tokens.get()
  yield* Console.log(`a token of type ${token.tokenType}, ${Option.isSome(Jwt.decode(token)) ? "a JWT" : "opaque"}`)

  // 2. Its scopes. With `missing: "fail"`, below, a token without one that was asked for would not have come this far.
  const { missing } = ScopePolicy.compare(Scopes.make(options.scopes ?? []), token.scopes)
  yield* expect("it has every scope that was asked for", missing.length === 0)

  // 3. Whether it is still good.
  yield* expect("the API takes it", yield* isActive(token))
  if (Option.isSome(fake)) {
    yield* fake.value.revokeAll
    const active = yield* isActive(token)
    yield* expect("once it is revoked, the API does not", !active)
    // Only this very token is dropped: if somebody was faster, the newer one stays.
    yield* tokens.invalidate(token)
  }

  // 4. The query.
  const now = yield* DateTime.now
  const page = yield* Analytics.conversationDetails({
    interval: Option.isSome(fake)
      ? ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
      : [DateTime.subtract(now, { days: 1 }), now],
    order: "desc"
  }, { pageNumber: 1, pageSize: 10 })
  yield* Console.log(`${page.conversations.length} of ${page.totalHits ?? 0} conversations`)
  yield* expect("the query was answered", page.conversations.length <= 10)
  if (Option.isSome(fake)) yield* expect("with a second token", (yield* fake.value.seen).tokenRequests === 2)
})

program.pipe(
  Effect.provide(
    Genesys.cloud({ scopePolicy: { missing: "fail" } }).pipe(
      Layer.provideMerge(NodeHttpClient.layerUndici),
      Layer.provideMerge(Genesys.layer({ scopes: ["analytics:readonly"] }))
    )
  ),
  NodeRuntime.runMain
)
