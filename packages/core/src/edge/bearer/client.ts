// The client that adds the token, judges the response, and sends the request again after a 401.
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as source_ from "../../lifecycle/source.js"
import * as AccessToken from "../../values/AccessToken.js"
import * as Clocks from "../../values/Clocks.js"
import type { InvalidConfiguration } from "../../values/TokenError.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import * as conceal from "./conceal.js"
import * as hiding from "./hiding.js"
import * as misuse from "./misuse.js"
import * as options_ from "./options.js"
import * as Origins from "./origins.js"
import * as overrides from "./overrides.js"
import * as refusal from "./refusal.js"
import { RenewalGuard } from "./renewalGuard.js"
import * as replay from "./replay.js"

/** The state of one call, from one attempt to the next. */
interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly tokenRequest: TokenRequest.TokenRequest | undefined
  /** The names of headers to leave out of spans and logs; set if `authorization` is not among them already. */
  readonly redactedNames: ReadonlyArray<string | RegExp> | undefined
  /** Whether the one replay after a 401 has been made. */
  replayed: boolean
  retries: number
}

/** See `BearerAuth.withBearer`. */
export const make = <E, R, E2, E3 = E2 | InvalidConfiguration>(
  self: HttpClient.HttpClient.With<E, R>,
  source: source_.With<E2>,
  options: options_.Options,
  onTokenError: ((error: E2 | InvalidConfiguration, request: HttpClientRequest.HttpClientRequest) => E3) | undefined
): HttpClient.HttpClient.With<E | E3, R> => {
  type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, E | E3, R>

  const failWith = (error: InvalidConfiguration, request: HttpClientRequest.HttpClientRequest) =>
    Effect.fail(onTokenError === undefined ? error as E3 : onTokenError(error, request))

  const checked = options_.check(options)
  if (Either.isLeft(checked)) {
    return HttpClient.makeWith<never, never, E | E3, R>(
      Effect.flatMap((request) => failWith(checked.left, request)),
      Effect.succeed
    )
  }
  const { origins, renewInterval, replayDelay, throttling } = checked.right
  const { isAuthFailure, onOtherOrigin } = options
  const replayStreams = options.replayStreams === true
  const guard = new RenewalGuard(renewInterval)
  const hooks = source_.hooks(source)
  const authorization = makeAuthorization()
  const identity = overrides.makeClient(
    source,
    origins.list,
    options.request === undefined ? hooks.defaults : TokenRequest.withDefaults(options.request, hooks.defaults)
  )
  const bare = makeOnce()
  // told once
  let explained = false
  let declined = false

  const fromSource = (token: Effect.Effect<AccessToken.AccessToken, E2>, call: Call) =>
    (onTokenError === undefined
      ? token
      : Effect.mapError(token, (error) => onTokenError(error, call.request))) as Effect.Effect<
        AccessToken.AccessToken,
        E3
      >

  const merged = new WeakMap<TokenRequest.TokenRequest, TokenRequest.TokenRequest>()
  const requestFor = (perCall: TokenRequest.TokenRequest | undefined): TokenRequest.TokenRequest | undefined => {
    if (perCall === undefined || options.request === undefined) return perCall ?? options.request
    let both = merged.get(perCall)
    if (both === undefined) merged.set(perCall, both = TokenRequest.withDefaults(perCall, options.request))
    return both
  }

  const start = (request: HttpClientRequest.HttpClientRequest): Result =>
    Effect.withFiberRuntime((fiber) => {
      const override = overrides.current(fiber.currentContext)
      const verdict = origins.check(request.url)
      const ownHeader = "authorization" in request.headers
      let perCall: TokenRequest.TokenRequest | undefined
      if (
        override !== undefined &&
        (verdict === "allowed" ? !ownHeader : verdict === "relative" || onOtherOrigin === "fail")
      ) {
        const found = overrides.find(override, identity, request.url, verdict === "allowed")
        if (Either.isLeft(found)) return failWith(found.left, request)
        const { taken, what } = found.right
        if (taken !== undefined && !explained) {
          explained = true
          return Effect.zipRight(Effect.logWarning(taken), start(request))
        }
        if (what === "skip") return overrides.skipInside(self.execute(request))
        perCall = what
      }
      if (verdict === "relative") return failWith(misuse.relativeUrl(request), request)
      if (verdict === "other") {
        return onOtherOrigin === "fail"
          ? failWith(misuse.otherOrigin(request), request)
          : ownHeader
          ? self.execute(request)
          : withoutToken(request)
      }
      if (ownHeader) return self.execute(request)
      const call: Call = {
        request,
        tokenRequest: requestFor(perCall),
        redactedNames: hiding.missingName(fiber.getFiberRef(Headers.currentRedactedNames)),
        replayed: false,
        retries: 0
      }
      const token = hooks.peek(Context.get(fiber.currentDefaultServices, Clock.Clock), call.tokenRequest)
      return token === undefined ? attempt(call) : send(call, token)
    })

  const attempt = (call: Call): Result =>
    Effect.flatMap(fromSource(source.get(call.tokenRequest), call), (token) => send(call, token))

  /** A client may throw before there is an effect. */
  const execute = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<
    HttpClientResponse.HttpClientResponse,
    E,
    R
  > => {
    try {
      return self.execute(request)
    } catch (defect) {
      return Effect.die(defect)
    }
  }

  const send = (call: Call, token: AccessToken.AccessToken): Result => {
    const header = authorization(token)
    if (header === undefined) return failWith(misuse.illegalToken, call.request)
    // The replay takes this path too: from the caller's request, through all of `self`, with a header of its own.
    const request = HttpClientRequest.setHeader(call.request, "authorization", header)
    hiding.hide(request)
    const sent = execute(request)
    return Effect.matchCauseEffect(
      call.redactedNames === undefined ? sent : Effect.locally(sent, Headers.currentRedactedNames, call.redactedNames),
      {
        onSuccess: (answer) => {
          const response = hiding.hide(answer.request) ? answer : conceal.concealResponse(answer, header)
          if (response.request.url !== request.url && leaked(origins, response, header)) {
            return failWith(misuse.strayed(response), call.request)
          }
          // the common case is decided without another effect
          if (isAuthFailure === undefined && response.status !== 401 && !isThrottled(response)) {
            if (response.status < 400) guard.accepted(token)
            return Effect.succeed(response)
          }
          return judge(call, token, header, response, Effect.succeed(response))
        },
        onFailure: (shown) => {
          const cause = conceal.concealCause(shown, header)
          const failure = Cause.failureOption(cause)
          if (Option.isNone(failure) || !HttpClientError.isHttpClientError(failure.value)) {
            return Effect.failCause(cause)
          }
          const error = failure.value
          // an inner `filterStatusOk` turns a 401 into an error
          return error._tag === "ResponseError" && error.reason === "StatusCode"
            ? judge(call, token, header, error.response, Effect.failCause(cause))
            : Effect.failCause(cause)
        }
      }
    )
  }

  /** `outcome` is what the caller gets if nothing is repeated: the response, or the error that was made of it. */
  const judge = (
    call: Call,
    token: AccessToken.AccessToken,
    header: string,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result =>
    Effect.flatMap(
      refusal.isFromRecipient(response, call.request.url, header)
        ? refusal.judge(response, isAuthFailure)
        : Effect.succeed<refusal.Verdict>("fine"),
      (verdict) => {
        if (verdict === "refused") return recover(call, token, response, outcome)
        if (response.status < 400) guard.accepted(token)
        const next = isThrottled(response) ? retryLater(call, response, outcome) : outcome
        if (verdict === "fine" || declined) return next
        declined = true
        return Effect.zipRight(Effect.logInfo(misuse.declined(call.request)), next)
      }
    )

  const recover = (
    call: Call,
    token: AccessToken.AccessToken,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result =>
    Effect.flatMap(Clocks.now, (now) => {
      if (guard.holds(token, now) || (call.replayed && guard.isWatched(token, now))) {
        return Effect.zipRight(reportFresh(call, token, now), outcome)
      }
      if (call.replayed) return outcome
      if (!replay.isReplayable(call.request.body, replayStreams)) {
        return guard.mayInvalidate(call.tokenRequest ?? hooks.defaults, now)
          ? Effect.zipRight(source.invalidate(token, call.tokenRequest), outcome)
          : outcome
      }
      return Effect.flatMap(
        Effect.tapError(fromSource(source_.renewal(source, token, call.tokenRequest), call), () =>
          replay.drain(response)),
        (next) =>
          Effect.flatMap(Clocks.now, (now) => {
            if (AccessToken.isSame(next, token)) {
              return Effect.zipRight(reportFresh(call, next, now), outcome)
            }
            guard.renewed(next, now)
            call.replayed = true
            return replay.drain(response).pipe(
              Effect.zipRight(replayDelay > 0 ? Effect.sleep(replayDelay) : Effect.void),
              Effect.zipRight(Effect.suspend(() =>
                send(call, next)
              ))
            )
          })
      )
    })

  const keyOf = (request: TokenRequest.TokenRequest | undefined): string =>
    TokenRequest.hash(request === undefined ? hooks.defaults : TokenRequest.withDefaults(request, hooks.defaults))

  const reportFresh = (call: Call, token: AccessToken.AccessToken, now: Clocks.Now): Effect.Effect<void> =>
    Effect.suspend(() =>
      guard.refused(token, now)
        ? hooks.publish(TokenEvent.FreshTokenRejected({
          key: keyOf(call.tokenRequest),
          at: now.wall,
          origin: Origins.originOf(call.request.url) ?? ""
        }))
        : Effect.void
    )

  const isThrottled = (response: HttpClientResponse.HttpClientResponse): boolean =>
    throttling !== undefined && (response.status === 429 || response.status === 503)

  const retryLater = (
    call: Call,
    response: HttpClientResponse.HttpClientResponse,
    outcome: Result
  ): Result => {
    if (
      throttling === undefined || call.retries >= throttling.maxRetries ||
      !throttling.methods.has(call.request.method) || !replay.isReplayable(call.request.body, replayStreams)
    ) {
      return outcome
    }
    return Effect.flatMap(Effect.zip(Clock.currentTimeMillis, Random.next), ([wall, random]) => {
      const wait = replay.waitOf(response, throttling, { random, retries: call.retries, wall })
      if (wait === undefined) return outcome
      call.retries++
      return replay.drain(response).pipe(
        Effect.zipRight(Effect.sleep(wait)),
        Effect.zipRight(Effect.suspend(() => attempt(call)))
      )
    })
  }

  // -- requests to other origins -----------------------------------------------------------------------------------

  /** Sent as it is. A 401 in answer to it may mean that an origin is missing from the list. */
  const withoutToken = (request: HttpClientRequest.HttpClientRequest): Result =>
    Effect.tapBoth(self.execute(request), {
      onSuccess: (response) => missed(request, response),
      onFailure: (error) =>
        HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
          ? missed(request, error.response)
          : Effect.void
    })

  const missed = (
    request: HttpClientRequest.HttpClientRequest,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<void> => {
    const origin = Origins.originOf(request.url)
    if (
      response.status !== 401 || origin === undefined ||
      "authorization" in response.request.headers ||
      (refusal.originOfAnswer(response) ?? Origins.originOf(response.request.url)) !== origin || !bare(origin)
    ) {
      return Effect.void
    }
    return Effect.flatMap(Clock.currentTimeMillis, (at) =>
      hooks.publish(TokenEvent.SentWithoutToken({
        key: keyOf(options.request),
        at,
        origin,
        allowed: misuse.nearest(origin, origins.list)
      })))
  }

  return overrides.register(
    HttpClient.makeWith<never, never, E | E3, R>(Effect.flatMap(start), Effect.succeed),
    identity
  )
}

const legal = /^[!-~]+ [!-~]+$/

/**
 * Gives the header for a token, or `undefined` for a token that cannot be put in a header: HTTP clients quote such a
 * value in their errors. Tokens are long, so each is checked only once; the result is forgotten with the token.
 */
const makeAuthorization = () => {
  const headers = new WeakMap<AccessToken.AccessToken, string>()
  return (token: AccessToken.AccessToken): string | undefined => {
    const known = headers.get(token)
    if (known !== undefined) return known
    const type = token.tokenType
    const scheme = type === "Bearer" || type.toLowerCase() === "bearer" ? "Bearer" : type
    const header = `${scheme} ${Redacted.value(token.value)}`
    if (!legal.test(header)) return undefined
    headers.set(token, header)
    return header
  }
}

/**
 * A function that is true the first time for each name. It remembers `capacity` names; a name that was pushed out
 * counts as new.
 */
const makeOnce = (capacity = 100) => {
  const known = new Set<string>()
  return (name: string): boolean => {
    if (known.has(name)) return false
    if (known.size >= capacity) {
      for (const oldest of known) {
        known.delete(oldest)
        break
      }
    }
    known.add(name)
    return true
  }
}

/** Whether the inner client took the header to an origin that is not allowed. */
const leaked = (
  origins: Origins.Origins,
  response: HttpClientResponse.HttpClientResponse,
  header: string
): boolean => origins.check(response.request.url) === "other" && response.request.headers["authorization"] === header
