// What a program gives to `fetch`, read while it calls: nothing is read again later.
import * as HttpBody from "@effect/platform/HttpBody"
import { InvalidConfiguration } from "../../../values/TokenError.js"
import * as urls from "../../../values/urls.js"
import * as options from "./options.js"
import * as requestBody from "./requestBody.js"

export type Fetch = typeof globalThis.fetch

/** One call of the program's, from its first attempt to its last. */
export interface Exchange {
  /** What is sent goes to this very text, and its origin is the one that is checked. */
  readonly url: string
  readonly method: string
  readonly headers: Headers
  /** Says whether the body can be sent again; what is sent is up to `send`. */
  readonly body: HttpBody.HttpBody
  readonly signal: AbortSignal | undefined
  readonly redirect: RequestRedirect | undefined
  /** Sends it to where the program said. */
  readonly send: (init: RequestInit) => Promise<Response>
  /** Sends it to the target of a redirect. */
  readonly sendTo: (target: string, init: RequestInit, withBody: boolean) => Promise<Response>
  /** Says that the call is over. */
  readonly release: (reason: unknown) => void
  /** The response of the last attempt. */
  answer: Response | undefined
  /** How it was sent: after how many redirects that were followed by hand, and whether `fetch` would follow another. */
  hops: number
  stopsAtRedirect: boolean
}

/** Throws as `fetch` does for arguments that it does not take. */
export const read = (fetch: Fetch, input: string | URL | Request, init: RequestInit | undefined): Exchange =>
  isRequest(input)
    ? fromRequest(fetch, new Request(input, init), options.unknownOf(init ?? {}))
    : fromOptions(fetch, hrefOf(input), options.copyOf(init ?? {}))

const isRequest = (input: unknown): input is Request => typeof Request === "function" && input instanceof Request

/** The text is parsed once, so that no two parsers can read two origins in it. */
const hrefOf = (input: string | URL): string => {
  if (typeof input === "object" && typeof (input as { readonly url?: unknown }).url === "string") throw foreignRequest
  const text = String(input)
  return urls.parse(text)?.href ?? text
}

const foreignRequest = new InvalidConfiguration({
  fields: ["input"],
  detail: "it is a Request of another class than globalThis.Request (of undici, of node-fetch, or of another realm), " +
    "which cannot be copied here. Give its url, and its method, headers and body as options, or use globalThis.Request."
})

const unsent = { answer: undefined, hops: 0, stopsAtRedirect: false }

const fromOptions = (fetch: Fetch, url: string, init: RequestInit): Exchange => {
  const { body, duplex: _, ...rest } = init as RequestInit & { readonly duplex?: unknown }
  return {
    ...unsent,
    url,
    method: (init.method ?? "GET").toUpperCase(),
    headers: new Headers(init.headers),
    body: body === undefined || body === null
      ? HttpBody.empty
      : HttpBody.raw(options.isRepeatable(body) ? "" : body),
    signal: init.signal ?? undefined,
    redirect: init.redirect,
    send: (changed) => fetch(url, { ...init, ...changed }),
    sendTo: (target, changed, withBody) => fetch(target, { ...withBody ? init : rest, ...changed }),
    release: () => {}
  }
}

const fromRequest = (fetch: Fetch, request: Request, more: RequestInit): Exchange => {
  const kept = request.body === null ? undefined : requestBody.make(request)
  return {
    ...unsent,
    url: request.url,
    method: request.method,
    headers: request.headers,
    body: kept === undefined ? HttpBody.empty : HttpBody.raw(kept.mark),
    signal: request.signal,
    redirect: request.redirect,
    send: (changed) => {
      const next = kept === undefined ? new Request(request, changed) : kept.next(changed)
      return Object.keys(more).length === 0 ? fetch(next) : fetch(next, more)
    },
    sendTo: (target, changed, withBody) =>
      fetch(target, {
        ...options.ofRequest(request),
        ...more,
        signal: request.signal,
        ...changed,
        ...withBody && kept !== undefined ? { body: kept.again() } : {}
      }),
    release: (reason) => kept?.release(reason)
  }
}
