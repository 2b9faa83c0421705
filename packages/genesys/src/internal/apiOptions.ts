// The options of every client of the API; published by GenesysCloud.
import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"
import type * as GenesysError from "../GenesysError.js"

/**
 * How calls of the API behave. All optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApiOptions {
  /**
   * The time of one exchange, from sending to the last byte. Waiting for a token, for a rate limit and between attempts
   * does not count. When it runs out, the call fails and is not sent again; the body of a response that was handed out fails to be read,
   * with a `ResponseError`. For who reads its `stream`, this is the limit for each piece, so a long download needs no
   * other limit. Default 5 seconds; `Infinity` for none.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * When a call is sent again after the API said "later": a 429 for every call, a 5xx only for calls that read. Default
   * `RetryPolicy.exponentialJitter({ base: "500 millis", maxRetries: 3 })`, in which a `Retry-After` is a minimum;
   * `false` for never, and then a call does not wait for a rate limit that others have met, either.
   */
  readonly retry?: Schedule.Schedule<unknown, GenesysError.Transient> | false | undefined
  /**
   * The longest a call waits for a rate limit, whether it was asked to itself or others were. If it had to wait longer,
   * it fails at once with `ApiRateLimited`, whose `retryAt` says when to come back. Default 3 minutes, at most 7 days;
   * 0 never waits.
   *
   * A 429 is waited for by all calls that use the same tokens (those of a connected SDK, too): they are not sent
   * meanwhile. So is the end of the minute, once the `inin-ratelimit-*` headers of an answer say that it is used up.
   * Then calls leave in the order in which they came, a little apart, and no more than the headers allow. Before the API
   * has said anything of a limit, none fails for one: five go ahead, and the others wait for an answer, for a second at
   * most.
   *
   * A limit of one call of the API holds up that call only, whatever its ids: a limit that is named so, that is met while
   * the token has something left, or that takes longer than the two minutes that a limit of the token could. Where the
   * API says nothing of that, all wait.
   *
   * @example
   * ```ts
   * import { GenesysCloud, Users } from "@effect-bearer/genesys"
   * import { Effect } from "effect"
   *
   * // a job in the night has time
   * const patient = GenesysCloud.layerConfig({ api: { maxRetryAfter: "30 minutes" } })
   *
   * const all = (ids: ReadonlyArray<string>) =>
   *   Effect.forEach(ids, (id) => Users.get(id), { concurrency: "unbounded" }).pipe(
   *     Effect.catchTag("ApiRateLimited", (error) => Effect.fail(error.retryAt)) // epoch milliseconds
   *   )
   * ```
   */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Waited, at least and by all, after a 429 that does not say how long. Default 10 seconds, at most 7 days. */
  readonly defaultRetryAfter?: Duration.DurationInput | undefined
}
