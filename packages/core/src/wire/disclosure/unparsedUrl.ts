// Says what may be shown of a URL. A text that is none may hold a password anywhere, so no part of it is quoted.
import * as urls from "../../values/urls.js"

/** The schemes that may be named: any other text before a colon may be a secret. */
const schemes: ReadonlySet<string> = new Set(
  "http https ws wss ftp file data blob urn unix tcp tls redis rediss postgres postgresql mysql mongodb amqp amqps"
    .split(" ")
)

const most = 20_000

/** The scheme of a text, if it has one that is well-known. */
export const scheme = (text: string): string | undefined => {
  const name = /^([a-z][a-z0-9+.-]{0,30}):/i.exec(text)?.[1]!.toLowerCase()
  return name !== undefined && schemes.has(name) ? name : undefined
}

/** Origin and path of a URL of `http` or `https`, or the description of a text that is none. */
export const shown = (url: string | URL): string => {
  const text = String(url)
  const parsed = urls.parse(text)
  if (parsed === undefined) return describe(text)
  const { origin, pathname, protocol } = parsed
  return protocol === "https:" || protocol === "http:" ? origin + pathname : describe(text)
}

/** "a text of 31 characters that begins with https: and breaks at character 14: the port is no number up to 65535". */
const describe = (text: string): string => {
  if (text.trim() === "") return "a blank text"
  const known = scheme(text)
  const beginning = known !== undefined
    ? `begins with ${known}:`
    : text.startsWith("//")
    ? "begins with //, without a scheme"
    : text.startsWith("/")
    ? "is a path alone"
    : "begins with no known scheme"
  const found = text.length > most ? undefined : fault(text, known)
  return `a text of ${text.length} ${text.length === 1 ? "character" : "characters"} that ${beginning}` +
    (found === undefined ? "" : ` and breaks at character ${found.at + 1}: ${found.what}`)
}

interface Fault {
  /** From 0. */
  readonly at: number
  readonly what: string
}

const fault = (text: string, known: string | undefined): Fault | undefined => {
  const start = known === undefined ? text.startsWith("//") ? 2 : -1 : afterSlashes(text, known.length + 1)
  if (start < 0) return undefined
  const end = text.slice(start).search(/[/?#\\]/)
  const authority = end < 0 ? text.slice(start) : text.slice(start, start + end)
  if (authority === "") return { at: start, what: "there is no host" }
  const at = authority.lastIndexOf("@")
  // an unescaped delimiter in a password ends the host too early
  if (at < 0 && end >= 0 && text.includes("@", start + end)) {
    return { at: start + end, what: `"${text[start + end]}" has to be escaped before an @` }
  }
  return hostFault(authority.slice(at + 1), start + at + 1)
}

const afterSlashes = (text: string, from: number): number => {
  let index = from
  while (text[index] === "/" || text[index] === "\\") index++
  return index
}

const hostFault = (host: string, start: number): Fault | undefined => {
  if (host === "") return { at: start, what: "there is no host" }
  if (host.startsWith("[") && !/^\[[0-9a-f:.]*\](?::|$)/i.test(host)) {
    return { at: start, what: "no address is in the brackets" }
  }
  const odd = host.startsWith("[") ? -1 : host.search(/[\s<>^|%[\]]/)
  if (odd >= 0) return { at: start + odd, what: "a host has no such character" }
  const port = /:([^:\]]*)$/.exec(host)
  return port !== null && !(/^\d*$/.test(port[1]!) && Number(port[1]) <= 65_535)
    ? { at: start + port.index + 1, what: "the port is no number up to 65535" }
    : undefined
}
