// Takes the token out of the errors with which a client fails or dies.
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Redacted from "effect/Redacted"
import * as knownSecrets from "../../wire/knownSecrets.js"
import * as hiding from "./hiding.js"

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
 */
const limit = 5_000

/** A rendering is searched to this depth. */
const deepest = 64

/** How many renderings of the program's objects are tried. Others are searched only when they are shown. */
const mostRenderings = 1_000

/** Shorter tokens are searched for only together with their scheme: alone they would match in too many texts. */
const shortest = 8

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

// ---------------------------------------------------------------------------------------------------------------
// finding the objects that hold the token
// ---------------------------------------------------------------------------------------------------------------

/** Puts `value` into `holder` in place of the object that was found there. */
type Put = (holder: object, value: object) => void

interface Holder {
  readonly object: object
  readonly put: Put
}

/**
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

/**
 * A token of at least this length is also found by a part of it, in any encoding; a shorter token may be made of plain
 * words.
 */
const longToken = 20

/** How many characters are searched for the token in any encoding: of one text, and of all texts together. */
const mostOfOne = 16_384
const mostOfAll = 524_288

/**
 * The last two hidden values (a token, and perhaps a proof), because in an outage many calls with the same token fail.
 */
let last: ReadonlyArray<{ readonly token: string; readonly hide: (text: string) => string }> = []

const hiderOf = (token: string): (text: string) => string => {
  const known = last.find((one) => one.token === token)
  if (known !== undefined) return known.hide
  const { all: hide } = knownSecrets.hider([Redacted.make(token)])
  last = [{ token, hide }, ...last.slice(0, 1)]
  return hide
}

type Hide = (text: string) => string

interface Scrub {
  (text: string): string
  /** Whether one more rendering may be tried. */
  readonly mayRender: () => boolean
}

const scrubber = (header: string): Scrub => {
  const token = header.slice(header.indexOf(" ") + 1)
  const encoded = encodeURIComponent(token)
  const secrets = [header, ...token.length < shortest ? [] : [token, ...encoded === token ? [] : [encoded]]]
  const inAnyEncoding = token.length < longToken ? undefined : hiderOf(token)
  const known = new Map<string, string>()
  let left = mostOfAll
  let renderings = mostRenderings
  const scrub = (text: string): string => {
    if (text.length < shortest) return text
    const before = known.get(text)
    if (before !== undefined) return before
    let out = text
    for (const secret of secrets) if (out.includes(secret)) out = out.replaceAll(secret, hiding.mask)
    // the frames of a stack trace name places in code and are not searched
    const frames = out.indexOf("\n    at ")
    const length = frames < 0 ? out.length : frames
    if (inAnyEncoding === undefined || length > mostOfOne || length > left) return out
    left -= length
    out = inAnyEncoding(out.slice(0, length)) + out.slice(length)
    known.set(text, out)
    return out
  }
  return Object.assign(scrub, {
    mayRender: () => left > 0 && renderings-- > 0
  })
}

const originalSymbol = Symbol.for("effect/OriginalAnnotation")

/** The error itself: an error that failed within a span is wrapped in a proxy, which cannot reach private members. */
const original = <A>(value: A): A =>
  typeof value === "object" && value !== null && attempt(() => originalSymbol in value) === true
    ? (value as unknown as { readonly [originalSymbol]: A })[originalSymbol]
    : value

/** Of a function, its name and its members are shown. Most functions have neither a long name nor members. */
const isWalkable = (value: unknown): value is object =>
  typeof value === "function"
    ? attempt(() => value.name.length >= longToken || Object.keys(value).length > 0) !== false
    : typeof value === "object" && value !== null

const isRequest = (value: object): value is HttpClientRequest.HttpClientRequest => HttpClientRequest.TypeId in value

const isResponse = (value: object): value is HttpClientResponse.HttpClientResponse =>
  HttpClientResponse.TypeId in value && !(value instanceof Error)

