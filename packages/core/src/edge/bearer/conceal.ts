// Takes the token out of what a client fails or dies with.
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
 * What a client fails or dies with may hold the request that was sent, or text made of it.
 *
 * **The rule.** No error leaves a client with a bearer before everything that can be reached from it was looked
 * through: requests, headers and other objects that hold the token get a rendering without it, and the texts of errors
 * are written without it. Data that a program may still need stays: only what is shown changes. What is frozen is
 * replaced by a copy.
 *
 * An error is rare, so this costs nothing where it matters. It looks at no more than so many objects, nearest first.
 */
const limit = 5_000

/** Shorter tokens are looked for with their scheme only: they would turn every text into noise. */
const shortest = 8

const authorization = "authorization"

/** `header` is what was sent, as the header `name`. */
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

/** A response whose request could not be hidden in place. */
export const concealResponse = (
  response: HttpClientResponse.HttpClientResponse,
  header: string,
  name = authorization
): HttpClientResponse.HttpClientResponse =>
  (conceal([response], header, name).get(response) ?? response) as HttpClientResponse.HttpClientResponse

// ---------------------------------------------------------------------------------------------------------------
// finding
// ---------------------------------------------------------------------------------------------------------------

/** How an object is held by another, and how to put another in its place. */
type Put = (holder: object, value: object) => void

interface Holder {
  readonly object: object
  readonly put: Put
}

/** What took the place of what, where it had to. */
const conceal = (roots: ReadonlyArray<unknown>, header: string, name: string): Map<unknown, unknown> => {
  const scrub = scrubber(header)
  const replaced = new Map<unknown, unknown>()
  const holders = new Map<object, Array<Holder>>()
  const add = (found: unknown, holder?: Holder): void => {
    const value = original(found)
    if (!isWalkable(value)) return
    const known = holders.get(value)
    if (known !== undefined) {
      if (holder !== undefined) known.push(holder)
    } else if (holders.size < limit) {
      holders.set(value, holder === undefined ? [] : [holder])
    }
  }
  for (const root of roots) {
    if (typeof root === "string") {
      const text = scrub(root)
      if (text !== root) replaced.set(root, text)
    } else {
      add(root)
    }
  }
  // grows while it is walked: nearest first
  for (const object of holders.keys()) children(object, (value, put) => add(value, { object, put }))

  const told = toldOf(roots)
  // parts before the whole
  const objects = Array.from(holders.keys()).reverse()
  const pending: Array<object> = []
  for (const object of objects) {
    try {
      treat(object, scrub, name)
      if (told.has(object)) treatTold(object, scrub)
    } catch {
      const copy = copyOf(object)
      treat(copy, scrub, name)
      if (told.has(object)) treatTold(copy, scrub)
      replaced.set(object, copy)
      pending.push(object)
    }
  }
  // whoever holds what was replaced gets the copy, or is replaced in turn
  for (let object = pending.pop(); object !== undefined; object = pending.pop()) {
    for (const { object: holder, put } of holders.get(object) ?? []) {
      const copy = replaced.get(object) as object
      try {
        put((replaced.get(holder) ?? holder) as object, copy)
      } catch {
        const copyOfHolder = copyOf(holder)
        put(copyOfHolder, copy)
        replaced.set(holder, copyOfHolder)
        pending.push(holder)
      }
    }
  }
  return replaced
}

/**
 * What Effect makes errors of to print them (`Cause.pretty`): what a program failed with, and their causes. It copies
 * their members one by one, so that renderings of the whole are not asked.
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

/** From this length on a token is known by a piece of it, in any encoding: a shorter one may be made of words. */
const longToken = 20

/** Characters that are looked at in any encoding, of one text and of all of them. */
const mostOfOne = 16_384
const mostOfAll = 524_288

/** Of what was hidden last, a token and perhaps a proof: an outage lets many calls with the same one fail. */
let last: ReadonlyArray<{ readonly token: string; readonly hide: (text: string) => string }> = []

const hiderOf = (token: string): (text: string) => string => {
  const known = last.find((one) => one.token === token)
  if (known !== undefined) return known.hide
  const { all: hide } = knownSecrets.hider([Redacted.make(token)])
  last = [{ token, hide }, ...last.slice(0, 1)]
  return hide
}

