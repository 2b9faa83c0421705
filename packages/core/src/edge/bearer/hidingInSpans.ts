// Leaves the token out of the spans and logs of a request.
import * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"

/**
 * Adds the names of the headers that hold the token to `Headers.currentRedactedNames` of the fiber, and runs `self`. A
 * program that replaces the names would otherwise show the token in all spans.
 *
 * They stay in the list until the fiber ends, or until the `Effect.locally` around it does: to add them and to take them
 * away for each request (`Effect.locally`) costs as much as all other work of a request with a token. The next request
 * of the fiber finds them there.
 */
export const hidingInSpans = <A, E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const before = fiber.getFiberRef(Headers.currentRedactedNames)
  const names = redactedNames(before)
  return names === before ? self : Effect.zipRight(FiberRef.set(Headers.currentRedactedNames, names), self)
}

/** `www-authenticate`: some APIs write the token that they refuse into their challenge. */
const hidden = ["authorization", "www-authenticate"]

let lastNames: ReadonlyArray<string | RegExp> | undefined
let lastResult: ReadonlyArray<string | RegExp> = hidden

/** The names of headers that spans and logs leave out: those that are left out already, and those of the token. */
const redactedNames = (names: ReadonlyArray<string | RegExp>): ReadonlyArray<string | RegExp> => {
  if (names === lastNames) return lastResult
  const given = new Set(names.map((name) => typeof name === "string" ? name.toLowerCase() : name))
  const missing = hidden.filter((name) => !given.has(name))
  lastNames = names
  lastResult = missing.length === 0 ? names : [...names, ...missing]
  return lastResult
}
