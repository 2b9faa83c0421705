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
  return navigator?.userAgent === "Cloudflare-Workers" || typeof EdgeRuntime === "string"
}

/** Whether `fetch` may carry `Authorization` along when it follows a redirect to another origin: in workerd. */
export const carriesHeadersAlong = (): boolean =>
  (globalThis as { readonly navigator?: { readonly userAgent?: unknown } }).navigator?.userAgent ===
    "Cloudflare-Workers"
