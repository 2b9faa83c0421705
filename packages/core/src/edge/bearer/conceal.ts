// Takes the token out of the errors with which a client fails or dies.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type { Put } from "./conceal/objects.js"
import { attempt, children, isRequest, isResponse, isWalkable, limit, original } from "./conceal/objects.js"
import { copyOf, veil } from "./conceal/renderings.js"
import { scrubber, text } from "./conceal/scrub.js"
import { treat, treatTold } from "./conceal/treat.js"
import * as hiding from "./hiding.js"

const authorization = "authorization"

/** `header` is the value that was sent in the header `name`. */
export const concealCause = <E>(cause: Cause.Cause<E>, header: string, name = authorization): Cause.Cause<E> => {
  const roots: Array<unknown> = [...Cause.failures(cause), ...Cause.defects(cause)]
  if (roots.length === 0) return cause
  const replaced = conceal(roots, header, name)
  if (replaced.size === 0) return cause
  const now = <A>(value: A): A => replaced.has(original(value)) ? replaced.get(original(value)) as A : value
  return Cause.match(cause, {
    onEmpty: Cause.empty as Cause.Cause<E>,
    onFail: (error) => Cause.fail(now(error)),
    onDie: (defect) => Cause.die(now(defect)),
    onInterrupt: (fiberId) => Cause.interrupt(fiberId),
    onSequential: (left, right) => Cause.sequential(left, right),
    onParallel: (left, right) => Cause.parallel(left, right)
  })
}

/** Hides the token in a response whose request is frozen; returns a copy. */
export const concealResponse = (
  response: HttpClientResponse.HttpClientResponse,
  header: string,
  name = authorization
): HttpClientResponse.HttpClientResponse =>
  (conceal([response], header, name).get(response) ?? response) as HttpClientResponse.HttpClientResponse

interface Holder {
  readonly object: object
  readonly put: Put
}

/**
 * The error with which a client fails or dies may hold the request that was sent, or text made from it.
 *
 * **The rule.** No error leaves a client with a bearer before every object that can be reached from it was searched:
 * requests, headers and other objects that hold the token get a rendering without it, and the texts of errors are
 * rewritten without it. **What cannot be searched is shown as a mask:** promises, iterators, objects with more members
 * than are searched, objects that throw when they are read. Data that a program may still need stays: only its rendering
 * changes. A frozen object is replaced by a copy.
 *
 * Errors are rare, so the cost does not matter. At most `limit` objects are searched, nearest first, and of one object
 * at most `limit` members.
 *
 * Hides the token in all objects reached from `roots`. Returns the replacements: frozen objects, and texts, by their
 * originals.
 */
const conceal = (roots: ReadonlyArray<unknown>, header: string, name: string): Map<unknown, unknown> => {
  const scrub = scrubber(header)
  const replaced = new Map<unknown, unknown>()
  const unsearched = new Set<object>()
  const holders = new Map<object, Array<Holder>>()
  const add = (found: unknown, holder?: Holder): void => {
    const value = original(found)
    if (!isWalkable(value)) return
    const known = holders.get(value)
    if (known !== undefined) {
      if (holder !== undefined) known.push(holder)
    } else if (holders.size < limit) {
      holders.set(value, holder === undefined ? [] : [holder])
    } else if (holder !== undefined) {
      unsearched.add(holder.object)
    }
  }
  for (const root of roots) {
    const shown = text(root, scrub)
    if (shown !== root) replaced.set(root, shown)
    else add(root)
  }
  // `holders` grows while this loop walks it: the nearest objects come first
  for (const object of holders.keys()) {
    const isWhole = attempt(() => children(object, (value, put) => add(value, { object, put })))
    if (isWhole !== true) unsearched.add(object)
  }

  // renderings of these are not tried, because nobody knows how long that takes
  const incomplete = new Set(unsearched)
  for (const object of incomplete) for (const { object: holder } of holders.get(object) ?? []) incomplete.add(holder)

  const told = toldOf(roots)
  // parts are treated before the objects that hold them
  const objects = Array.from(holders.keys()).reverse()
  const pending: Array<object> = []
  const treatAll = (object: object, of: object) => {
    treat(object, scrub, name, !incomplete.has(of))
    if (told.has(of)) treatTold(object, scrub)
    if (unsearched.has(of) && !isRequest(object) && !isResponse(object)) veil(object, scrub)
  }
  for (const object of objects) {
    try {
      treatAll(object, object)
    } catch {
      const copy = attempt(() => {
        const copy = copyOf(object)
        treatAll(copy, object)
        return copy
      })
      replaced.set(object, copy ?? placeholder)
      pending.push(object)
    }
  }
  // an object that holds a replaced one gets the copy, or is itself replaced by a copy
  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    for (const { object: holder, put } of holders.get(object) ?? []) {
      const copy = replaced.get(object) as object
      if (replaced.get(holder) === placeholder) continue
      try {
        put((replaced.get(holder) ?? holder) as object, copy)
      } catch {
        const copyOfHolder = attempt(() => {
          const copyOfHolder = copyOf(holder)
          put(copyOfHolder, copy)
          return copyOfHolder
        })
        replaced.set(holder, copyOfHolder ?? placeholder)
        pending.push(holder)
      }
    }
  }
  return replaced
}

/** Stands for an object that can be neither read nor copied. */
const placeholder: object = Object.freeze({ toJSON: () => hiding.mask, toString: () => hiding.mask })

/**
 * The objects that Effect turns into errors to print them (`Cause.pretty`): the failures and defects, and their causes.
 * It copies their members one by one, and does not use the rendering of the object.
 */
const toldOf = (roots: ReadonlyArray<unknown>): ReadonlySet<object> => {
  const told = new Set<object>()
  for (const root of roots) {
    for (let at = original(root); isWalkable(at) && !told.has(at) && told.size < limit;) {
      told.add(at)
      const holder: object = at
      at = original(attempt(() => (holder as { readonly cause?: unknown }).cause))
    }
  }
  return told
}
