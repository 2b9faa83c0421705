// Renderings without the token: they replace those of the object, or show another object like it.
import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Redacted from "effect/Redacted"
import * as hiding from "../hiding.js"
import {
  attempt,
  enumerables,
  hasGetter,
  isAccessed,
  isRecord,
  isWalkable,
  isWebHeaders,
  limit,
  original
} from "./objects.js"
import type { Hide, Scrub } from "./scrub.js"
import { shownKey, text } from "./scrub.js"

/** A rendering is searched to this depth. */
const deepest = 64

/** A copy that is not frozen. */
export const copyOf = (object: object): object => {
  if (Array.isArray(object)) {
    const copy: Array<unknown> = object.slice()
    sources.set(copy, object)
    return copy
  }
  const prototype: object | null = Object.getPrototypeOf(object)
  const copy: object = object instanceof Map
    ? Object.setPrototypeOf(new Map(object), prototype)
    : object instanceof Set
    ? Object.setPrototypeOf(new Set(object), prototype)
    : Object.create(prototype)
  for (const key of Reflect.ownKeys(object)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key)!
    // a rendering that was installed shows the object it was made for
    if (ours.has(descriptor.value)) {
      const before = replacedBy.get(descriptor.value)
      if (before === undefined) continue
      descriptor.value = before
    }
    Object.defineProperty(copy, key, {
      ...descriptor,
      configurable: true,
      ..."value" in descriptor ? { writable: true } : {}
    })
  }
  sources.set(copy, object)
  return copy
}

/** The objects that were searched: what they show needs no mask. */
export const searched = new WeakSet<object>()

/**
 * Whether a rendering of the object's own shows the token: that of a collection, of a `URL`, of an object with private
 * members. Without such a rendering an object shows its members, which are treated by themselves.
 */
export const rendersText = (object: object, scrub: Scrub, mayTry: boolean): boolean => {
  const names = custom(object)
  if (names.length === 0) return false
  if (!mayTry || !scrub.mayRender()) return true
  return names.some((name) => {
    const given = attempt(() =>
      [render((object as Record<PropertyKey, Renderer>)[name]!, object, [2, {}] as Array<never>)] as const
    )
    return given !== undefined && given[0] !== object && shows(given[0], scrub)
  })
}

/** Whether there is the token in a rendering, or too much to say so. */
const shows = (rendering: unknown, scrub: Scrub, seen = new Set<object>(), depth = 0): boolean => {
  const shown = text(rendering, scrub)
  if (shown !== rendering) return true
  if (!isWalkable(rendering) || searched.has(rendering) || seen.has(rendering)) return false
  seen.add(rendering)
  if (depth > deepest || seen.size > limit) return true
  const inner = rendering instanceof Map || rendering instanceof Set ? Array.from(rendering) : []
  const members = attempt(() => Object.entries(rendering).flat()) ?? []
  return [...inner, ...members].some((member) => shows(member, scrub, seen, depth + 1))
}

/** Makes every rendering of an object show only a mask. */
export const veil = (object: object, scrub: Scrub): void => {
  const define = (name: PropertyKey, value: (...args: Array<never>) => unknown) =>
    Object.defineProperty(object, name, { value, configurable: true, enumerable: false, writable: true })
  define("toJSON", () => hiding.mask)
  define(NodeInspectSymbol, () => hiding.mask)
  // `toString` turns a `Buffer` into text, and other bytes into a list of numbers
  const before = object.toString as (...args: Array<never>) => string
  define("toString", (...args) => {
    const text: string = Reflect.apply(before, object, args)
    const shown = scrub(text)
    return shown === text && args.length === 0 ? hiding.mask : shown
  })
}

const renderers = ["toJSON", NodeInspectSymbol, "toString"] as const

/** Renderings that show properties and texts as they are: these have been treated already. */
const plain: ReadonlySet<unknown> = new Set<unknown>([
  Object.prototype.toString,
  Array.prototype.toString,
  Error.prototype.toString,
  // it shows the error itself
  (new (class extends Data.Error {})() as unknown as Record<PropertyKey, unknown>)[NodeInspectSymbol]
])

type Renderer = (...args: Array<never>) => unknown

export const custom = (object: object): ReadonlyArray<typeof renderers[number]> =>
  renderers.filter((name) => {
    const renderer = (object as Record<PropertyKey, unknown>)[name]
    return typeof renderer === "function" && !plain.has(renderer)
  })

/** What each of this module's renderings leaves out. An object that many errors share keeps the latest few. */
export const ours = new WeakMap<object, Array<Scrub>>()

/** The object's own rendering that one of this module's replaces. */
const replacedBy = new WeakMap<object, Renderer>()

/**
 * Looked up by the rendering, not by the error, because Effect wraps an error anew each time it fails within a span.
 */
export const scrubsOf = (object: object): Array<Scrub> | undefined => {
  for (const name of renderers) {
    const renderer: unknown = Object.hasOwn(object, name) ? (object as Record<PropertyKey, unknown>)[name] : undefined
    const scrubs = typeof renderer === "function" ? ours.get(renderer) : undefined
    if (scrubs !== undefined) return scrubs
  }
  return undefined
}