const scrubber = (header: string) => {
  const token = header.slice(header.indexOf(" ") + 1)
  const encoded = encodeURIComponent(token)
  const secrets = [header, ...token.length < shortest ? [] : [token, ...encoded === token ? [] : [encoded]]]
  const inAnyEncoding = token.length < longToken ? undefined : hiderOf(token)
  const known = new Map<string, string>()
  let left = mostOfAll
  return (text: string): string => {
    if (text.length < shortest) return text
    const before = known.get(text)
    if (before !== undefined) return before
    let out = text
    for (const secret of secrets) if (out.includes(secret)) out = out.replaceAll(secret, hiding.mask)
    // the frames of a stack name places in code
    const frames = out.indexOf("\n    at ")
    const length = frames < 0 ? out.length : frames
    if (inAnyEncoding === undefined || length > mostOfOne || length > left) return out
    left -= length
    out = inAnyEncoding(out.slice(0, length)) + out.slice(length)
    known.set(text, out)
    return out
  }
}

type Scrub = ReturnType<typeof scrubber>

const originalSymbol = Symbol.for("effect/OriginalAnnotation")

/** An error that failed within a span is seen through a proxy, which reaches no private member. */
const original = <A>(value: A): A =>
  typeof value === "object" && value !== null && originalSymbol in value ? value[originalSymbol] as A : value

const isWalkable = (value: unknown): value is object => typeof value === "object" && value !== null

const isRequest = (value: object): value is HttpClientRequest.HttpClientRequest => HttpClientRequest.TypeId in value

const isResponse = (value: object): value is HttpClientResponse.HttpClientResponse => HttpClientResponse.TypeId in value

const children = (object: object, found: (value: unknown, put: Put) => void): void => {
  if (isRequest(object)) return found(object.headers, putProperty("headers"))
  if (isOpaque(object)) return
  if (object instanceof Map) {
    for (const [key, value] of object) {
      found(value, (map, value) => void (map as Map<unknown, unknown>).set(key, value))
    }
  } else if (object instanceof Set) {
    for (const member of object) {
      found(member, (set, value) => {
        ;(set as Set<unknown>).delete(member)
        ;(set as Set<unknown>).add(value)
      })
    }
  }
  const renderedByRequest = isResponse(object)
  for (const [key, value] of properties(object)) {
    // A response is rendered with its request; what else it is made of stays inside.
    if (renderedByRequest && !(isWalkable(value) && (isRequest(value) || isResponse(value)))) continue
    found(value, putProperty(key))
  }
}

/** Own properties that are values: no getter is called. */
function* properties(object: object): Iterable<readonly [PropertyKey, unknown]> {
  if (Array.isArray(object)) {
    for (let i = 0; i < object.length && i < limit; i++) yield [i, object[i]]
    return
  }
  for (const key of Reflect.ownKeys(object)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key)
    if (descriptor !== undefined && "value" in descriptor) yield [key, descriptor.value]
  }
}

const putProperty = (key: PropertyKey): Put => (holder, value) => write(holder, key, value)

/** As it was, but for its value. */
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

/** The same, not frozen. */
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
// hiding: every function throws where the object is frozen
// ---------------------------------------------------------------------------------------------------------------

const treat = (object: object, scrub: Scrub, name: string): void => {
  if (isOpaque(object)) return treatOpaque(object, scrub)
  if (isRequest(object)) return treatRequest(object, name)
  if (isResponse(object)) return treatResponse(object, name)
  if (object instanceof Error) return treatError(object, scrub)
  if (spells(object, scrub)) return veil(object, scrub)
  if (holdsText(object, scrub) || rendersText(object, scrub)) install(object, scrub)
}

/** Bytes, and what is still to come. */
const isOpaque = (object: object): object is ArrayBufferView | ArrayBuffer | Promise<unknown> =>
  ArrayBuffer.isView(object) || object instanceof ArrayBuffer || object instanceof Promise

/** Bytes that hold the token, and what cannot be looked into, are shown as nothing. */
const treatOpaque = (object: ArrayBufferView | ArrayBuffer | Promise<unknown>, scrub: Scrub): void => {
  const text = object instanceof Promise ? undefined : attempt(() => textOfBytes(object))
  if (text === undefined || scrub(text) !== text) veil(object, scrub)
}

