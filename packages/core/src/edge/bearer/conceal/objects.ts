// Reads the objects that an error holds: their kinds, their members, and where each member came from.
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { longToken, mostOfOne } from "./scrub.js"

/** How many objects of one error are searched, and how many members of one object. */
export const limit = 5_000

/** Puts `value` into `holder` in place of the object that was found there. */
export type Put = (holder: object, value: object) => void

const originalSymbol = Symbol.for("effect/OriginalAnnotation")

/** The error itself: an error that failed within a span is wrapped in a proxy, which cannot reach private members. */
export const original = <A>(value: A): A =>
  typeof value === "object" && value !== null && attempt(() => originalSymbol in value) === true
    ? (value as unknown as { readonly [originalSymbol]: A })[originalSymbol]
    : value

/** Of a function, its name and its members are shown. Most functions have neither a long name nor members. */
export const isWalkable = (value: unknown): value is object =>
  typeof value === "function"
    ? attempt(() => value.name.length >= longToken || Object.keys(value).length > 0) !== false
    : typeof value === "object" && value !== null

export const isRequest = (value: object): value is HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.TypeId in value

export const isResponse = (value: object): value is HttpClientResponse.HttpClientResponse =>
  HttpClientResponse.TypeId in value && !(value instanceof Error)

/** `false` if there are members that were not given. */
export const children = (object: object, found: (value: unknown, put: Put) => void): boolean => {
  if (isRequest(object)) {
    for (const key of ["headers", "urlParams", "hash", "body"] as const) found(object[key], putProperty(key))
    return true
  }
  if (isClosed(object)) return true
  let isWhole = !Array.isArray(object) || object.length <= limit
  if (object instanceof Map) {
    isWhole = object.size <= limit
    for (const entry of isWhole ? object as ReadonlyMap<unknown, unknown> : []) {
      let [key, value] = entry
      found(key, (map, now) => {
        ;(map as Map<unknown, unknown>).delete(key)
        ;(map as Map<unknown, unknown>).set(key = now, value)
      })
      found(value, (map, now) => void (map as Map<unknown, unknown>).set(key, value = now))
    }
  } else if (object instanceof Set) {
    isWhole = object.size <= limit
    for (const member of isWhole ? object : []) {
      found(member, (set, value) => {
        ;(set as Set<unknown>).delete(member)
        ;(set as Set<unknown>).add(value)
      })
    }
  }
  const renderedByRequest = isResponse(object)
  for (const [key, value] of properties(object)) {
    // a response is searched when it is shown, and so are its other parts
    if (renderedByRequest && !(isWalkable(value) && (isRequest(value) || isResponse(value)))) continue
    found(value, putProperty(key))
  }
  return isWhole
}

/** Own properties that are plain values: no getter is called. */
export function* properties(object: object): Iterable<readonly [PropertyKey, unknown]> {
  if (Array.isArray(object)) {
    for (let i = 0; i < object.length && i < limit; i++) yield [i, object[i]]
    if (object.length > limit) return
  }
  // there is one key for each byte
  if (ArrayBuffer.isView(object) && object.byteLength > mostOfOne) return
  for (const key of Reflect.ownKeys(object)) {
    if (isIndex(object, key)) continue
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key)
    if (descriptor !== undefined && "value" in descriptor) yield [key, descriptor.value]
  }
}

/** The members of lists are given by their index, and the bytes of bytes not at all. */
const isIndex = (object: object, key: PropertyKey): boolean =>
  (Array.isArray(object) || ArrayBuffer.isView(object)) && typeof key === "string" && /^\d+$/.test(key)

const putProperty = (key: PropertyKey): Put => (holder, value) => write(holder, key, value)

/** Changes the value of a property and keeps its other attributes. */
export const write = (object: object, key: PropertyKey, value: unknown): void => {
  const before = Reflect.getOwnPropertyDescriptor(object, key)
  Object.defineProperty(
    object,
    key,
    before !== undefined && "value" in before
      ? { ...before, value }
      : { value, configurable: true, enumerable: before?.enumerable ?? false, writable: true }
  )
}

export const isBytes = (object: object): object is ArrayBufferView | ArrayBuffer =>
  ArrayBuffer.isView(object) || object instanceof ArrayBuffer

const closed = /^\[object (?:Promise|Weak.*|.*(?:Iterator|Generator))\]$/

/** Objects whose content a console shows, and which cannot be read here without changing them or waiting for them. */
export const isClosed = (object: object): boolean => closed.test(Object.prototype.toString.call(object))

/** How many classes of an object are looked at. */
const mostClasses = 8

const isPlain = (prototype: object | null): prototype is null =>
  prototype === null || prototype === Object.prototype || prototype === Error.prototype ||
  prototype === Array.prototype || prototype === Function.prototype

export function* classesOf(object: object): Iterable<object> {
  let prototype: object | null = Object.getPrototypeOf(object)
  for (let i = 0; i < mostClasses && !isPlain(prototype); i++) {
    yield prototype
    prototype = Object.getPrototypeOf(prototype)
  }
}

/** A console that is asked for hidden members shows these. */
export function* inheritedGetters(error: Error): Iterable<PropertyKey> {
  for (const prototype of classesOf(error)) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (Reflect.getOwnPropertyDescriptor(prototype, key)?.get !== undefined && !Object.hasOwn(error, key)) yield key
    }
  }
}

export const rename = (object: object, before: PropertyKey, after: PropertyKey): void => {
  const descriptor = Reflect.getOwnPropertyDescriptor(object, before)!
  if (!Reflect.deleteProperty(object, before)) throw new TypeError("frozen")
  Object.defineProperty(object, after, descriptor)
}

/** Whether an object has getters. The value of a getter is known only when it is shown. */
export const hasGetter = (object: object): boolean =>
  !Array.isArray(object) &&
  Object.values(Object.getOwnPropertyDescriptors(object)).some(({ enumerable, get }) => enumerable && get !== undefined)

export const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * The properties that a rendering shows, getters included: here a getter may be called, because a rendering asks for
 * it.
 */
export const enumerables = (object: object): ReadonlyArray<readonly [PropertyKey, unknown]> =>
  Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key)).map((key) => [
    key,
    attempt(() => (object as Record<PropertyKey, unknown>)[key])
  ])

export const isAccessed = (object: object, key: PropertyKey): boolean =>
  Reflect.getOwnPropertyDescriptor(object, key)?.get !== undefined

export const isWebHeaders = (object: object): boolean =>
  typeof globalThis.Headers === "function" && object instanceof globalThis.Headers

/** Whether an object has nothing but its own properties. */
export const isRecord = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Headers.isHeaders(value)
}
