/**
 * Drives the official JavaScript SDK, `purecloud-platform-client-v2`: its calls carry the token of this package, for as
 * long as the scope lives.
 *
 * | what happens | the SDK by itself, with client credentials | with a bridge |
 * |---|---|---|
 * | the token expires | every call fails from then on | replaced in good time; nobody notices |
 * | the token is revoked: 401 | every call fails from then on | renewed once for all calls; each is sent once more |
 * | 429 | rejected | waited for as told, by all calls, then sent again |
 * | 502, 503, 504… | rejected | a call that reads is sent again |
 * | a timeout, a broken connection | rejected with an error that prints the token | rejected; never sent again |
 * | an answer that breaks off | rejected with `undefined` | rejected; never sent again |
 * | an HTML page with status 200, or JSON that is none | resolved with its text | rejected |
 * | anything rejected | a plain object, text, `undefined`, or an Axios error | an {@link SdkError}, without credentials |
 *
 * The SDK stays as it is: its timeout, proxy agent, mTLS, gateway, hooks and logger work as before. It is handed in, and
 * nothing here imports it.
 *
 * **Gotchas**
 *
 * - Set an HTTP client or `apiClient.timeout` of your own before connecting: what `setHttpClient` brings in afterwards
 *   is not seen here.
 * - Leave the logins of the SDK alone. A request with an `Authorization` of your own is sent as it is, and its 401 is
 *   not recovered.
 * - The SDK reads a configuration file (`~/.genesyscloudjavascript/config`), and when that changes it goes back to the
 *   region the file names, or to its default one. Calls then fail with `InvalidConfiguration`: the token goes to the
 *   region it is for, and nowhere else.
 * - Hooks (`setPreHook`, `setPostHook`) see the request with its token. What they print is theirs.
 *
 * @since 0.1.0
 */

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AccessToken } from "effect-bearer/AccessToken"
import * as Settings from "effect-bearer/Settings"
import type * as TokenError from "effect-bearer/TokenError"
import * as TokenSource from "effect-bearer/TokenSource"
import * as GenesysCloud from "./GenesysCloud.js"
import * as GenesysError from "./GenesysError.js"
import * as client from "./internal/client.js"
import * as rateGate from "./rate/gate.js"
import * as Region from "./Region.js"
import { claim, connected, gatewayOf, pointAt } from "./sdk/connection.js"
import type { ApiClient, SdkRequest } from "./sdk/contract.js"
import { SdkError } from "./sdk/error.js"
import * as sdkExchange from "./sdk/exchange.js"
import * as sdkHttpClient from "./sdk/httpClient.js"
import { makePerform, promiseOf, withoutParent } from "./sdk/perform.js"
import { follow, makeWindow, showCurrent } from "./sdk/window.js"

export type { ApiClient, SdkConfiguration, SdkHttpClient, SdkRequest } from "./sdk/contract.js"

/**
 * How calls of the SDK behave; all optional. See `GenesysCloud.ApiOptions`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<GenesysCloud.ApiOptions, "timeout"> {
  /**
   * The time of one exchange, from sending to the last byte. Default: none but the SDK's own, which ends a connection
   * that has been silent for 16 seconds.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * What {@link make} needs: whose tokens, and where they are good.
 *
 * @since 0.1.0
 * @category models
 */
export interface MakeOptions extends Options {
  readonly region: Region.Input
  readonly tokens: TokenSource.With<TokenError.TokenError>
}

/**
 * A connected SDK.
 *
 * @since 0.1.0
 * @category models
 */
export interface SdkBridge<out Api> {
  /** The one that was handed in: what the constructors of the SDK take. */
  readonly apiClient: Api
  /**
   * Runs an SDK call as an effect, with the errors of this package.
   *
   * Calls made with the `api` it gives belong to the effect: when that is interrupted they are not waited for, and not
   * sent again. An exchange that is under way already comes to its end unseen, for the SDK cannot cancel one.
   *
   * What is rejected without the SDK having been asked is a defect, a missing parameter excepted: that is an
   * `InvalidCall`.
   */
  readonly call: <A>(evaluate: (api: Api) => PromiseLike<A>) => Effect.Effect<A, GenesysError.CallError>
}

export {
  /**
   * What an SDK call is rejected with while a bridge is connected: an `Error` with the members that users of the SDK
   * look for, and none of the request.
   *
   * @since 0.1.0
   * @category errors
   */
  SdkError
} from "./sdk/error.js"

/**
 * The typed error in what a promise of the SDK was rejected with, for programs that keep their promises.
 *
 * @example
 * ```ts
 * import { SdkBridge } from "@effect-bearer/genesys"
 * import { Option } from "effect"
 *
 * declare const users: { getUser(id: string): Promise<{ name?: string }> }
 *
 * const name = (id: string) =>
 *   users.getUser(id).then((user) => user.name, (rejected) => {
 *     const error = SdkBridge.errorOf(rejected)
 *     if (Option.exists(error, (error) => error._tag === "ApiError" && error.status === 404)) return undefined
 *     throw rejected
 *   })
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const errorOf = (rejected: unknown): Option.Option<GenesysError.CallError> => {
  if (rejected instanceof SdkError) return Option.some(rejected.reason)
  const missing = typeof rejected === "string" ? missingParameter.exec(rejected) : null
  return missing === null
    ? Option.none()
    : Option.some(new GenesysError.InvalidCall({ field: missing[1]!, detail: `${missing[2]} needs it` }))
}

/** The SDK throws this, as a string, before there is a promise. */
const missingParameter = /^Missing the required parameter "(\w{1,100})" when calling (\w{1,100})/

