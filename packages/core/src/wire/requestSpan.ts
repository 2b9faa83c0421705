// The span around a request to an authorization server.
import * as Effect from "effect/Effect"
import type * as TokenError from "../values/TokenError.js"
import * as Disclosure from "./Disclosure.js"

/** A span that shows where a request went and how it ended, without any of its content. */
export const traced =
  (name: string, url: URL, attributes: Readonly<Record<string, string>> = {}) =>
  <A, R>(self: Effect.Effect<A, TokenError.RequestError, R>): Effect.Effect<A, TokenError.RequestError, R> =>
    self.pipe(
      Effect.tapError((error) =>
        Effect.annotateCurrentSpan("oauth.error", error._tag === "OAuthError" ? error.error : error._tag)
      ),
      Disclosure.withSpan(name, {
        kind: "client",
        captureStackTrace: false,
        attributes: { ...attributes, "server.address": url.hostname }
      })
    ) as Effect.Effect<A, TokenError.RequestError, R>
