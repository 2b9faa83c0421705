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
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { AccessToken } from "effect-bearer/AccessToken"
import * as BearerAuth from "effect-bearer/BearerAuth"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import type { TokenEvent } from "effect-bearer/TokenEvent"
import * as TokenSource from "effect-bearer/TokenSource"
import * as GenesysCloud from "./GenesysCloud.js"
import * as GenesysError from "./GenesysError.js"
import * as client from "./internal/client.js"
import * as disclosures from "./internal/disclosure.js"
import * as refusal from "./internal/refusal.js"
import * as transport from "./internal/transport.js"
import * as rateGate from "./rate/gate.js"
import * as Region from "./Region.js"
import type { SdkHttpClient, SdkRequest } from "./sdk/contract.js"
import { SdkError } from "./sdk/error.js"
import * as sdkExchange from "./sdk/exchange.js"
import * as sdkHttpClient from "./sdk/httpClient.js"

// ---------------------------------------------------------------------------------------------------------------
// the SDK
// ---------------------------------------------------------------------------------------------------------------

/**
 * What of the SDK's `ApiClient` is needed here. `platformClient.ApiClient.instance` is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApiClient {
  readonly config: SdkConfiguration
  setEnvironment(environment: string): void
  setAuthData(authData: {
    readonly accessToken: string
    readonly tokenExpiryTime: number
    readonly tokenExpiryTimeString: string
  }): void
  clearAccessToken(): void
  getHttpClient(): SdkHttpClient
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the SDK asks for an instance of a class of its own
  setHttpClient(httpClient: any): void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SdkConfiguration {
  basePath: string
  authUrl: string
  readonly logger: object
  getConfUrl(pathType: string, regionUrl: string): string
}

export type { SdkHttpClient, SdkRequest } from "./sdk/contract.js"

// ---------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------

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

// ---------------------------------------------------------------------------------------------------------------
// the token that the SDK shows
// ---------------------------------------------------------------------------------------------------------------

/** Where code that looks into the SDK, rather than calling it, sees the current token: `apiClient.authData`. */
const makeWindow = (apiClient: ApiClient) => {
  let isOpen = false
  let token: AccessToken | undefined
  let shown: string | undefined
  const display = () => {
    if (!isOpen || token === undefined) return
    const value = Redacted.value(token.value)
    if (value === shown) return
    shown = value
    const expiry = Option.getOrElse(token.expiresAt, () => 0)
    apiClient.setAuthData({
      accessToken: value,
      tokenExpiryTime: expiry,
      tokenExpiryTimeString: expiry > 0 && expiry <= 8.64e15 ? new Date(expiry).toUTCString() : ""
    })
  }
  return {
    show: (next: AccessToken) =>
      Effect.sync(() => {
        token = next
        display()
      }),
    /** Whether a request carries what is shown here, rather than something of its own. */
    isShown: (authorization: string | undefined) => shown !== undefined && authorization === `Bearer ${shown}`,
    open: () => {
      isOpen = true
      display()
    },
    close: () => {
      isOpen = false
      token = shown = undefined
      apiClient.clearAccessToken()
    }
  }
}

type Show = (token: AccessToken) => Effect.Effect<void>

const showCurrent = (tokens: TokenSource.With<unknown>, show: Show): Effect.Effect<void> =>
  Effect.flatMap(
    TokenSource.status(tokens),
    ({ token }) => Option.match(token, { onNone: () => Effect.void, onSome: show })
  )

/** Requests get their token from the source; this is for those who look at what is shown, and send no request. */
const follow = (tokens: TokenSource.With<unknown>, show: Show, event: TokenEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "TokenAcquired":
    case "TokenShared":
      return showCurrent(tokens, show)
    // no longer served, or no longer renewed: asking for it mends both
    case "TokenRejected":
    case "TokenInactive":
    case "KeyForgotten":
      return Effect.ignore(tokens.get())
    default:
      return Effect.void
  }
}

// ---------------------------------------------------------------------------------------------------------------
// the SDK's settings
// ---------------------------------------------------------------------------------------------------------------

const connected = new WeakSet<ApiClient>()

const claim = (apiClient: ApiClient): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    if (connected.has(apiClient)) {
      return Effect.fail(
        new TokenError.InvalidConfiguration({
          fields: ["apiClient"],
          detail: "it is connected already. Each organization needs an ApiClient of its own: new ApiClientClass()."
        })
      )
    }
    connected.add(apiClient)
    return Effect.void
  })

const pointAt = (apiClient: ApiClient, region: Region.Region): void => {
  apiClient.setEnvironment(region.environment)
  // a custom region can have hosts of other names
  apiClient.config.basePath = region.apiUrl
  apiClient.config.authUrl = region.loginUrl
}

/** Behind a gateway, the SDK reaches the API at another origin: that is where the token may go then. */
const gatewayOf = (
  config: SdkConfiguration,
  region: Region.Region
): Effect.Effect<Region.Region, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    const url = config.getConfUrl("api", region.apiUrl)
    if (url === region.apiUrl) return Effect.succeed(region)
    const origin = URL.canParse(url) ? new URL(url).origin : url
    return Region.custom({ loginUrl: region.loginUrl, apiUrl: origin })
  })

// ---------------------------------------------------------------------------------------------------------------
// one request
// ---------------------------------------------------------------------------------------------------------------

