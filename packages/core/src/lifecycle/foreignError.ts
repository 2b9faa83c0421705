// Reads the name, the message and `retryable` of any error, the library's own or not.
import * as Predicate from "effect/Predicate"
import * as TokenError from "../values/TokenError.js"
import * as Disclosure from "../wire/Disclosure.js"

/** The tag of one of the library's own errors; for any other error its tag or name, if that looks like a name. */
export const nameOf = (error: unknown, otherwise = "Unexpected"): string =>
  TokenError.isTokenError(error) ? error._tag : Disclosure.errorName(error, otherwise)

/**
 * The message of one of the library's own errors. Any other message may hold secrets, so `otherwise` is given instead.
 */
export const messageOf = (error: unknown, otherwise = "the source failed with an error of its own"): string =>
  TokenError.isTokenError(error) ? error.message : otherwise

/** Whether another attempt may succeed. */
export const isRetryable = (error: unknown): boolean =>
  Predicate.hasProperty(error, "retryable") && error.retryable === true
