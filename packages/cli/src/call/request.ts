/** What a call asks for, out of the words of the command line. No value is repeated in a message: it may be a secret. */
import * as Either from "effect/Either"
import { isLoopback } from "effect-bearer/Loopback"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"

/** GET and its like; what is left of HTTP needs a connection of its own. */
export const methodOf = (text: string): Either.Either<string, Failure> => {
  const method = text.toUpperCase()
  return /^[A-Z][A-Z-]{0,30}$/.test(method) && method !== "CONNECT" && method !== "TRACE"
    ? Either.right(method)
    : Either.left(usage("The first argument is a method, such as GET or POST, and the second a URL."))
}

/** Headers that say how the request is sent, which the client knows by itself. */
const framing = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

const wrongHeader = usage("-H takes a header as in HTTP: -H 'Name: value'.")

/** One header of each name; what is given several times is joined, as RFC 9110 §5.3 has it. */
export const headersOf = (
  lines: ReadonlyArray<string>
): Either.Either<Readonly<Record<string, string>>, Failure> => {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]{1,100}):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? []
    const key = name.toLowerCase()
    if (key === "" || value === "" || !/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value)) return Either.left(wrongHeader)
    if (key === "authorization") {
      return Either.left(usage("-H takes no Authorization: this command sends the token of the profile, and no other."))
    }
    if (framing.has(key)) return Either.left(usage(`-H takes no ${key}: the client sets it.`))
    const before = headers.get(key)
    headers.set(key, before === undefined ? value : `${before}${key === "cookie" ? "; " : ", "}${value}`)
  }
  return Either.right(Object.fromEntries(headers))
}

/** Where the body comes from. */
export type Data =
  | { readonly _tag: "None" }
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Input" }

export const dataOf = (values: ReadonlyArray<string>): Either.Either<Data, Failure> => {
  const [first, ...more] = values
  if (first === undefined) return Either.right({ _tag: "None" })
  if (!values.some((value) => value.startsWith("@"))) return Either.right({ _tag: "Text", text: values.join("&") })
  if (more.length > 0) {
    return Either.left(usage("-d @FILE stands alone: several -d are texts, which are joined by \"&\"."))
  }
  return first === "@"
    ? Either.left(usage("-d @FILE needs the name of a file, or - for standard input."))
    : Either.right(first === "@-" ? { _tag: "Input" } : { _tag: "File", path: first.slice(1) })
}

/** What begins like JSON is taken for it. */
export const contentTypeOf = (beginning: string, otherwise: string): string =>
  /^\uFEFF?\s*[[{]/.test(beginning) ? "application/json" : otherwise

/** Where a call goes. */
export interface Target {
  /** Without user info and fragment. */
  readonly url: string
  readonly origin: string
}

const originIn = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) ? url.origin : undefined
}

export const targetOf = (
  text: string,
  { from, name, origins, more }: {
    /** The profile: what it is called, where it is written, and its origins. */
    readonly name: string
    readonly from: string
    readonly origins: ReadonlyArray<string>
    /** For this call alone. */
    readonly more: ReadonlyArray<string>
  }
): Either.Either<Target, Failure> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return Either.left(usage("The second argument is an absolute URL, such as https://api.example.com/users."))
  }
  if (url.username !== "" || url.password !== "") {
    return Either.left(usage("The URL holds user info. Remove it: this command sends the token of the profile."))
  }
  const { hostname, origin, protocol } = url
  if (protocol === "http:" && !isLoopback(hostname)) {
    return Either.left(
      usage(`${origin} is not https: the token would travel unencrypted. Nothing was sent.`)
    )
  }
  if (more.some((one) => originIn(one) === undefined)) {
    return Either.left(usage("--origin takes scheme, host and port: --origin https://api.example.com"))
  }
  const known = [...origins, ...more].map(originIn)
  if (!known.includes(origin)) {
    const why = origins.length === 0
      ? `The profile "${name}" names no API that may have its token`
      : `The profile "${name}" is for ${origins.slice(0, 10).join(", ")}, and not for ${origin}`
    const where = from === "the environment"
      ? `set OAUTH_API_URL=${origin}`
      : `add it to the "origins" of the profile in ${from}`
    return Either.left(usage(
      `${why}: nothing was sent. If ${origin} may have the token, ${where}, or for this call alone give --origin ${origin}.`
    ))
  }
  url.hash = ""
  return Either.right({ url: url.href, origin })
}
