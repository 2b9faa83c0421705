/**
 * Hides a header that a client adds to a request (a token, a proof) when the request is shown. `BearerAuth` does so
 * with `Authorization`; this module is for clients that add another header.
 *
 * **Rule: every object that can be reached from an error is searched, and what cannot be searched is shown as a mask.**
 * Requests, responses, headers and other objects that hold the value get a rendering without it (`JSON.stringify`,
 * `inspect`, `String`), and the texts of errors are rewritten without it. Promises, iterators, objects that throw when
 * they are read, and lists of more than 5 000 members are only named. Data that a program may need stays as it is; a
 * frozen object is replaced by a copy. Only this one value is searched for.
 *
 * **Limits.** A request that succeeds keeps its headers: a console does not show the value in them, but
 * `JSON.stringify(request.headers)` gives it, because a client may send them so, and a request that the program makes
 * of this one shows it. `console.dir` and `console.table` of Node.js ignore the renderings of objects, and show the members
 * as they are: print with `console.log`. A text of more than 16 384 characters is searched for the value as it is and in percent codes,
 * and not in other encodings.
 *
 * @since 0.1.0
 */

import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import * as bearerConceal from "./bearer/conceal.js"
import * as hiding from "./bearer/hiding.js"

/**
 * A header whose value must never be shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Header {
  /** In lower case, as in `request.headers`. */
  readonly name: string
  /** As it was sent. */
  readonly value: Redacted.Redacted
}

/**
 * Leaves the header out of renderings of this request. Other clients may hide other headers of the same request.
 * `false` if the request has no such header, or is frozen.
 *
 * @since 0.1.0
 * @category combinators
 */
export const request: (self: HttpClientRequest.HttpClientRequest, name: string) => boolean = hiding.hideHeader

/**
 * The same for the request of a response; returns a copy of the response if the request is frozen.
 *
 * @since 0.1.0
 * @category combinators
 */
export const response = (
  self: HttpClientResponse.HttpClientResponse,
  { name, value }: Header
): HttpClientResponse.HttpClientResponse =>
  hiding.hideHeader(self.request, name) ? self : bearerConceal.concealResponse(self, Redacted.value(value), name)

/**
 * The cause with which a client failed or died, without the value of the header, in any encoding and even where only a
 * part of it is left. In an error that holds very many objects, only the nearest 5 000 are searched, and the others are shown as a mask.
 *
 * @example
 * ```ts
 * import { HttpClient, HttpClientRequest } from "@effect/platform"
 * import { Cause, Effect, Redacted } from "effect"
 * import { Concealment } from "effect-bearer"
 *
 * const withApiKey = (value: Redacted.Redacted) => <E, R>(self: HttpClient.HttpClient.With<E, R>) =>
 *   HttpClient.makeWith<never, never, E, R>(
 *     Effect.flatMap((request) =>
 *       Effect.catchAllCause(
 *         self.execute(HttpClientRequest.setHeader(request, "x-api-key", Redacted.value(value))),
 *         (cause: Cause.Cause<E>) => Effect.failCause(Concealment.cause(cause, { name: "x-api-key", value }))
 *       )
 *     ),
 *     Effect.succeed
 *   )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const cause = <E>(self: Cause.Cause<E>, { name, value }: Header): Cause.Cause<E> =>
  bearerConceal.concealCause(self, Redacted.value(value), name)
