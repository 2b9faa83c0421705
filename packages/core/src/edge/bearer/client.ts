// The client that adds the token: which requests get one, and which token that is.
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Context_ from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as source_ from "../../lifecycle/source.js"
import { carriesHeadersAlong } from "../../values/runtime.js"
import type { InvalidConfiguration } from "../../values/TokenError.js"
import * as TokenRequest from "../../values/TokenRequest.js"
import * as OwnRequest from "../../wire/OwnRequest.js"
import { makeAuthorization } from "./authorization.js"
import type { Call, Context, Result } from "./context.js"
import { failWith } from "./context.js"
import { hidingInSpans } from "./hidingInSpans.js"
import * as minTtl from "./minTtl.js"
import * as misuse from "./misuse.js"
import * as options_ from "./options.js"
import { makeWithoutToken } from "./otherOrigins.js"
import * as overrides from "./overrides.js"
import * as redirects from "./redirects.js"
import { RenewalGuard } from "./renewalGuard.js"
import { attempt, send } from "./send.js"

/** See `BearerAuth.withBearer`. */
export const make = <E, R, E2, E3 = E2 | InvalidConfiguration>(
  self: HttpClient.HttpClient.With<E, R>,
  source: source_.With<E2>,
  options: options_.Options,
  onTokenError: Context<E, R, E2, E3>["onTokenError"]
): HttpClient.HttpClient.With<E | E3, R> => {
  const checked = options_.check(options)
  if (Either.isLeft(checked)) {
    return HttpClient.makeWith<never, never, E | E3, R>(
      Effect.flatMap((request) => failWith({ onTokenError }, checked.left, request)),
      Effect.succeed
    )
  }
  const hooks = source_.hooks(source)
  const byHand = carriesHeadersAlong()
  const context: Context<E, R, E2, E3> = {
    self,
    source,
    hooks,
    options,
    settings: checked.right,
    guard: new RenewalGuard(checked.right.renewInterval),
    authorization: makeAuthorization(),
    bearing: byHand ? OwnRequest.clientWithoutRedirects(self) : self,
    onTokenError,
    send: (call, token) => send(context, call, token),
    attempt: (call) => attempt(context, call)
  }
  const identity = overrides.makeClient(
    source,
    checked.right.origins.list,
    options.request === undefined ? hooks.defaults : TokenRequest.withDefaults(options.request, hooks.defaults)
  )
  return overrides.register(
    HttpClient.makeWith<never, never, E | E3, R>(
      Effect.flatMap(byHand ? redirects.following(makeStart(context, identity)) : makeStart(context, identity)),
      Effect.succeed
    ),
    identity
  )
}

/** Decides by the origin of a request, by its headers and by the overrides around it whether it gets a token. */
const makeStart = <E, R, E2, E3>(context: Context<E, R, E2, E3>, identity: overrides.Client) => {
  const { hooks, options: { onOtherOrigin, request: own }, self, settings: { origins } } = context
  const withoutToken = makeWithoutToken(context)
  const requestFor = makeRequestFor(own)
  let explained = false

  const start = (request: HttpClientRequest.HttpClientRequest): Result<E | E3, R> =>
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
        if (Either.isLeft(found)) return failWith(context, found.left, request)
        const { taken, what } = found.right
        if (taken !== undefined && !explained) {
          explained = true
          return Effect.zipRight(Effect.logWarning(taken), start(request))
        }
        if (what === "skip") return overrides.skipInside(self.execute(request))
        perCall = what
      }
      if (verdict === "relative") return failWith(context, misuse.relativeUrl(request), request)
      if (verdict === "other") {
        return onOtherOrigin === "fail"
          ? failWith(context, misuse.otherOrigin(request), request)
          : ownHeader
          ? self.execute(request)
          : withoutToken(request)
      }
      if (ownHeader) return self.execute(request)
      const call: Call = {
        request,
        tokenRequest: requestFor(perCall),
        demand: minTtl.current(fiber.currentContext),
        replayed: false,
        retries: 0
      }
      const token = call.demand === undefined
        ? hooks.peek(Context_.get(fiber.currentDefaultServices, Clock.Clock), call.tokenRequest)
        : undefined
      return hidingInSpans(fiber, token === undefined ? attempt(context, call) : send(context, call, token))
    })
  return start
}

/** The token request of a call: that of the client, with what the call asks for in its place. */
const makeRequestFor = (own: TokenRequest.TokenRequest | undefined) => {
  const merged = new WeakMap<TokenRequest.TokenRequest, TokenRequest.TokenRequest>()
  return (perCall: TokenRequest.TokenRequest | undefined): TokenRequest.TokenRequest | undefined => {
    if (perCall === undefined || own === undefined) return perCall ?? own
    let both = merged.get(perCall)
    if (both === undefined) merged.set(perCall, both = TokenRequest.withDefaults(perCall, own))
    return both
  }
}
