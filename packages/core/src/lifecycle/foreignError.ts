// What an error says of itself, whoever made it.
import * as Predicate from "effect/Predicate"
import * as TokenError from "../values/TokenError.js"
import * as Disclosure from "../wire/Disclosure.js"

/** The tag of an error of the library's own; of another one its tag or name, where that reads like a name. */
export const nameOf = (error: unknown, otherwise = "Unexpected"): string =>
  TokenError.isTokenError(error) ? error._tag : Disclosure.errorName(error, otherwise)

/** A message of somebody else's error may hold anything: `otherwise` is told instead. */
export const messageOf = (error: unknown, otherwise = "the source failed with an error of its own"): string =>
  TokenError.isTokenError(error) ? error.message : otherwise

/** Whether asking again may help. */
export const isRetryable = (error: unknown): boolean =>
  Predicate.hasProperty(error, "retryable") && error.retryable === true
