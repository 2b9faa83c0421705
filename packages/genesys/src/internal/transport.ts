// Makes an error of a call that got no reply.
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { type Disclosure, url } from "effect-bearer/Disclosure"
import * as GenesysError from "../GenesysError.js"

export interface Target {
  readonly method: string
  /** Origin and path. */
  readonly url: string
}

/** Origin and path: a query can hold anything, and so can a text that is no URL. */
export const target = (request: { readonly method: string; readonly url: string }): Target => ({
  method: request.method,
  url: url(request.url)
})

export const timedOut = (target: Target, limit: Duration.Duration): GenesysError.ApiTimeout =>
  new GenesysError.ApiTimeout({ ...target, limit })

/**
 * Nothing of the original is kept but a code and a sentence without values: it holds the request with its token. Once
 * there is a response the sentence may quote it, and any word of a success may be a secret.
 */
export const unreachable = (
  target: Target,
  error: unknown,
  disclosure: Disclosure,
  /** Whether a response has begun; by default that is found out from the error. */
  isAnswered = false
): GenesysError.ApiUnreachable => {
  const found = trace(error)
  const strings = (name: string, of: ReadonlyArray<object>) =>
    of.flatMap((item) => {
      const value = (item as Record<string, unknown>)[name]
      return typeof value === "string" && value !== "" ? [value] : []
    })
  const codes = strings("code", found)
  // an HttpClientError says only the URL, with its query
  const messages = strings("message", found.filter((item) => !("request" in item)))
  const last = messages[messages.length - 1]
  const shown = isAnswered || found.some(hasResponse) ? disclosure.strict : disclosure.text
  return new GenesysError.ApiUnreachable({
    ...target,
    code: Option.map(Option.fromNullable(codes[codes.length - 1]), disclosure.code),
    detail: last === undefined ? "the connection failed" : shown(withoutValues(last), 200)
  })
}

const hasResponse = (item: object): boolean => "response" in item && item.response !== undefined

const urls = /\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>]*/gi

const withoutValues = (message: string): string =>
  message.slice(0, 2000).replace(urls, "(url)").replace(/"[^"]*"?/g, "\"…\"")

/** Follows `cause` and the members of an AggregateError. An error may be its own cause, so there is an end to it. */
const trace = (error: unknown): ReadonlyArray<object> => {
  const found: Array<object> = []
  const queue: Array<unknown> = [error]
  while (queue.length > 0 && found.length < 16) {
    const next = queue.shift()
    if (typeof next !== "object" || next === null || found.includes(next)) continue
    found.push(next)
    const { cause, errors } = next as { readonly cause?: unknown; readonly errors?: unknown }
    if (Array.isArray(errors)) queue.push(...errors.slice(0, 8))
    queue.push(cause)
  }
  return found
}

export const isInvalid = (error: HttpClientError.HttpClientError): boolean =>
  error._tag === "RequestError" && (error.reason === "InvalidUrl" || error.reason === "Encode")
