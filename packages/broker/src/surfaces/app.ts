/**
 * `BrokerApi`, served: each endpoint with its surface. Surfaces give whole answers, because what they answer is more than a
 * body: headers, empty answers, streams, and errors in the form of RFC 6749. The files of the pages lie beside the API.
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Disclosure from "effect-bearer/Disclosure"
import { BrokerApi } from "../BrokerApi.js"
import type { Ask } from "../guard/guard.js"
import { Asking } from "../guard/guard.js"
import { badRequest, headers, refuse, toResponse } from "../guard/refusal.js"
import type { Assets } from "../page/assets.js"
import * as inject from "./inject.js"
import * as oauthToken from "./oauthToken.js"
import type { Operations } from "./operations.js"
import * as operations from "./operations.js"
import * as profileToken from "./profileToken.js"
import type { Answer, Serving } from "./serving.js"
import { refusing } from "./serving.js"
import * as tokenCheck from "./tokenCheck.js"
import * as tokenStream from "./tokenStream.js"

export interface Options {
  readonly serving: Serving
  readonly operations: Operations
  readonly limits: () => tokenCheck.Limits
  readonly assets: Assets
}

/** What serves a request that the guard has let pass. */
export type App = Effect.Effect<
  Answer,
  never,
  HttpServerRequest.HttpServerRequest | HttpRouter.HttpRouter.DefaultServices
>

export const make = (
  options: Options
): Effect.Effect<(ask: Ask, request: HttpServerRequest.HttpServerRequest) => App> =>
  Effect.map(
    Effect.provide(HttpApiBuilder.httpApp, api(options)),
    (served) => (ask, request): App => {
      switch (ask.route.kind) {
        // what nearly every request is for goes to its surface at once; the rest by the router of the API
        case "oauth2":
          return whole(oauthToken.answer(options.serving, ask), ask)
        case "check":
          return whole(tokenCheck.answer(options.serving, ask, request, options.limits()), ask)
        case "inject":
          return whole(inject.answer(options.serving, ask), ask)
        case "asset":
          return asset(options.assets)
        default:
          return Effect.provideService(served, Asking, ask)
      }
    }
  )

/**
 * A bug of the broker is told in its log, by the name of the error, and to the caller as no more than that. The server answers
 * in a region that nothing interrupts; a surface has waits that end.
 */
const whole = <R>(answer: Effect.Effect<Answer, never, R>, ask: Ask): Effect.Effect<Answer, never, R> =>
  Effect.catchAllDefect(Effect.interruptible(answer), (defect) =>
    Effect.as(
      Effect.logError(`A bug of the broker: ${Disclosure.errorName(defect)} on the surface ${ask.route.kind}`),
      toResponse(refuse.defect, ask.route)
    ))

const asking = <R>(answer: (ask: Ask) => Effect.Effect<Answer, never, R>) => () =>
  Effect.flatMap(Asking, (ask) => whole(answer(ask), ask))

const api = ({ limits, operations: operate, serving }: Options) => {
  const tokens = HttpApiBuilder.group(BrokerApi, "tokens", (handlers) =>
    handlers
      .handleRaw("oauth2", asking((ask) => oauthToken.answer(serving, ask)))
      .handleRaw(
        "check",
        asking((ask) =>
          Effect.flatMap(
            HttpServerRequest.HttpServerRequest,
            (request) => tokenCheck.answer(serving, ask, request, limits())
          )
        )
      )
      .handleRaw("inject", asking((ask) => inject.answer(serving, ask)))
      .handleRaw("token", asking((ask) => profileToken.answer(serving, ask)))
      .handleRaw("tokens", asking((ask) => tokenStream.answer(serving, ask))))
  const others = HttpApiBuilder.group(BrokerApi, "operations", (handlers) =>
    handlers
      .handleRaw("live", asking(() => operations.live))
      .handleRaw("ready", asking(() => operations.ready(operate)))
      .handleRaw(
        "metrics",
        asking((ask) => operations.permitted(operate, ask, "metrics", operations.metrics(operate)))
      )
      .handleRaw("status", asking((ask) => operations.permitted(operate, ask, "status", operations.status(operate))))
      .handleRaw(
        "statusEvents",
        asking((ask) => operations.permitted(operate, ask, "status", operations.statusEvents(operate, ask)))
      ))
  return HttpApiBuilder.api(BrokerApi).pipe(
    Layer.provide([tokens, others]),
    Layer.provideMerge(undecodable(serving)),
    Layer.provideMerge(Layer.merge(HttpApiBuilder.Router.Live, HttpApiBuilder.Middleware.layer))
  )
}

/** What the API cannot read is described, not quoted. */
const undecodable = (serving: Serving) =>
  HttpApiBuilder.middleware((app) =>
    Effect.catchIf(
      app as Effect.Effect<Answer, unknown, Effect.Effect.Context<typeof app>>,
      (error) => (error as { readonly _tag?: unknown })._tag === "HttpApiDecodeError",
      () =>
        Effect.flatMap(Asking, (ask) =>
          refusing(
            serving,
            ask,
            badRequest(
              "A parameter of the request has a form that its path does not take: min_ttl is a whole number of seconds."
            ),
            ask.route.profile
          ))
    ) as typeof app
  )

const openApi = HttpServerResponse.unsafeJson(OpenApi.fromApi(BrokerApi), { headers })

const asset = (assets: Assets): Effect.Effect<Answer, never, HttpServerRequest.HttpServerRequest> =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) => {
    const path = url.split("?")[0]!
    return path === "/openapi.json" ? openApi : assets.get(path) ?? toResponse(refuse.path, { kind: "asset" })
  })
