// Gives a request a rendering without its token.
import * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { NodeInspectSymbol } from "effect/Inspectable"

export const mask = "<redacted>"

/**
 * Effect redacts the header in logs and spans, but `JSON.stringify`, `console.log` and a crash report print a response
 * or an error together with the request it belongs to, and that with its headers. So the request gets a rendering of
 * its own, and so do its headers where a console shows them; `JSON.stringify` of the headers alone is left as it is,
 * because a client may send them so. Nothing else about the request changes. It costs two properties, because every
 * request pays for it.
 *
 * False if that cannot be done: the request has no such header, or is frozen.
 */
export const hide = (request: HttpClientRequest.HttpClientRequest): boolean =>
  (request as { toJSON: unknown }).toJSON === rendered || hideHeader(request, "authorization")

/**
 * The request with the header `authorization`, hidden. The same as `HttpClientRequest.setHeader` and `hide` one after the
 * other, but every request pays for this, and so the headers are copied once.
 */
export const withAuthorization = (
  self: HttpClientRequest.HttpClientRequest,
  header: string
): HttpClientRequest.HttpClientRequest => {
  if (Object.getPrototypeOf(self.headers) !== plain || self.toJSON !== renderRequest) {
    const request = HttpClientRequest.setHeader(self, "authorization", header)
    hide(request)
    return request
  }
  // a copy of the request, with the headers of the original
  const request = HttpClientRequest.setMethod(self, self.method) as { headers: Headers.Headers; toJSON: Rendering }
  const headers = Object.assign(Object.create(withoutAuthorization), self.headers)
  headers.authorization = header
  request.headers = headers
  request.toJSON = rendered
  return request as unknown as HttpClientRequest.HttpClientRequest
}

/** The same for a header of any name, in lower case. Several may be hidden in one request, by different clients. */
export const hideHeader = (request: HttpClientRequest.HttpClientRequest, name: string): boolean => {
  const self = request as { toJSON: Rendering }
  hideInConsole(request, name)
  const before = self.toJSON
  if (hiddenBy.get(before)?.has(name) === true) return true
  if (!(name in request.headers)) return false
  if (!Object.isExtensible(self) && !Object.hasOwn(self, "toJSON")) return false
  try {
    self.toJSON = before === renderRequest && name === "authorization" ? rendered : renderedAfter(before, name)
    return true
  } catch {
    return false
  }
}

type Rendering = (this: HttpClientRequest.HttpClientRequest) => unknown

const renderRequest: Rendering = Object.getPrototypeOf(HttpClientRequest.get("")).toJSON

function rendered(this: HttpClientRequest.HttpClientRequest): unknown {
  return without("authorization", renderRequest.call(this), this.headers)
}

/** For a request in which another client already hides a header in the same way. */
const renderedAfter = (before: Rendering, name: string): Rendering => {
  function renderedToo(this: HttpClientRequest.HttpClientRequest): unknown {
    return without(name, before.call(this), this.headers)
  }
  hiddenBy.set(renderedToo, new Set([name, ...hiddenBy.get(before) ?? []]))
  return renderedToo
}

/** The names of the headers that a rendering leaves out. */
const hiddenBy = new WeakMap<Rendering, ReadonlySet<string>>([[rendered, new Set(["authorization"])]])

const without = (hidden: string, json: unknown, headers: Headers.Headers): unknown => ({
  ...(json as object),
  headers: withoutHeader(hidden, { ...(json as { readonly headers?: Shown }).headers }, headers)
})

type Shown = Record<string, unknown>

/** The header may have been copied to others. */
const withoutHeader = (hidden: string, shown: Shown, headers: Headers.Headers): Shown => {
  const header = headers[hidden]
  for (const [name, value] of Object.entries(shown)) {
    if (name === hidden || (header !== undefined && header !== "" && String(value).includes(header))) {
      shown[name] = mask
    }
  }
  return shown
}

// ---------------------------------------------------------------------------------------------------------------
// the headers alone, in a console
// ---------------------------------------------------------------------------------------------------------------

type Console = (this: Headers.Headers) => Shown

/** The names of the headers that a console is not shown. */
const hiddenInConsole = new WeakMap<Console, ReadonlySet<string>>()

const consoleAfter = (before: Console | undefined, name: string): PropertyDescriptor => {
  const value: Console = function(this: Headers.Headers) {
    return withoutHeader(name, { ...(before === undefined ? this : before.call(this)) }, this)
  }
  const names = before === undefined ? undefined : hiddenInConsole.get(before)
  hiddenInConsole.set(value, new Set([name, ...names ?? []]))
  return { value, configurable: true, enumerable: false, writable: true }
}

const plain: object = Object.getPrototypeOf(Headers.empty)

const withoutAuthorization: object = Object.create(plain, {
  [NodeInspectSymbol]: consoleAfter(undefined, "authorization")
})

/**
 * The rendering belongs to the prototype of the headers: `fetch` refuses headers that have a symbol of their own. A
 * request that is frozen stays as it is.
 */
const hideInConsole = (request: HttpClientRequest.HttpClientRequest, name: string): void => {
  const { headers } = request
  if (!(name in headers)) return
  const before = (headers as { readonly [NodeInspectSymbol]?: Console })[NodeInspectSymbol]
  if (before !== undefined && hiddenInConsole.get(before)?.has(name) === true) return
  const prototype: object = Object.getPrototypeOf(headers)
  const hidden = prototype === plain && name === "authorization"
    ? withoutAuthorization
    : Object.create(prototype, { [NodeInspectSymbol]: consoleAfter(before, name) })
  try {
    ;(request as { headers: Headers.Headers }).headers = Object.assign(Object.create(hidden), headers)
  } catch {
    // the request is frozen
  }
}