const makePerform = ({ api, apiUrl, inner, isShown, logger }: {
  readonly api: ReturnType<typeof client.make>
  /** The origin that may see the token. */
  readonly apiUrl: string
  readonly inner: SdkHttpClient
  readonly isShown: (authorization: string | undefined) => boolean
  readonly logger: object
}) =>
(options: SdkRequest): Effect.Effect<unknown, SdkError> =>
  Effect.suspend(() => {
    const exchange = sdkExchange.start(options)
    const authorization = sdkExchange.headerOf(options, "authorization")
    const ours = isShown(authorization)
    const request = sdkExchange.requestOf(options, ours ? undefined : authorization)
    const call = Effect.provideService(api.execute(request), sdkExchange.Current, exchange)
    return (ours ? call : BearerAuth.skip(call)).pipe(
      Effect.zipRight(Effect.suspend(() => judge(exchange, request))),
      Effect.mapError((error) => {
        const reason = explain(error, { apiUrl, exchange, inner, ours })
        return new SdkError(reason, exchange)
      }),
      Effect.tapError((error) => Effect.sync(() => log(logger, options, error)))
    )
  })

/** The span around `connect` has ended long before most calls. */
const withoutParent = Effect.mapInputContext(Context.omit(Tracer.ParentSpan)) as <A, E>(
  self: Effect.Effect<A, E>
) => Effect.Effect<A, E>

/** What was known of the API, said for the SDK. */
const explain = (error: GenesysError.CallError, { apiUrl, exchange, inner, ours }: {
  readonly apiUrl: string
  readonly exchange: sdkExchange.Exchange
  readonly inner: SdkHttpClient
  readonly ours: boolean
}): GenesysError.CallError => {
  switch (error._tag) {
    case "ApiUnreachable":
      return exchange.timedOut ? transport.timedOut(error, Duration.millis(inner.timeout)) : error
    case "ApiError":
      // advice on a token that was not involved
      return ours ? error : new GenesysError.ApiError({ ...error, advice: Option.none() })
    case "InvalidConfiguration":
      return exchange.secrets.length > 0 || error.fields[0] !== "url" ? error : new TokenError.InvalidConfiguration({
        fields: ["environment"],
        detail:
          `the SDK calls another host now than ${apiUrl}, which the token is for. Was setEnvironment or setGateway ` +
          "called after connecting, or has the configuration file of the SDK changed?"
      })
    default:
      return error
  }
}

/** By itself the SDK writes only errors that look like one of Axios to its log. Its types do not tell of `log`. */
const log = (logger: object, options: SdkRequest, { body, headers, status }: SdkError): void => {
  if (status === undefined || !Predicate.hasProperty(logger, "log") || !Predicate.isFunction(logger.log)) return
  const requestHeaders = sdkExchange.withoutAuthorization(options)
  try {
    logger.log("error", status, options.method, options.url, requestHeaders, headers, options.data, body)
  } catch {
    // there are bodies that it cannot write
  }
}

/** What the SDK would take for a success, and its caller would stumble over. */
const judge = (
  { answer, options, reply, secrets }: sdkExchange.Exchange,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<unknown, GenesysError.UnexpectedReply> => {
  const contentType = reply?.headers["content-type"] ?? ""
  const isPage = typeof reply?.data === "string" && /html/i.test(contentType) &&
    !/html/i.test(sdkExchange.headerOf(options, "accept") ?? "")
  const detail = isPage
    ? "an HTML page, so it came from a proxy, a firewall or a login page"
    : reply?.status === 304
    ? "it has not been modified, and holds nothing"
    : isJson.test(contentType) && isBrokenJson(reply?.data)
    ? "its JSON breaks off, or is none"
    : undefined
  if (reply === undefined || detail === undefined) return Effect.succeed(answer)
  const disclosure = disclosures.make(secrets)
  return Effect.fail(
    new GenesysError.UnexpectedReply({
      ...transport.target(request),
      status: reply.status,
      contentType: disclosure.strict(contentType, 100),
      detail,
      correlationId: refusal.correlationId(Headers.fromInput(reply.headers), disclosure)
    })
  )
}

/** Not what has a JSON on each line. */
const isJson = /^\s*application\/([\w.-]+\+)?json\s*(;|$)/i

/**
 * What an HTTP client of the SDK cannot parse it hands on as text. So it does with JSON that is a string, which is not
 * mistaken for an object or a list that is broken unless it begins like one.
 */
const isBrokenJson = (data: unknown): boolean =>
  typeof data === "string" && /^\s*[{[]/.test(data) && Option.isNone(parse(data))

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** The SDK waits for a promise: one that is rejected with nothing but an {@link SdkError}. */
const promiseOf = (fiber: Fiber.RuntimeFiber<unknown, SdkError>, request: SdkRequest): Promise<unknown> =>
  new Promise((resolve, reject) =>
    fiber.addObserver(Exit.match({
      onSuccess: resolve,
      onFailure: (cause) => reject(Option.getOrElse(Cause.failureOption(cause), () => ended(cause, request)))
    }))
  )

const ended = (cause: Cause.Cause<SdkError>, request: SdkRequest): SdkError => {
  const target = transport.target(request)
  const secrets = [sdkExchange.headerOf(request, "authorization")?.replace(/^\S+ +/, "") ?? ""]
  return new SdkError(
    Cause.isInterruptedOnly(cause)
      ? new GenesysError.ApiUnreachable({
        ...target,
        code: Option.none(),
        detail: "the bridge was closed, or the call was interrupted"
      })
      : transport.unreachable(target, Cause.squash(cause), disclosures.make(secrets)),
    { secrets: [] }
  )
}