export const install = (object: object, scrub: Scrub): void => {
  const known = scrubsOf(object)
  if (known !== undefined) {
    known.push(scrub)
    if (known.length > 8) known.shift()
    return
  }
  const source = sources.get(object)
  const earlier = source === undefined ? undefined : scrubsOf(source)
  const scrubs = [...earlier?.filter((one) => one !== scrub) ?? [], scrub]
  const all = (text: string): string => scrubs.reduce((text, scrub) => scrub(text), text)
  const before = new Map<PropertyKey, Renderer>()
  if (!isWebHeaders(object)) {
    for (const name of custom(object)) before.set(name, (object as Record<PropertyKey, Renderer>)[name]!)
  }
  const define = (name: PropertyKey, value: Renderer) => {
    ours.set(value, scrubs)
    if (Object.hasOwn(object, name)) replacedBy.set(value, (object as Record<PropertyKey, Renderer>)[name]!)
    Object.defineProperty(object, name, { value, configurable: true, enumerable: false, writable: true })
  }
  const isError = object instanceof Error
  const twin = isError && !hasGetter(object) ? undefined : makeTwin(object, all)
  for (const name of renderers) {
    const renderer = before.get(name)
    if (renderer !== undefined) define(name, (...args) => clean(render(renderer, object, args), all, object))
    // `inspect` shows an error with its stack and without the values of its getters
    else if (
      twin !== undefined && (name !== "toString" || Array.isArray(object)) && !(isError && name === NodeInspectSymbol)
    ) {
      define(name, name === "toString" ? () => String(twin()) : twin)
    }
  }
}

/** A copy lacks private members; if its rendering fails for that reason, the original is rendered. */
const render = (renderer: Renderer, object: object, args: Array<never>): unknown => {
  const source = sources.get(object)
  if (source === undefined) return Reflect.apply(renderer, object, args)
  try {
    return Reflect.apply(renderer, object, args)
  } catch {
    return Reflect.apply(renderer, source, args)
  }
}

export const sources = new WeakMap<object, object>()

/**
 * Gives an object like this one, without the token, to be shown in its place. It is always the same object, filled anew
 * each time, so that a renderer notices a cycle.
 */
const makeTwin = (object: object, scrub: Hide) => {
  const shown = (value: unknown) => text(value, scrub)
  if (Array.isArray(object)) {
    const twin: Array<unknown> = []
    return () => {
      twin.length = 0
      for (const value of object) twin.push(shown(value))
      return twin
    }
  }
  if (object instanceof Map) {
    const twin = new Map<unknown, unknown>()
    return () => {
      twin.clear()
      for (const [key, value] of object) twin.set(shown(key), shown(value))
      return twin
    }
  }
  if (object instanceof Set) {
    const twin = new Set<unknown>()
    return () => {
      twin.clear()
      for (const value of object) twin.add(shown(value))
      return twin
    }
  }
  const twin: object = Object.create(isWebHeaders(object) ? Object.prototype : Object.getPrototypeOf(object))
  return () => {
    for (const key of Reflect.ownKeys(twin)) Reflect.deleteProperty(twin, key)
    const entries = isWebHeaders(object)
      ? Array.from(object as Iterable<readonly [string, unknown]>)
      : enumerables(object)
    for (const [key, value] of entries) {
      Object.defineProperty(twin, shownKey(key, scrub), {
        value: isAccessed(object, key) ? clean(value, scrub, object) : shown(value),
        configurable: true,
        enumerable: true,
        writable: true
      })
    }
    return twin
  }
}

/**
 * A rendering without the token. Objects that have a rendering of their own have been treated already, and so has
 * `self`.
 */
export const clean = (
  rendering: unknown,
  scrub: Hide,
  self: object,
  seen = new Map<object, unknown>(),
  depth = 0
): unknown => {
  if (typeof rendering === "string") return scrub(rendering)
  if (typeof rendering !== "object" || rendering === null || rendering === self) return rendering
  if (!Array.isArray(rendering) && !isRecord(rendering)) return isShown(rendering) ? rendering : hiding.mask
  if (scrubsOf(rendering) !== undefined) return rendering
  const known = seen.get(rendering)
  if (known !== undefined) return known
  if (depth > deepest || seen.size > limit) return hiding.mask
  const copy: Record<PropertyKey, unknown> = Array.isArray(rendering) ? [] as never : {}
  seen.set(rendering, copy)
  for (const [key, value] of Object.entries(rendering)) {
    copy[shownKey(key, scrub)] = clean(value, scrub, self, seen, depth + 1)
  }
  return copy
}

/** Whether an object in a rendering is known to show nothing: it was searched, or has no text of its own. */
const isShown = (object: object): boolean =>
  searched.has(original(object)) || Redacted.isRedacted(object) || object instanceof Date
