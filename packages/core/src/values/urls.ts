// Reads a URL that may be none. `URL.canParse` is younger than some runtimes: Cloudflare Workers before 2022-10-31.

/** The URL, or `undefined` for a text that is none. */
export const parse = (text: string, base?: string | URL): URL | undefined => {
  try {
    return new URL(text, base)
  } catch {
    return undefined
  }
}
