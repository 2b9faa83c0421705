// URLs of requests.

/** The URL, or `undefined`. `URL.canParse` is younger than some runtimes: Cloudflare Workers of before 2022-10-31. */
export const parse = (url: string | URL): URL | undefined => {
  try {
    return new URL(String(url))
  } catch {
    return undefined
  }
}
