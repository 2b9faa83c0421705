// What the runtime does otherwise than Node.js. (The private `values/runtime` and `values/urls` of core say the same.)

interface Globals {
  readonly Bun?: unknown
  readonly Deno?: unknown
  readonly navigator?: { readonly userAgent?: unknown }
  readonly process?: { readonly versions?: { readonly v8?: unknown } }
}

/**
 * Whether this is workerd, the runtime of Cloudflare Workers: there a fiber that another request wakes would go on in that
 * one, and may do no I/O of its own. Without a `navigator` (an old compatibility date), it has `WebSocketPair`.
 */
export const isRequestBound = (): boolean => {
  const { Bun, Deno, navigator, process } = globalThis as Globals
  return navigator === undefined
    ? "WebSocketPair" in globalThis && Bun === undefined && Deno === undefined && process?.versions?.v8 === undefined
    : navigator.userAgent === "Cloudflare-Workers"
}

/** The URL, or `undefined`. `URL.canParse` is younger than some runtimes: workerd before 2022-10-31. */
export const parseUrl = (text: string): URL | undefined => {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
