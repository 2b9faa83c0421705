/**
 * The broker makes no span of a request: `HttpServer` would put address and headers into it, where a key may stand by mistake,
 * and it would cost as much as the answer. Metrics and the audit tell of requests; token requests have spans of their own.
 */
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as Effect from "effect/Effect"

export const discreet = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.locally(effect, HttpMiddleware.currentTracerDisabledWhen, () => true)
