// A list of origins that a token may go to.
import * as Either from "effect/Either"
import { isLoopback } from "../../values/Loopback.js"
import { InvalidConfiguration } from "../../values/TokenError.js"
import * as Disclosure from "../../wire/Disclosure.js"

/** What a list of origins says about a URL. */
export type Verdict = "allowed" | "other" | "relative"

/** Origins a token may go to. */
export interface Origins {
  readonly list: ReadonlyArray<string>
  readonly check: (url: string) => Verdict
}

/**
 * Checks the lists once, so that the check of a request is a comparison of strings. `plainHttp` names the origins that
 * may be reached without TLS beside loopback; they are allowed whether or not `entries` names them, too.
 */
export const make = (
  entries: ReadonlyArray<string | URL>,
  plainHttp: ReadonlyArray<string | URL>
): Either.Either<Origins, InvalidConfiguration> => {
  if (!Array.isArray(entries) || entries.length === 0) {
    return Either.left(
      invalid("the list is empty. Name the origins that may see the token: [\"https://api.example.com\"].")
    )
  }
  if (!Array.isArray(plainHttp)) {
    return Either.left(invalid(
      "it is a list of origins, for example [\"http://billing.mesh.local:8080\"]: each one is named.",
      "plainHttpOrigins"
    ))
  }
  const unencrypted = new Set<string>()
  for (const entry of plainHttp) {
    const origin = parseOrigin(entry, "plainHttpOrigins")
    if (Either.isLeft(origin)) return Either.left(origin.left)
    if (origin.right.protocol !== "http:") {
      return Either.left(invalid(`${origin.right.origin} is no http: origin. Name it in origins.`, "plainHttpOrigins"))
    }
    unencrypted.add(origin.right.origin)
  }
  const allowed = new Set<string>()
  for (const entry of entries) {
    const url = parseOrigin(entry, "origins")
    if (Either.isLeft(url)) return Either.left(url.left)
    const { hostname, origin, protocol } = url.right
    if (protocol === "http:" && !isLoopback(hostname) && !unencrypted.has(origin)) {
      return Either.left(invalid(
        `${origin} would get the token unencrypted. Use https: (http: is for loopback only). If it is reached ` +
          "through a service mesh or another network that you trust, name it in plainHttpOrigins."
      ))
    }
    allowed.add(origin)
  }
  unencrypted.forEach((origin) => allowed.add(origin))
  return Either.right(fromSet(allowed))
}

/** Origins that a setting is limited to. They do not permit sending a token, so their scheme does not matter. */
export const makeSelection = (
  entries: ReadonlyArray<string | URL>
): Either.Either<Origins, InvalidConfiguration> => {
  if (!Array.isArray(entries) || entries.length === 0) {
    return Either.left(invalid("the list of an override is empty. Name the origins that it is for."))
  }
  const selected = new Set<string>()
  for (const entry of entries) {
    const url = parseOrigin(entry, "origins")
    if (Either.isLeft(url)) return Either.left(url.left)
    selected.add(url.right.origin)
  }
  return Either.right(fromSet(selected))
}

const fromSet = (allowed: ReadonlySet<string>): Origins => {
  const list = Array.from(allowed)
  return {
    list,
    check: (url) => {
      // The usual spelling is recognised without parsing. The origin must be followed by the end of the authority:
      // `https://api.example.com.evil.org` and `https://api.example.com@evil.org` begin with an allowed origin, too.
      for (let i = 0; i < list.length; i++) {
        const origin = list[i]!
        if (url.startsWith(origin) && endsAuthority(url, origin.length)) return "allowed"
      }
      // Any other spelling (case, default ports, tabs, backslashes) is left to the parser that the HTTP client uses.
      const origin = originOf(url)
      return origin === undefined ? "relative" : allowed.has(origin) ? "allowed" : "other"
    }
  }
}

/**
 * The origin of an absolute URL; `"null"` if there is none. For a `blob:` URL the parser gives the origin that made it.
 */
export const originOf = (url: string): string | undefined => {
  try {
    const { origin, protocol } = new URL(url)
    return protocol === "https:" || protocol === "http:" ? origin : "null"
  } catch {
    return undefined
  }
}

const endsAuthority = (url: string, index: number): boolean => {
  if (url.length === index) return true
  const c = url.charCodeAt(index)
  return c === 0x2f /* / */ || c === 0x3f /* ? */ || c === 0x23 /* # */
}

const parseOrigin = (
  entry: string | URL,
  field: "origins" | "plainHttpOrigins"
): Either.Either<URL, InvalidConfiguration> => {
  let url: URL
  try {
    url = new URL(entry)
  } catch {
    return Either.left(
      invalid(`${Disclosure.url(entry)} is no URL. Write scheme, host and port: "https://api.example.com".`, field)
    )
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return Either.left(invalid(`${Disclosure.url(entry)} has no https: scheme.`, field))
  }
  if (url.username !== "" || url.password !== "") {
    return Either.left(invalid(`the entry for ${url.origin} holds user info. Remove it.`, field))
  }
  if (url.hostname.includes("*")) {
    return Either.left(invalid(`${url.origin} holds a wildcard. Name each host: a token goes to no other.`, field))
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return Either.left(invalid(
      // behind an @ further on, what looks like host and port may be a user name and a password
      /@|%40/.test(url.pathname + url.search + url.hash)
        ? "an entry holds an @ after its host. Write scheme, host and port, without user info and path."
        : `an entry for ${url.origin} holds more than an origin. Write "${url.origin}": paths are not told apart.`,
      field
    ))
  }
  return Either.right(url)
}

const invalid = (detail: string, field: "origins" | "plainHttpOrigins" = "origins"): InvalidConfiguration =>
  new InvalidConfiguration({ fields: [field], detail })
