// The options of `BearerAuth`, and their checks.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { bearer, throttled } from "../../values/settingRanges.js"
import * as Settings from "../../values/Settings.js"
import type { InvalidConfiguration } from "../../values/TokenError.js"
import type { TokenRequest } from "../../values/TokenRequest.js"
import * as Origins from "./origins.js"

/** Judges a response, with or without an effect. */
export type Judge = (response: HttpClientResponse.HttpClientResponse) => boolean | Effect.Effect<boolean>

/** See `BearerAuth.Options`. */
export interface Options {
  /**
   * Where the token may go: scheme, host and port, compared exactly. Plain `http:` is accepted for loopback, and for
   * what {@link Options.plainHttpOrigins} names. A list that cannot work (an entry with a path, a wildcard, user info)
   * makes every call of the client fail with `InvalidConfiguration`, and nothing is sent.
   */
  readonly origins: NonEmptyReadonlyArray<string | URL>
  /**
   * Origins with the scheme `http:` that the token may go to as well, for example
   * `["http://billing.mesh.local:8080"]`. The token travels unencrypted up to whatever encrypts it: name only origins
   * that are reached through a service mesh, a sidecar or another network that you trust. Each one is named: there is
   * no switch for all of them. Default: none.
   */
  readonly plainHttpOrigins?: ReadonlyArray<string | URL> | undefined
  /**
   * A request to any other origin is sent without a token (`"untouched"`, the default), or not at all: it fails with
   * `InvalidConfiguration` (`"fail"`). Where an origin answers 401 to a request without a token, the event
   * `SentWithoutToken` says so, once for each origin.
   */
  readonly onOtherOrigin?: "untouched" | "fail" | undefined
  /** Which token this client asks the source for. `BearerAuth.withRequest` overrides it per call. */
  readonly request?: TokenRequest | undefined
  /**
   * Decides which responses mean "this token is not accepted", for servers that say so with a 403 or in the body of a
   * 200. It is the whole rule, so combine it with the one for status 401, which is the default: `(response) =>
   *      BearerAuth.isAuthFailure(response) || response.status === 403`. A rule that lets a 401 pass is obeyed, and the
   *      log says so once. Whatever the rule says, a challenge with an error that another token would get too
   *      (`insufficient_scope`, `insufficient_user_authentication`, …) never renews. The rule may read `text` or
   *      `json`, which stay readable for the caller; it must not read `stream`, which does not. A
   * caller who needs `stream` or `arrayBuffer` needs a rule that reads no body. Default:
   *      `BearerAuth.isAuthFailure`.
   */
  readonly isAuthFailure?: Judge | undefined
  /**
   * Whether a `Stream` body may be sent a second time after a 401. Set it for streams that start anew whenever they are
   * run, such as `HttpBody.file`. Default `false`: such a call gets its 401, and the *next* call gets a new token.
   */
  readonly replayStreams?: boolean | undefined
  /**
   * How long to wait before the replay, for servers that accept a token only some time after issuing it. Default 0, at
   * most 7 days.
   */
  readonly replayDelay?: Duration.DurationInput | undefined
  /**
   * When an API refuses a token that was just renewed, the age of the token is not the reason: for this long the token
   * is not renewed again, and a 401 is handed to the caller at once. Measured by the steady clock. Default 5 seconds.
   */
  readonly renewInterval?: Duration.DurationInput | undefined
  /** Whether and how 429 and 503 of the API are tried again. Default: not at all. */
  readonly retryThrottled?: RetryThrottled | undefined
}

/** See `BearerAuth.RetryThrottled`. */
export interface RetryThrottled {
  /** Default 3; `Infinity` for no limit. */
  readonly maxRetries?: number | undefined
  /** The backoff of the first retry; it doubles from there. Default 500 ms. */
  readonly base?: Duration.DurationInput | undefined
  /** The upper bound of the backoff, not of the `Retry-After`. Default 30 seconds. */
  readonly cap?: Duration.DurationInput | undefined
  /** If the server asks for a longer wait than this, the client returns the response instead. Default 1 minute. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** Default `GET`, `HEAD` and `OPTIONS`: after a 503 the server may still have carried out the request. */
  readonly methods?: ReadonlyArray<HttpMethod> | undefined
}

/** {@link RetryThrottled} in milliseconds, with its defaults. */
export interface Throttling {
  readonly maxRetries: number
  readonly base: number
  readonly cap: number
  readonly maxRetryAfter: number
  readonly methods: ReadonlySet<HttpMethod>
}

/** Options that have been checked, in milliseconds. */
export interface Checked {
  readonly origins: Origins.Origins
  readonly replayDelay: number
  readonly renewInterval: number
  readonly throttling: Throttling | undefined
}

/** Checks the options once, when the client is built. */
export const check = (options: Options): Either.Either<Checked, InvalidConfiguration> =>
  Either.flatMap(Origins.make(options.origins, options.plainHttpOrigins ?? []), (origins) => {
    const { retryThrottled } = options
    const problems = [
      ...Settings.problems(bearer, options),
      ...Settings.problems(throttled, retryThrottled, "retryThrottled")
    ]
    return problems.length > 0 ? Either.left(Settings.toError(problems)) : Either.right({
      origins,
      replayDelay: Settings.value(bearer.replayDelay, options.replayDelay),
      renewInterval: Settings.value(bearer.renewInterval, options.renewInterval),
      throttling: retryThrottled === undefined ? undefined : throttlingOf(retryThrottled)
    })
  })

/** The clock cannot sleep longer than 24.8 days. */
const longest = Duration.toMillis("7 days")

const throttlingOf = (options: RetryThrottled): Throttling => {
  const millis = (name: "base" | "cap" | "maxRetryAfter") =>
    Math.min(longest, Settings.value(throttled[name], options[name]))
  return {
    maxRetries: Settings.value(throttled.maxRetries, options.maxRetries),
    base: millis("base"),
    cap: millis("cap"),
    maxRetryAfter: millis("maxRetryAfter"),
    methods: new Set(options.methods ?? ["GET", "HEAD", "OPTIONS"])
  }
}
