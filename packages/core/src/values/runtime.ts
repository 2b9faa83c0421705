/** What this runtime promises about work that nobody waits for any more. */

/**
 * Whether a request owns what it began: on Cloudflare Workers, and runtimes built like it, timers, sockets and promises
 * end without a word when the request that began them has been answered or has left, and one request may not be resumed
 * by another. So work there can vanish, and each request that waits needs a timer of its own.
 */
export const isRequestBound = (): boolean => {
  const { EdgeRuntime, navigator } = globalThis as {
    readonly EdgeRuntime?: unknown
    readonly navigator?: { readonly userAgent?: unknown }
  }
  return navigator?.userAgent === "Cloudflare-Workers" || typeof EdgeRuntime === "string"
}
