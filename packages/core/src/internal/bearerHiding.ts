import type * as Headers from "@effect/platform/Headers"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"

export const mask = "<redacted>"

/**
 * Effect redacts the header in logs and spans, but `JSON.stringify`, `console.log` and a crash report print a response
 * or an error together with the request it belongs to, and that with its headers. So the request gets a rendering of
 * its own. Nothing else about it changes, and a property is all that a hot path can afford.
 *
 * False where that cannot be done: the request has no such header, or was frozen.
 */
export const hide = (request: HttpClientRequest.HttpClientRequest): boolean => {
  const self = request as { toJSON: () => unknown }
  if (self.toJSON === rendered) return true
  if (!("authorization" in request.headers)) return false
  if (!Object.isExtensible(self) && !Object.hasOwn(self, "toJSON")) return false
  const before = self.toJSON
  try {
    self.toJSON = before === renderRequest ? rendered : renderedAfter(before)
    return true
  } catch {
    return false
  }
}

const renderRequest: (this: HttpClientRequest.HttpClientRequest) => unknown = Object
  .getPrototypeOf(HttpClientRequest.get("")).toJSON

function rendered(this: HttpClientRequest.HttpClientRequest): unknown {
  return withoutToken(renderRequest.call(this), this.headers)
}

/** Somebody else hides a header of theirs in the same way. */
const renderedAfter = (before: () => unknown) => {
  if (composed.has(before)) return before
  function renderedToo(this: HttpClientRequest.HttpClientRequest): unknown {
    return withoutToken(before.call(this), this.headers)
  }
  composed.add(renderedToo)
  return renderedToo
}

const composed = new WeakSet<() => unknown>()

/** The header may have been copied to others. */
const withoutToken = (json: unknown, headers: Headers.Headers): unknown => {
  const shown: Record<string, unknown> = {
    ...(json as { readonly headers?: Readonly<Record<string, unknown>> }).headers
  }
  const header = headers["authorization"]
  for (const [name, value] of Object.entries(shown)) {
    if (name === "authorization" || (header !== undefined && header !== "" && String(value).includes(header))) {
      shown[name] = mask
    }
  }
  return { ...(json as object), headers: shown }
}

// ---------------------------------------------------------------------------------------------------------------
// spans and logs
// ---------------------------------------------------------------------------------------------------------------

let lastNames: ReadonlyArray<string | RegExp> | undefined

/**
 * The names of headers that spans and logs leave out, with ours among them; nothing where it is there already.
 * Whoever replaces `Headers.currentRedactedNames` takes it away from the spans of everybody.
 */
export const missingName = (
  names: ReadonlyArray<string | RegExp>
): ReadonlyArray<string | RegExp> | undefined => {
  if (names === lastNames) return undefined
  if (names.some((name) => typeof name === "string" && name.toLowerCase() === "authorization")) {
    lastNames = names
    return undefined
  }
  return [...names, "authorization"]
}
