// What the runtime does otherwise than Node.js.

/**
 * Whether a request owns what it began: on Cloudflare Workers, and runtimes built like it, timers, sockets and promises
 * end silently when the request that began them has been answered or has gone, and one request may not resume another.
 * So work can vanish there, and each request that waits needs a timer of its own.
 */
export const isRequestBound = (): boolean => {
  const { EdgeRuntime, navigator } = globalThis as {
    readonly EdgeRuntime?: unknown
    readonly navigator?: { readonly userAgent?: unknown }
  }
  return isWorkerd(navigator) || typeof EdgeRuntime === "string"
}

/** Before the compatibility date 2022-03-21 there is no `navigator`; the other name is workerd's own. */
const isWorkerd = (navigator: { readonly userAgent?: unknown } | undefined): boolean =>
  navigator?.userAgent === "Cloudflare-Workers" || "WebSocketPair" in globalThis

/** Whether `fetch` may carry `Authorization` along when it follows a redirect to another origin: in workerd. */
export const carriesHeadersAlong = (): boolean =>
  isWorkerd((globalThis as { readonly navigator?: { readonly userAgent?: unknown } }).navigator)