/**
 * Connects an `ApiClient` of the SDK to {@link GenesysCloud.GenesysCloud}, until the scope closes. Then its token is
 * removed, calls still under way are rejected, and the SDK is what it was before.
 *
 * It waits for the first token, and fails if there is none to be had. An `ApiClient` has one bridge at a time.
 *
 * @example
 * ```ts
 * import { GenesysCloud, SdkBridge } from "@effect-bearer/genesys"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 * import platformClient from "purecloud-platform-client-v2"
 *
 * const program = Effect.gen(function*() {
 *   const sdk = yield* SdkBridge.connect(platformClient.ApiClient.instance)
 *
 *   // as an effect, with typed errors
 *   const user = yield* sdk.call((api) => new platformClient.UsersApi(api).getUser("42"))
 *
 *   // or anywhere else, as ever: new platformClient.UsersApi().getUser("42").then(…)
 *   return user.name
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(GenesysCloud.layerConfig().pipe(Layer.provide(FetchHttpClient.layer)))
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const connect = <Api extends ApiClient>(
  apiClient: Api,
  options: Options = {}
): Effect.Effect<SdkBridge<Api>, TokenError.TokenError, GenesysCloud.GenesysCloud | Scope.Scope> =>
  Effect.flatMap(
    GenesysCloud.GenesysCloud,
    ({ region, tokens }) => make(apiClient, { ...options, region, tokens })
  )

/**
 * {@link connect} with a region and any source of tokens.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Api extends ApiClient>(
  apiClient: Api,
  options: MakeOptions
): Effect.Effect<SdkBridge<Api>, TokenError.TokenError, Scope.Scope> =>
  Effect.gen(function*() {
    const region = yield* Region.parse(options.region)
    yield* Settings.report(client.problems(options))
    const window = makeWindow(apiClient)
    // whoever gets a token through this source, the SDK has it from then on
    const tokens = TokenSource.transform((token: Effect.Effect<AccessToken, TokenError.TokenError>) =>
      Effect.tap(token, window.show)
    )(options.tokens)
    yield* tokens.get()
    const reached = yield* gatewayOf(apiClient.config, region)

    // What can fail is done. All that follows is undone in the opposite order: the token is gone before the requests are.
    yield* Effect.acquireRelease(claim(apiClient), () => Effect.sync(() => void connected.delete(apiClient)))
    const requests = yield* FiberSet.make<unknown, SdkError>()
    const run = yield* FiberSet.runtime(requests)()
    const inner = apiClient.getHttpClient()
    const perform = makePerform({
      api: client.make(sdkExchange.makeClient(inner), tokens, reached, {
        ...options,
        timeout: options.timeout === undefined ? Duration.infinity : options.timeout
      }, rateGate.of(options.tokens)),
      apiUrl: reached.apiUrl,
      inner,
      isShown: window.isShown,
      logger: apiClient.config.logger
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const bridged = sdkHttpClient.intercept(
          inner,
          (request: SdkRequest) => promiseOf(run(withoutParent(perform(request))), request)
        )
        pointAt(apiClient, region)
        apiClient.setHttpClient(bridged)
        window.open()
        return bridged
      }),
      (bridged) =>
        Effect.sync(() => {
          window.close()
          if (apiClient.getHttpClient() === bridged) apiClient.setHttpClient(inner)
        })
    )
    const events = yield* TokenSource.subscribe(tokens)
    yield* showCurrent(tokens, window.show).pipe(
      Effect.zipRight(Stream.runForEach(events, (event) => follow(tokens, window.show, event))),
      Effect.interruptible,
      Effect.forkScoped
    )

    const call = <A>(evaluate: (api: Api) => PromiseLike<A>): Effect.Effect<A, GenesysError.CallError> =>
      // with the context of the caller: a span of theirs is the parent of what happens in here
      Effect.flatMap(FiberSet.runtime(requests)(), (run) => {
        const started: Array<Fiber.RuntimeFiber<unknown, SdkError>> = []
        const own = sdkHttpClient.intercept(inner, (request: SdkRequest) => {
          const fiber = run(perform(request))
          started.push(fiber)
          return promiseOf(fiber, request)
        })
        const api: Api = Object.create(apiClient, { getHttpClient: { value: () => own } })
        return Effect.tryPromise({ try: () => evaluate(api), catch: (rejected) => rejected }).pipe(
          Effect.catchAll((rejected) =>
            Option.match(errorOf(rejected), { onNone: () => Effect.die(rejected), onSome: Effect.fail })
          ),
          Effect.ensuring(Effect.suspend(() => Fiber.interruptAll(started)))
        )
      })

    return { apiClient, call }
  })
