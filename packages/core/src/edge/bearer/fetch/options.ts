// A copy of the options that a program gives to `fetch`, made while it calls.

/** The names that the Fetch standard and the runtimes know. They may be getters, or belong to a prototype. */
const known = [
  "method",
  "headers",
  "body",
  "mode",
  "credentials",
  "cache",
  "redirect",
  "referrer",
  "referrerPolicy",
  "integrity",
  "keepalive",
  "signal",
  "duplex",
  "priority",
  "window",
  "dispatcher",
  "cf"
]

/** Own members that nobody here knows are for the `fetch` inside (`next`, `agent`, …). */
export const unknownOf = (init: RequestInit): RequestInit =>
  Object.fromEntries(Object.entries(init).filter(([name]) => !known.includes(name)))

/** Each member is read once. What a program changes afterwards changes no request. */
export const copyOf = (init: RequestInit): RequestInit => {
  const given = init as Readonly<Record<string, unknown>>
  const copy: Record<string, unknown> = unknownOf(init) as Record<string, unknown>
  for (const name of known) {
    const value = given[name]
    if (value !== undefined) copy[name] = value
  }
  if (copy.body !== undefined) copy.body = copyOfBody(copy.body)
  return copy
}

/** A body that a program may change afterwards is copied. A stream cannot be. */
const copyOfBody = (body: unknown): unknown => {
  if (body instanceof ArrayBuffer) return body.slice(0)
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()
  }
  if (body instanceof URLSearchParams) return new URLSearchParams(body)
  if (!(body instanceof FormData)) return body
  const copy = new FormData()
  body.forEach((value, name) => copy.append(name, value))
  return copy
}

/** Whether `fetch` does not use the body up. */
export const isRepeatable = (body: unknown): boolean =>
  typeof body === "string" || body instanceof ArrayBuffer || ArrayBuffer.isView(body) ||
  body instanceof URLSearchParams || body instanceof FormData || body instanceof Blob

/** What a `Request` has to say to the target of a redirect. Some runtimes refuse members that they do not know. */
export const ofRequest = (request: Request): RequestInit => {
  const given = request as unknown as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    [["cache", "default"], ["credentials", "same-origin"], ["integrity", ""], ["cf", undefined]]
      .flatMap(([name, usual]) => {
        const value = given[name!]
        return value === undefined || value === usual ? [] : [[name, value]]
      })
  )
}