const textOfBytes = (object: ArrayBufferView | ArrayBuffer): string => {
  const [buffer, from] = ArrayBuffer.isView(object) ? [object.buffer, object.byteOffset] : [object, 0]
  return new TextDecoder().decode(new Uint8Array(buffer, from, Math.min(object.byteLength, mostOfAll)))
}

/** A text letter by letter: a list of characters, or of the numbers of bytes as JSON writes a `Buffer`, or a boxed one. */
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
  const letters = lettersOf(object)
  return letters !== undefined && scrub(letters) !== letters
}

/** Whether what shows no properties shows the token nevertheless: a `URL`, an expression, an object with private members. */
const rendersText = (object: object, scrub: Scrub): boolean => {
  for (const [, value] of properties(object)) if (isWalkable(value)) return false
  return custom(object).some((name) => {
    const rendering = attempt(() => {
      const given = Reflect.apply((object as Record<PropertyKey, Renderer>)[name]!, object, [2, {}] as Array<never>)
      return typeof given === "string" ? given : JSON.stringify(given)
    })
    return rendering !== undefined && scrub(rendering) !== rendering
  })
}

/** Shows nothing of an object in any rendering. */
const veil = (object: object, scrub: Scrub): void => {
  const define = (name: PropertyKey, value: (...args: Array<never>) => unknown) =>
    Object.defineProperty(object, name, { value, configurable: true, enumerable: false, writable: true })
  define("toJSON", () => hiding.mask)
  define(NodeInspectSymbol, () => hiding.mask)
  // a `Buffer` becomes text by it, other bytes a list of numbers
  const before = object.toString as (...args: Array<never>) => string
  define("toString", (...args) => {
    const text: string = Reflect.apply(before, object, args)
    const shown = scrub(text)
    return shown === text && args.length === 0 ? hiding.mask : shown
  })
}

const treatRequest = (request: HttpClientRequest.HttpClientRequest, name: string): void => {
  if (name in request.headers && !hiding.hideHeader(request, name)) throw new TypeError("frozen")
}

/** Only where the request is no property, which is treated by itself. */
const treatResponse = (response: HttpClientResponse.HttpClientResponse, name: string): void => {
  if (!Object.hasOwn(response, "request")) hiding.hideHeader(response.request, name)
}

/** What an error shows beside its properties is its text, and that is written down. */
const treatError = (error: Error, scrub: Scrub): void => {
  for (const [key, value] of properties(error)) {
    if (typeof value === "string" && scrub(value) !== value) write(error, key, scrub(value))
  }
  for (const key of ["message", "stack"] as const) {
    const text = attempt(() => error[key])
    if (typeof text === "string" && scrub(text) !== text) write(error, key, scrub(text))
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
 * Members that are texts are written without the token, and getters yield what is without it. What is no error is some
 * data, which a program may need as it is: that is done to a copy.
 */
const treatTold = (object: object, scrub: Scrub): void => {
  if (isOpaque(object) || object instanceof Map || object instanceof Set) return
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
    if (get !== undefined && !yieldsShown.has(get)) {
      const shown = () => clean(Reflect.apply(get, object, []), scrub, object)
      yieldsShown.add(shown)
      Object.defineProperty(object, key, { get: shown, configurable: true, enumerable: true })
    } else if (isText) {
      write(object, key, typeof value === "string" ? scrub(value) : hiding.mask)
    }
    if (shownKey(key, scrub) !== key) rename(object, key, scrub(key))
  }
}

/** Getters that are ours. */
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

/** A name that is shorter than the header is none that was made of it. */
const textOfKey = (key: PropertyKey): string => {
  const name = typeof key === "symbol" ? key.description ?? "" : String(key)
  return name.length < longToken ? "" : name
}

/** What a getter yields is known when it is shown. */
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

/** Renderings that show properties and texts as they are, which were treated. */
const plain: ReadonlySet<unknown> = new Set<unknown>([
  Object.prototype.toString,
  Array.prototype.toString,
  Error.prototype.toString,
  // what it shows is the error itself
  (new (class extends Data.Error {})() as unknown as Record<PropertyKey, unknown>)[NodeInspectSymbol]
])

type Renderer = (...args: Array<never>) => unknown

const custom = (object: object): ReadonlyArray<typeof renderers[number]> =>
  renderers.filter((name) => {
    const renderer = (object as Record<PropertyKey, unknown>)[name]
    return typeof renderer === "function" && !plain.has(renderer)
  })

/** What each of our renderings leaves out. An object that is shared by many errors keeps the latest few. */
const ours = new WeakMap<object, Array<Scrub>>()

/** Looked up by the rendering, for Effect wraps one error anew each time it fails within a span. */
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
  const scrubs = [scrub]
  const all: Scrub = (text) => scrubs.reduce((text, scrub) => scrub(text), text)
  const before = new Map<PropertyKey, Renderer>()
  if (!isWebHeaders(object)) {
    for (const name of custom(object)) before.set(name, (object as Record<PropertyKey, Renderer>)[name]!)
  }
  const define = (name: PropertyKey, value: Renderer) => {
    ours.set(value, scrubs)
    Object.defineProperty(object, name, { value, configurable: true, enumerable: false, writable: true })
  }
  const isError = object instanceof Error
  const twin = isError && !hasGetter(object) ? undefined : makeTwin(object, all)
  for (const name of renderers) {
    const renderer = before.get(name)
    if (renderer !== undefined) define(name, (...args) => clean(render(renderer, object, args), all, object))
    // an error is inspected with its stack, and without what its getters yield
    else if (twin !== undefined && name !== "toString" && !(isError && name === NodeInspectSymbol)) define(name, twin)
  }
}