/** `false` if there are members that were not given. */
const children = (object: object, found: (value: unknown, put: Put) => void): boolean => {
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
function* properties(object: object): Iterable<readonly [PropertyKey, unknown]> {
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
const write = (object: object, key: PropertyKey, value: unknown): void => {
  const before = Reflect.getOwnPropertyDescriptor(object, key)
  Object.defineProperty(
    object,
    key,
    before !== undefined && "value" in before
      ? { ...before, value }
      : { value, configurable: true, enumerable: before?.enumerable ?? false, writable: true }
  )
}

/** A copy that is not frozen. */
const copyOf = (object: object): object => {
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

// ---------------------------------------------------------------------------------------------------------------
// hiding: every function throws if the object is frozen
// ---------------------------------------------------------------------------------------------------------------

/** `mayTry`: whether a rendering of the object may be tried. */
const treat = (object: object, scrub: Scrub, name: string, mayTry: boolean): void => {
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

/** The objects that were searched: what they show needs no mask. */
const searched = new WeakSet<object>()

const isBytes = (object: object): object is ArrayBufferView | ArrayBuffer =>
  ArrayBuffer.isView(object) || object instanceof ArrayBuffer

const closed = /^\[object (?:Promise|Weak.*|.*(?:Iterator|Generator))\]$/

/** Objects whose content a console shows, and which cannot be read here without changing them or waiting for them. */
const isClosed = (object: object): boolean => closed.test(Object.prototype.toString.call(object))

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

/**
 * Whether a rendering of the object's own shows the token: that of a collection, of a `URL`, of an object with private
 * members. Without such a rendering an object shows its members, which are treated by themselves.
 */
const rendersText = (object: object, scrub: Scrub, mayTry: boolean): boolean => {
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
const veil = (object: object, scrub: Scrub): void => {
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

/** How many classes of an object are looked at. */
const mostClasses = 8

const isPlain = (prototype: object | null): prototype is null =>
  prototype === null || prototype === Object.prototype || prototype === Error.prototype ||
  prototype === Array.prototype || prototype === Function.prototype

function* classesOf(object: object): Iterable<object> {
  let prototype: object | null = Object.getPrototypeOf(object)
  for (let i = 0; i < mostClasses && !isPlain(prototype); i++) {
    yield prototype
    prototype = Object.getPrototypeOf(prototype)
  }
}

/** A console that is asked for hidden members shows these. */
function* inheritedGetters(error: Error): Iterable<PropertyKey> {
  for (const prototype of classesOf(error)) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (Reflect.getOwnPropertyDescriptor(prototype, key)?.get !== undefined && !Object.hasOwn(error, key)) yield key
    }
  }
}

/**
 * Rewrites the texts among the members without the token, and makes getters give values without it. An object that is
 * no error is data that a program may need as it is, so a copy of it is changed instead.
 */
const treatTold = (object: object, scrub: Scrub): void => {
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

const rename = (object: object, before: PropertyKey, after: PropertyKey): void => {
  const descriptor = Reflect.getOwnPropertyDescriptor(object, before)!
  if (!Reflect.deleteProperty(object, before)) throw new TypeError("frozen")
  Object.defineProperty(object, after, descriptor)
}

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

/** A name shorter than this cannot have been made from the token, so it is not searched. */
const textOfKey = (key: PropertyKey): string => {
  const name = typeof key === "symbol" ? key.description ?? "" : String(key)
  return name.length < longToken ? "" : name
}

/** Whether an object has getters. The value of a getter is known only when it is shown. */
const hasGetter = (object: object): boolean =>
  !Array.isArray(object) &&
  Object.values(Object.getOwnPropertyDescriptors(object)).some(({ enumerable, get }) => enumerable && get !== undefined)

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------
// renderings
// ---------------------------------------------------------------------------------------------------------------

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

const custom = (object: object): ReadonlyArray<typeof renderers[number]> =>
  renderers.filter((name) => {
    const renderer = (object as Record<PropertyKey, unknown>)[name]
    return typeof renderer === "function" && !plain.has(renderer)
  })

/** What each of this module's renderings leaves out. An object that many errors share keeps the latest few. */
const ours = new WeakMap<object, Array<Scrub>>()

/** The object's own rendering that one of this module's replaces. */
const replacedBy = new WeakMap<object, Renderer>()

/**
 * Looked up by the rendering, not by the error, because Effect wraps an error anew each time it fails within a span.
 */
const scrubsOf = (object: object): Array<Scrub> | undefined => {
  for (const name of renderers) {
    const renderer: unknown = Object.hasOwn(object, name) ? (object as Record<PropertyKey, unknown>)[name] : undefined
    const scrubs = typeof renderer === "function" ? ours.get(renderer) : undefined
    if (scrubs !== undefined) return scrubs
  }
  return undefined
}

const install = (object: object, scrub: Scrub): void => {
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

const sources = new WeakMap<object, object>()

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

const text = (value: unknown, scrub: Hide): unknown =>
  typeof value === "string" ? scrub(value) : typeof value === "symbol" ? scrubSymbol(value, scrub) : value

const scrubSymbol = (symbol: symbol, scrub: Hide): symbol => {
  const name = symbol.description ?? ""
  const shown = scrub(name)
  return shown === name ? symbol : Symbol(shown)
}

const shownKey = (key: PropertyKey, scrub: Hide): PropertyKey =>
  textOfKey(key) === "" ? key : typeof key === "symbol" ? scrubSymbol(key, scrub) : scrub(String(key))

/**
 * The properties that a rendering shows, getters included: here a getter may be called, because a rendering asks for
 * it.
 */
const enumerables = (object: object): ReadonlyArray<readonly [PropertyKey, unknown]> =>
  Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key)).map((key) => [
    key,
    attempt(() => (object as Record<PropertyKey, unknown>)[key])
  ])

const isAccessed = (object: object, key: PropertyKey): boolean =>
  Reflect.getOwnPropertyDescriptor(object, key)?.get !== undefined

const isWebHeaders = (object: object): boolean =>
  typeof globalThis.Headers === "function" && object instanceof globalThis.Headers

/** Whether an object has nothing but its own properties. */
const isRecord = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Headers.isHeaders(value)
}

/**
 * A rendering without the token. Objects that have a rendering of their own have been treated already, and so has
 * `self`.
 */
const clean = (
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
