import { inspect } from "node:util"
import type { HttpClient } from "@effect/platform"
import { assert } from "@effect/vitest"
import type { Duration, Scope } from "effect"
import { Effect, Fiber, Option, Redacted, TestClock } from "effect"
import type { TokenError } from "effect-bearer"
import { AccessToken, TokenSource } from "effect-bearer"
import platformClient from "purecloud-platform-client-v2"
import * as FakeCloud from "../../src/FakeCloud.js"
import type { GenesysError } from "../../src/index.js"
import { GenesysCloud, SdkBridge } from "../../src/index.js"
import { connect, renderings, sockets } from "./cloud.js"

export type OfficialClient = typeof platformClient.ApiClient

/** What there is besides `ApiClient.instance`; the SDK does not declare it. */
export const { ApiClientClass, DefaultHttpClient, HttpRequestOptions } = platformClient as unknown as {
  readonly ApiClientClass: new() => OfficialClient & Undeclared
  readonly DefaultHttpClient: new() => DefaultHttpClient
  readonly HttpRequestOptions: new(url: string, method: string) => HttpRequestOptions
}

export type HttpRequestOptions = Parameters<OfficialClient["httpClient"]["request"]>[0]

export interface DefaultHttpClient {
  httpsAgent: unknown
  request(options: HttpRequestOptions): Promise<unknown>
}

export interface Undeclared {
  readonly authData: { accessToken: string | null; tokenExpiryTime: number; refreshToken?: string }
  timeout: number
  setPreHook(hook: (config: { readonly headers: object }) => unknown): void
}

/** Each would watch the configuration file in the home directory. */
export const newClient = () => {
  const client = new ApiClientClass()
  client.config.live_reload_config = false
  return client
}

export type Client = ReturnType<typeof newClient>

/** A fake, the official SDK, and a bridge between them. */
export const setUp = Effect.fnUntraced(function*(options: {
  readonly sdk?: SdkBridge.Options
  readonly cloud?: Partial<GenesysCloud.Options>
  readonly client?: Client
} = {}) {
  const fake = yield* FakeCloud.FakeCloud
  const cloud = yield* connect({ region: fake.region, ...options.cloud })
  const client = options.client ?? newClient()
  const sdk = yield* SdkBridge.connect(client, options.sdk).pipe(
    Effect.provideService(GenesysCloud.GenesysCloud, cloud)
  )
  const ada = FakeCloud.user("Ada Lovelace")
  yield* fake.setUsers([ada])
  const users = new platformClient.UsersApi(client)
  const analytics = new platformClient.AnalyticsApi(client)
  return { ada, analytics, client, cloud, fake, sdk, users }
})

export const withFake = <A, E>(
  effect: Effect.Effect<A, E, FakeCloud.FakeCloud | HttpClient.HttpClient | Scope.Scope>,
  options: FakeCloud.Options = {}
) => effect.pipe(Effect.scoped, Effect.provide(sockets(options)))

/** What a promise of the SDK is rejected with. */
export const rejection = (promise: PromiseLike<unknown>): Effect.Effect<SdkBridge.SdkError> =>
  Effect.flip(Effect.tryPromise({ try: () => promise, catch: (rejected) => rejected as SdkBridge.SdkError })).pipe(
    Effect.orDieWith((value) => new Error(`resolved with ${inspect(value)}`))
  )

export const query = { interval: "2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z" }

/** Requests of the API, and of the token endpoint. */
export const counts = (fake: FakeCloud.Service) =>
  Effect.map(fake.seen, ({ apiRequests, tokenRequests }) => [apiRequests, tokenRequests] as const)

export const api = { host: "api" } as const

/** Every way to print it shows no token, no secret, and no header that could hold one. */
export const noLeak = Effect.fnUntraced(function*(fake: FakeCloud.Service, value: unknown) {
  const shown = renderings(value) + inspect(value, { depth: Infinity, showHidden: true, getters: true })
  const secrets = [fake.clientSecret, ...(yield* fake.tokens)].map(Redacted.value)
  for (const secret of secrets) assert.isFalse(shown.includes(secret), `a secret is in ${shown.slice(0, 2000)}`)
  assert.notMatch(shown, /Bearer\s+(?!<redacted>)\S{20}|Basic\s+[A-Za-z0-9+/]{8}/)
})

export const reasonOf = <Tag extends GenesysError.CallError["_tag"]>(
  error: SdkBridge.SdkError,
  tag: Tag
): Extract<GenesysError.CallError, { readonly _tag: Tag }> => {
  assert.instanceOf(error, SdkBridge.SdkError)
  assert.strictEqual(error.reason._tag, tag, error.message)
  return error.reason as Extract<GenesysError.CallError, { readonly _tag: Tag }>
}

/** Waits for something that happens elsewhere, in real time, whoever's clock this is. */
export const eventually = <A>(effect: Effect.Effect<A>, holds: (a: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(effect, (a) => holds(a) ? Effect.succeed(a) : Effect.zipRight(moment, eventually(effect, holds)))

const real = (millis: number): Effect.Effect<void> =>
  Effect.async((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => clearTimeout(timer))
  })

const moment = real(5)

/** Some real time in which what should not happen could happen. */
export const meanwhile = real(50)

/** Lets the time of a `TestClock` pass, a tenth of a second at a time, until this has ended. */
export const ended = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    Fiber.poll(fiber),
    Option.match({
      onNone: () => Effect.zipRight(Effect.zipRight(TestClock.adjust("100 millis"), moment), ended(fiber)),
      onSome: (exit) => exit
    })
  )

/** {@link ended} of what begins now. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.fork(effect), ended)

/**
 * Lets the time of a `TestClock` pass, and then waits for the token that is asked for meanwhile, over real sockets. So
 * no time passes while a token is on its way, however slow the machine is.
 */
export const pass = (cloud: GenesysCloud.Service, time: Duration.DurationInput) =>
  Effect.zipRight(
    TestClock.adjust(time),
    eventually(TokenSource.status(cloud.tokens), ({ refreshing }) => !refreshing)
  )

export const made: Effect.Effect<TokenSource.With<TokenError.TokenError>> = TokenSource.make(() =>
  Effect.succeed(AccessToken.make({ value: "made-up-token" }))
)
