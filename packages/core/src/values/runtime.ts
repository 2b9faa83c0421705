// What the runtime does otherwise than Node.js.

interface Globals {
  readonly Bun?: unknown
  readonly Deno?: unknown
  readonly EdgeRuntime?: unknown
  readonly navigator?: { readonly userAgent?: unknown }
  readonly process?: { readonly versions?: { readonly v8?: unknown } }
}

/**
 * Whether this is workerd, the runtime of Cloudflare Workers. It has no `navigator` with a compatibility date before
 * 2022-03-21 or the flag `no_global_navigator`; `WebSocketPair` it always has. A program on Node.js may have put that there
 * for its tests: the `process` of Node.js knows its V8, that of workerd does not.
 */
const isWorkerd = (): boolean => {
  const { Bun, Deno, navigator, process } = globalThis as Globals
  return navigator === undefined
    ? "WebSocketPair" in globalThis && Bun === undefined && Deno === undefined && process?.versions?.v8 === undefined
    : navigator.userAgent === "Cloudflare-Workers"
}

/**
 * Whether a request owns what it began: on Cloudflare Workers, and runtimes built like it, timers, sockets and promises
 * end silently when the request that began them has been answered or has gone, and one request may not resume another.
 * So work can vanish there, and each request that waits needs a timer of its own.
 */
export const isRequestBound = (): boolean => isWorkerd() || typeof (globalThis as Globals).EdgeRuntime === "string"

/** Whether `fetch` may carry `Authorization` along when it follows a redirect to another origin: in workerd. */
export const carriesHeadersAlong = isWorkerd
