/**
 * What a span of a request may say. `HttpServer` makes one for each, with its address and its headers; a caller that puts
 * its key there by mistake would find it in the traces.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import { routeOf } from "../guard/route.js"

/** All headers but those whose values say nothing about anybody. */
const redacted = /^(?!(content-length|content-type|retry-after|x-effect-bearer)$)/

/** An address that is none of the API's, or has more in it than the API takes, gets no span. */
const isOdd = ({ method, url }: HttpServerRequest.HttpServerRequest): boolean =>
  routeOf(method, url).refusal !== undefined || !/^[^?]*(\?min_ttl=\d{0,7})?$/.test(url)

export const discreet = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.locally(HttpMiddleware.currentTracerDisabledWhen, isOdd),
    Effect.locally(Headers.currentRedactedNames, [redacted])
  )
