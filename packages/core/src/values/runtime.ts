/** Whether work on this runtime outlives the request that began it. */

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
