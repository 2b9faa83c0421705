/** Which proxy the HTTP client takes for a URL: as undici reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
import type { Environment } from "../../settings/places.js"

export interface Proxy {
  readonly url: URL
  /** The variable that names it. */
  readonly variable: string
}

const named = (environment: Environment, ...names: ReadonlyArray<string>): Proxy | undefined => {
  for (const variable of names) {
    const value = environment[variable] ?? ""
    if (value !== "" && URL.canParse(value)) return { url: new URL(value), variable }
  }
  return undefined
}

const portOf = ({ port, protocol }: URL): number => port !== "" ? Number(port) : protocol === "https:" ? 443 : 80

const bypasses = (url: URL, list: string): boolean => {
  if (list.trim() === "*") return true
  const host = url.hostname.toLowerCase()
  return list.split(/[,\s]+/).filter((entry) => entry !== "").some((entry) => {
    const [, name = "", port] = /^(.+?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    if (port !== undefined && Number(port) !== portOf(url)) return false
    return /^[.*]/.test(name) ? host.endsWith(name.replace(/^\*/, "")) : host === name
  })
}

export const of = (url: URL, environment: Environment): Proxy | undefined => {
  if (bypasses(url, environment["no_proxy"] ?? environment["NO_PROXY"] ?? "")) return undefined
  const http = ["http_proxy", "HTTP_PROXY"]
  return named(environment, ...url.protocol === "https:" ? ["https_proxy", "HTTPS_PROXY", ...http] : http)
}

/** Where to connect to. */
export const address = (url: URL): { readonly host: string; readonly port: number; readonly tls: boolean } => ({
  host: url.hostname.replace(/^\[|\]$/g, ""),
  port: portOf(url),
  tls: url.protocol === "https:"
})
