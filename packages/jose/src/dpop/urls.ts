// URLs of requests.

export const parse = (url: string | URL): URL | undefined => {
  const text = String(url)
  return URL.canParse(text) ? new URL(text) : undefined
}
