// Hides the token in one object. Every function throws if the object is frozen.
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as hiding from "../hiding.js"
import {
  attempt,
  classesOf,
  hasGetter,
  inheritedGetters,
  isBytes,
  isClosed,
  isRecord,
  isRequest,
  isResponse,
  isWalkable,
  isWebHeaders,
  properties,
  rename,
  write
} from "./objects.js"
import { clean, custom, install, rendersText, scrubsOf, searched, sources, veil } from "./renderings.js"
import type { Scrub } from "./scrub.js"
import { mostOfAll, mostOfOne, shortest, shownKey, text, textOfKey } from "./scrub.js"

/** `mayTry`: whether a rendering of the object may be tried. */
export const treat = (object: object, scrub: Scrub, name: string, mayTry: boolean): void => {
  searched.add(object)
  if (isClosed(object)) return veil(object, scrub)
  if (isBytes(object)) return treatBytes(object, scrub)
  if (typeof object === "function") return treatFunction(object, scrub)
  if (isRequest(object)) return treatRequest(object, scrub, name, mayTry)
  if (isResponse(object)) return treatResponse(object, scrub, name, mayTry)
  if (object instanceof Error) return treatError(object, scrub)
  if (spells(object, scrub) || isNamed(object, scrub)) return veil(object, scrub)
  if (holdsText(object, scrub) || rendersText(object, scrub, mayTry)) install(object, scrub)
}

/** Bytes that hold the token are shown as a mask. */
const treatBytes = (object: ArrayBufferView | ArrayBuffer, scrub: Scrub): void => {
  const text = attempt(() => textOfBytes(object))
  if (text === undefined || scrub(text) !== text || holdsText(object, scrub)) veil(object, scrub)
}

/** A console shows the name of a function and its members. */
const treatFunction = (object: object, scrub: Scrub): void => {
  const name = attempt(() => String((object as { readonly name: unknown }).name)) ?? ""
  if (scrub(name) === name && !holdsText(object, scrub)) return
  Object.defineProperty(object, NodeInspectSymbol, { value: () => "[Function]", configurable: true, writable: true })
}

/** A console shows the name of the class of an object and, if it is asked for hidden members, the texts of the class. */
const isNamed = (object: object, scrub: Scrub): boolean => {
  const { constructor, [Symbol.toStringTag]: tag } = object as Record<PropertyKey, unknown>
  const inherited = Array.from(classesOf(object)).flatMap((prototype) => Array.from(properties(prototype)).flat())
  const names = [typeof constructor === "function" ? constructor.name : "", tag, ...inherited]
  return names.some((name) => typeof name === "string" && name.length >= shortest && scrub(name) !== name)
}

const textOfBytes = (object: ArrayBufferView | ArrayBuffer): string => {
  const [buffer, from] = ArrayBuffer.isView(object) ? [object.buffer, object.byteOffset] : [object, 0]
  return new TextDecoder().decode(new Uint8Array(buffer, from, Math.min(object.byteLength, mostOfAll)))
}

/**
 * The text that an object spells letter by letter: a list of characters, a list of byte values (as JSON writes a
 * `Buffer`), or a `String` object.
 */
const lettersOf = (object: object): string | undefined => {
  if (object instanceof String) return String(object).slice(0, mostOfOne)
  if (!Array.isArray(object) || object.length < shortest) return undefined
  const list: ReadonlyArray<unknown> = object.slice(0, mostOfOne)
  return list.every((item) => typeof item === "string" && item.length <= 4)
    ? list.join("")
    : list.every((item) => typeof item === "number" && item >= 0 && item <= 0xffff)
    ? list.map((item) => String.fromCharCode(item as number)).join("")
    : undefined
}

const spells = (object: object, scrub: Scrub): boolean => {
  const letters = attempt(() => lettersOf(object))
  return letters !== undefined && scrub(letters) !== letters
}

const treatRequest = (
  request: HttpClientRequest.HttpClientRequest,
  scrub: Scrub,
  name: string,
  mayTry: boolean
): void => {
  // a rendering that was installed here leaves out the values that it knows, whatever their header
  const isHidden = scrubsOf(request) !== undefined || !(name in request.headers) || hiding.hideHeader(request, name)
  if (!isHidden) throw new TypeError("frozen")
  installOrThrow(request, scrub, mayTry)
}

/** The server may repeat the token in a header or in the body, and both are shown. */
const treatResponse = (
  response: HttpClientResponse.HttpClientResponse,
  scrub: Scrub,
  name: string,
  mayTry: boolean
): void => {
  // needed only if the request is not an own property: own properties are treated by themselves
  if (!Object.hasOwn(response, "request")) hiding.hideHeader(response.request, name)
  installOrThrow(response, scrub, mayTry)
}