/** A copy has no private members: then the one that it was made of is rendered. */
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
 * An object like this one, without the token, to be shown in its place. It is always the same one, filled anew, so
 * that whoever renders a cycle notices it.
 */
const makeTwin = (object: object, scrub: Scrub) => {
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

const text = (value: unknown, scrub: Scrub): unknown =>
  typeof value === "string" ? scrub(value) : typeof value === "symbol" ? scrubSymbol(value, scrub) : value

const scrubSymbol = (symbol: symbol, scrub: Scrub): symbol => {
  const name = symbol.description ?? ""
  const shown = scrub(name)
  return shown === name ? symbol : Symbol(shown)
}

const shownKey = (key: PropertyKey, scrub: Scrub): PropertyKey =>
  textOfKey(key) === "" ? key : typeof key === "symbol" ? scrubSymbol(key, scrub) : scrub(String(key))

/** What a rendering shows, getters included: it is a rendering that asks for it. */
const enumerables = (object: object): ReadonlyArray<readonly [PropertyKey, unknown]> =>
  Reflect.ownKeys(object).filter((key) => Object.prototype.propertyIsEnumerable.call(object, key)).map((key) => [
    key,
    attempt(() => (object as Record<PropertyKey, unknown>)[key])
  ])

const isAccessed = (object: object, key: PropertyKey): boolean =>
  Reflect.getOwnPropertyDescriptor(object, key)?.get !== undefined

const isWebHeaders = (object: object): boolean =>
  typeof globalThis.Headers === "function" && object instanceof globalThis.Headers

/** An object that is nothing but its properties. */
const isRecord = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Headers.isHeaders(value)
}

/** A rendering without the token. What has a rendering of its own was treated, and so was `self`. */
const clean = (rendering: unknown, scrub: Scrub, self: object, seen = new Map<object, unknown>()): unknown => {
  if (typeof rendering === "string") return scrub(rendering)
  if (typeof rendering !== "object" || rendering === null || rendering === self) return rendering
  if (!Array.isArray(rendering) && !isRecord(rendering)) return rendering
  if (scrubsOf(rendering) !== undefined) return rendering
  const known = seen.get(rendering)
  if (known !== undefined) return known
  const copy: Record<PropertyKey, unknown> = Array.isArray(rendering) ? [] as never : {}
  seen.set(rendering, copy)
  for (const [key, value] of Object.entries(rendering)) copy[shownKey(key, scrub)] = clean(value, scrub, self, seen)
  return copy
}
