/** What is said about an answer, or about none: never what is in it, and nothing of the request but its origin. */
import { STATUS_CODES } from "node:http"
import * as Cookies from "@effect/platform/Cookies"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Challenge from "effect-bearer/Challenge"
import * as Disclosure from "effect-bearer/Disclosure"
import { exitCodes, Failure } from "../output/failure.js"

type Response = HttpClientResponse.HttpClientResponse

const statusLine = (status: number): string => `${status} ${STATUS_CODES[status] ?? ""}`.trim()

/** Status and headers as curl shows them; the version is not known here, and what no one sees is left out. */
export const head = (response: Response): string => {
  const headers = Object.entries(response.headers).filter(([name]) => name !== "set-cookie")
    .map(([name, value]) => `${name}: ${Disclosure.printable(value)}`)
  const cookies = Cookies.toSetCookieHeaders(response.cookies).map((cookie) =>
    `set-cookie: ${Disclosure.printable(cookie)}`
  )
  return [`HTTP/1.1 ${statusLine(response.status)}`, ...headers, ...cookies, "", ""].join("\r\n")
}

/** Where a redirect leads, as far as it is told. */
const redirect = (response: Response, url: string): string | undefined => {
  const location = response.headers["location"]
  if (response.status < 300 || response.status > 399 || location === undefined) return undefined
  const target = URL.canParse(location, url) ? new URL(location, url).origin : "a place that is no URL"
  return `The API answered ${statusLine(response.status)} and leads to ${target}. Redirects are not followed.`
}

const challenge = (response: Response): string => {
  const found = Option.getOrUndefined(Challenge.bearer(response.headers))
  if (found === undefined) return ""
  const { text } = Disclosure.make([])
  const parts = [
    Option.getOrUndefined(found.error),
    Option.getOrUndefined(found.errorDescription),
    found.scope.length === 0 ? undefined : `scopes wanted: ${found.scope.join(" ")}`
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? "" : ` It says: ${text(parts.join("; "), 300)}.`
}

/** What a person should know about an answer, if anything. */
export const remark = (
  response: Response,
  { replays, url }: { readonly url: string; readonly replays: boolean }
): string | undefined => {
  const { status } = response
  if (status < 400) return redirect(response, url)
  const answered = `The API answered ${statusLine(status)}.`
  if (status === 401) {
    return `${answered}${challenge(response)}${
      replays ? "" : " The body cannot be sent again. The next call gets another token."
    }`
  }
  return status === 403 ? `${answered}${challenge(response)}` : answered
}

/** With `--fail`. */
export const refusal = (status: number, remark: string): Failure =>
  new Failure({ exit: status === 401 || status === 403 ? exitCodes.refused : exitCodes.failed, detail: remark })

/** What the system or the client calls it, wherever it stands. */
const codeIn = (error: unknown, depth = 0): string | undefined => {
  if (!Predicate.isRecord(error) || depth > 5) return undefined
  if (typeof error["code"] === "string") return Disclosure.make([]).code(error["code"])
  const inner = Array.isArray(error["errors"]) ? error["errors"][0] : undefined
  return codeIn(error["cause"] ?? inner, depth + 1)
}

const isTls = (code: string): boolean =>
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO|HOSTNAME_MISMATCH)/.test(code)

/** No answer, or not all of it. */
export const broken = (
  error: HttpClientError.HttpClientError,
  origin: string,
  received: number | undefined
): Failure => {
  const code = codeIn(error)
  const why = code === undefined ? "" : ` (${code})`
  const isHandshake = received === undefined && code !== undefined && isTls(code)
  return new Failure({
    exit: exitCodes.unreachable,
    code: isHandshake ? "tls-error" : "transport-error",
    detail: received !== undefined
      ? `The answer of ${origin} broke off after ${received} bytes${why}.`
      : isHandshake
      ? `The TLS handshake with ${origin} failed${why}.`
      : `${origin} could not be reached, or did not answer${why}.`
  })
}
