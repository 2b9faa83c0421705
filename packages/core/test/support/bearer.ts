import type { HttpClientRequest } from "@effect/platform"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Effect, Fiber, Stream } from "effect"
import * as Source from "../../src/lifecycle/source.js"
import * as AccessToken from "../../src/values/AccessToken.js"
import type { TokenError } from "../../src/values/TokenError.js"
import type { TokenEvent } from "../../src/values/TokenEvent.js"
import type * as TokenRequest from "../../src/values/TokenRequest.js"

/** A token request: the n-th one, counted from 1, for `request`. */
export type Mint = (n: number, request: TokenRequest.TokenRequest) => Effect.Effect<AccessToken.AccessToken, TokenError>

/**
 * A source with one cached token per request: `renew` and `invalidate` compare, and callers share one token request.
 * It is written without the lifecycle floor, so that these tests say what the middleware does and nothing else.
 */
export const makeSource = (mint: Mint = (n) => Effect.succeed(AccessToken.make({ value: `t${n}` }))) =>
  Effect.gen(function*() {
    const state = { minted: 0, renewals: 0, gets: 0, invalidated: [] as Array<AccessToken.AccessToken> }
    const cache = new Map<string, AccessToken.AccessToken>()
    const gate = yield* Effect.makeSemaphore(1)
    const plain = yield* Source.make<TokenError>({
      fetch: (request) => Effect.suspend(() => mint(++state.minted, request))
    })
    const { defaults } = Source.hooks(plain)
    const current = (request: TokenRequest.TokenRequest = defaults) =>
      gate.withPermits(1)(Effect.suspend(() => {
        const held = cache.get(request.key)
        return held !== undefined
          ? Effect.succeed(held)
          : Effect.tap(plain.get(request), (token) => cache.set(request.key, token))
      }))
    const drop = (rejected: AccessToken.AccessToken, request: TokenRequest.TokenRequest = defaults) => {
      const held = cache.get(request.key)
      if (held !== undefined && AccessToken.isSame(held, rejected)) cache.delete(request.key)
    }
    const source = Source.derive<TokenError>(plain, {
      get: (request) => Effect.suspend(() => (state.gets++, current(request))),
      renew: (rejected, request) =>
        Effect.suspend(() => {
          state.renewals++
          drop(rejected, request)
          return current(request)
        }),
      invalidate: (rejected, request) =>
        Effect.sync(() => {
          state.invalidated.push(rejected)
          drop(rejected, request)
        })
    })
    return { source, state }
  })

export interface Seen {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly request: HttpClientRequest.HttpClientRequest
}

/** A client without a network: `reply` answers, `calls` holds what it saw. */
export const makeApi = (reply: (seen: Seen, n: number) => Response | Effect.Effect<Response>) => {
  const calls: Array<Seen> = []
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const seen = { method: request.method, url: url.href, authorization: request.headers["authorization"], request }
      calls.push(seen)
      const response = reply(seen, calls.length)
      return Effect.map(
        Effect.isEffect(response) ? response : Effect.succeed(response),
        (response) => HttpClientResponse.fromWeb(request, response)
      )
    })
  )
  return { calls, client, sent: () => calls.map((call) => call.authorization) }
}

/** An API that accepts what `accepts` says; `accepts` may change its mind. */
export const accepting = (accepts: (token: string) => boolean, headers?: HeadersInit) => (seen: Seen): Response =>
  accepts((seen.authorization ?? "").replace(/^Bearer /, ""))
    ? new Response("ok")
    : new Response("no", { status: 401, ...(headers === undefined ? {} : { headers }) })

/** Collects the events of a source while `effect` runs. */
export const eventsOf = <A, E, R>(source: Source.With<unknown>, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const events: Array<TokenEvent> = []
    const fiber = yield* Effect.fork(Stream.runForEach(source.events, (event) => Effect.sync(() => events.push(event))))
    yield* Effect.yieldNow()
    yield* Effect.yieldNow()
    yield* effect
    for (let i = 0; i < 10; i++) yield* Effect.yieldNow()
    yield* Fiber.interrupt(fiber)
    return events
  })