/** An object that is frozen is replaced only if it shows the token. */
const installOrThrow = (object: object, scrub: Scrub, mayTry: boolean): void => {
  if (Object.isExtensible(object)) return install(object, scrub)
  if (rendersText(object, scrub, mayTry)) throw new TypeError("frozen")
}

/** Beside its properties an error shows its message and its stack, so both are rewritten. */
const treatError = (error: Error, scrub: Scrub): void => {
  for (const [key, value] of properties(error)) {
    if (typeof value === "string" && scrub(value) !== value) write(error, key, scrub(value))
  }
  for (const key of ["name", "message", "stack"] as const) {
    const text = attempt(() => error[key])
    if (typeof text === "string" && scrub(text) !== text) write(error, key, scrub(text))
  }
  for (const key of inheritedGetters(error)) {
    const text = attempt(() => (error as unknown as Record<PropertyKey, unknown>)[key])
    if (typeof text === "string" && scrub(text) !== text) write(error, key, scrub(text))
  }
  for (const key of Object.keys(error)) {
    const { get } = Reflect.getOwnPropertyDescriptor(error, key)!
    if (get !== undefined) coverGetter(error, key, get, scrub)
  }
  for (const [key] of properties(error)) {
    if (shownKey(key, scrub) !== key) rename(error, key, shownKey(key, scrub))
  }
  if (custom(error).length === 0 && !hasGetter(error)) return
  if (Object.isExtensible(error)) return install(error, scrub)
  const shown = attempt(() => `${String(error)}${JSON.stringify(error)}`)
  if (shown !== undefined && scrub(shown) !== shown) throw new TypeError("frozen")
}

/**
 * Rewrites the texts among the members without the token, and makes getters give values without it. An object that is
 * no error is data that a program may need as it is, so a copy of it is changed instead.
 */
export const treatTold = (object: object, scrub: Scrub): void => {
  if (isClosed(object) || object instanceof Map || object instanceof Set) return
  if (isBytes(object) && object.byteLength > mostOfOne) return
  // an object with a rendering of its own is shown by that alone, and its members are not copied
  if (!(object instanceof Error) && !isRecord(object) && !Array.isArray(object) && scrubsOf(object) !== undefined) {
    if (Object.keys(object).length > 0 && !sources.has(object)) throw new TypeError("not an error")
    for (const [key] of properties(object)) Object.defineProperty(object, key, { enumerable: false })
    return
  }
  const ours = object instanceof Error || sources.has(object)
  if (Array.isArray(object) && spells(object, scrub)) {
    if (!ours) throw new TypeError("not an error")
    object.splice(0, object.length, hiding.mask)
    return
  }
  for (const key of Object.keys(object)) {
    const { get, value } = Reflect.getOwnPropertyDescriptor(object, key)!
    const isText = (typeof value === "string" && scrub(value) !== value) ||
      (isWalkable(value) && spells(value, scrub))
    if (get === undefined && !isText && shownKey(key, scrub) === key) continue
    if (!ours) throw new TypeError("not an error")
    if (get !== undefined) coverGetter(object, key, get, scrub)
    else if (isText) {
      write(object, key, typeof value === "string" ? scrub(value) : hiding.mask)
    }
    if (shownKey(key, scrub) !== key) rename(object, key, scrub(key))
  }
}

/** A getter may also throw an error that holds the token. */
const coverGetter = (object: object, key: PropertyKey, get: () => unknown, scrub: Scrub): void => {
  if (yieldsShown.has(get)) return
  const shown = () => {
    const read = attempt(() => [clean(Reflect.apply(get, object, []), scrub, object)] as const)
    return read === undefined ? hiding.mask : read[0]
  }
  yieldsShown.add(shown)
  Object.defineProperty(object, key, { get: shown, configurable: true, enumerable: true })
}

/** The getters that this module has installed. */
const yieldsShown = new WeakSet<() => unknown>()

const holdsText = (object: object, scrub: Scrub): boolean => {
  const holds = (value: unknown) => text(value, scrub) !== value
  if (isWebHeaders(object)) {
    return Array.from(object as Iterable<ReadonlyArray<unknown>>).some((entry) => entry.some(holds))
  }
  if (object instanceof Map) return Array.from(object).some((entry) => entry.some(holds))
  if (object instanceof Set) return Array.from(object).some(holds)
  for (const [key, value] of properties(object)) if (holds(value) || holds(textOfKey(key))) return true
  return hasGetter(object)
}
