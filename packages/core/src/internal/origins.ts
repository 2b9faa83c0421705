import * as Either from "effect/Either"
import { InvalidConfiguration } from "../TokenError.js"
import { isLoopback } from "./checks.js"

/** Where a URL leads, as far as a list of origins can tell. */
export type Verdict = "allowed" | "other" | "relative"

/** Origins a token may go to. */
export interface Origins {
  readonly check: (url: string) => Verdict
}

/** Checks the list once, so that the check of a request is a comparison of strings. */
export const make = (entries: ReadonlyArray<string | URL>): Either.Either<Origins, InvalidConfiguration> => {
  if (!Array.isArray(entries) || entries.length === 0) {
    return Either.left(
      invalid("the list is empty. Name the origins that may see the token: [\"https://api.example.com\"].")
    )
  }
  const allowed = new Set<string>()
  for (const entry of entries) {
    const origin = parseOrigin(entry)
    if (Either.isLeft(origin)) return Either.left(origin.left)
    allowed.add(origin.right)
  }
  const list = Array.from(allowed)
  return Either.right({
    check: (url) => {
      // The usual spelling is recognised without parsing. The origin must be followed by the end of the authority:
      // `https://api.example.com.evil.org` and `https://api.example.com@evil.org` begin with an allowed one, too.
      for (let i = 0; i < list.length; i++) {
        const origin = list[i]!
        if (url.startsWith(origin) && endsAuthority(url, origin.length)) return "allowed"
      }
      // Anything else is left to the parser that the HTTP client uses: case, default ports, tabs, backslashes.
      const origin = originOf(url)
      return origin === undefined ? "relative" : allowed.has(origin) ? "allowed" : "other"
    }
  })
}

/** The origin of an absolute URL. */
export const originOf = (url: string): string | undefined => {
  try {
    return new URL(url).origin
  } catch {
    return undefined
  }
}

const endsAuthority = (url: string, index: number): boolean => {
  if (url.length === index) return true
  const c = url.charCodeAt(index)
  return c === 0x2f /* / */ || c === 0x3f /* ? */ || c === 0x23 /* # */
}

const parseOrigin = (entry: string | URL): Either.Either<string, InvalidConfiguration> => {
  let url: URL
  try {
    url = new URL(entry)
  } catch {
    return Either.left(invalid(`${show(entry)} is no URL. Write scheme, host and port: "https://api.example.com".`))
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return Either.left(invalid(`${show(entry)} has no https: scheme.`))
  }
  if (url.username !== "" || url.password !== "") {
    return Either.left(invalid(`the entry for ${url.origin} holds user info. Remove it.`))
  }
  if (url.hostname.includes("*")) {
    return Either.left(invalid(`${show(entry)} holds a wildcard. Name each host: a token goes to no other.`))
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return Either.left(
      invalid(`${url.origin}${url.pathname} is more than an origin. Write "${url.origin}": paths are not told apart.`)
    )
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return Either.left(
      invalid(`${url.origin} would get the token unencrypted. Use https: (http: is for loopback only).`)
    )
  }
  return Either.right(url.origin)
}

// An entry that is no URL can still hold a password.
const show = (entry: unknown): string => {
  const text = String(entry)
  return text.includes("@") ? "An entry with user info" : JSON.stringify(text.slice(0, 200))
}

const invalid = (detail: string): InvalidConfiguration => new InvalidConfiguration({ fields: ["origins"], detail })
