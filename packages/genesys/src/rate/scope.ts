// Which calls share a rate limit.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as GenesysError from "../GenesysError.js"

/**
 * Whom a 429 concerns: every call with the token, or those of the same resource. Most limits belong to the token (or
 * the client, or the user), and count by the minute; some belong to one call of the API, and may last a day.
 *
 * The API says which it was, if it names the limit; or if its headers tell whether the token has anything left. Where
 * it says neither, a wait that a limit by the minute could mean holds all calls: the rest would only be refused as well.
 * A longer one holds the calls of its resource, or one daily limit would stop everything.
 */
export const of = (
  { rateLimit: { allowed, count, key } }: GenesysError.ApiRateLimited,
  wait: Duration.Duration
): "all" | "resource" => {
  if (Option.isSome(key)) return /\b(token|user)\.rate\b/i.test(key.value) ? "all" : "resource"
  if (Option.isSome(allowed) && Option.isSome(count)) return count.value >= allowed.value ? "all" : "resource"
  return Duration.lessThanOrEqualTo(wait, longest) ? "all" : "resource"
}

/** A wait up to this long can be that of a limit per minute. */
const longest = Duration.minutes(2)

/** Method and path, without the ids in it: `PUT /api/v2/users/{id}`. */
export const resourceOf = ({ method, url }: { readonly method: string; readonly url: string }): string => {
  const path = url.replace(/^\w+:\/\/[^/]*/, "").replace(/[?#].*$/s, "")
  const template = path.split("/").map((part) => /\d|%/.test(part) && !/^v\d{1,2}$/.test(part) ? "{id}" : part)
  return `${method} ${template.join("/")}`
}
