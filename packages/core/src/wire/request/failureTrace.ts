/** What a runtime says about a failure, from the outermost error to the innermost. The texts hold no URL. */
import * as urls from "../../values/urls.js"

export interface Trace {
  readonly reasons: ReadonlyArray<string>
  readonly codes: ReadonlyArray<string>
  readonly names: ReadonlyArray<string>
  /** What the runtime was at: `connect`, `getaddrinfo`, `read` … */
  readonly syscalls: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
  /** The status of a proxy's response, if the error has a member for it. */
  readonly statuses: ReadonlyArray<number>
  /** Host and port of the URLs in the messages: never user info, path or query. */
  readonly hosts: ReadonlyArray<string>
}

const url = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]*/gi

/**
 * Deno writes the whole URL into its messages, with the query; `fetch` the header that it does not like. A host may
 * have any name, so the name must not be read as the reason of the failure.
 */
const withoutValues = (message: string): string =>
  message.slice(0, 2000).replace(url, "(url)").replace(/"[^"]*"?/g, "\"…\"").replace(/\s+/g, " ").trim()

const hostsOf = (message: string): ReadonlyArray<string> =>
  Array.from(message.slice(0, 2000).matchAll(url), ([text]) => text.replace(/[):,.;]+$/, ""))
    .flatMap((text) => urls.parse(text)?.host ?? [])

/** Follows `cause` and the members of an AggregateError. An error may be its own cause, so the depth is limited. */
export const make = (error: unknown): Trace => {
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
  const member = (name: string, of = found) =>
    of.map((item): unknown => (item as Record<string, unknown>)[name]).filter((value) =>
      typeof value === "string" && value !== ""
    ) as ReadonlyArray<string>
  // the message of an `HttpClientError` is only the URL, with its query
  const messages = member("message", found.filter((item) => !("request" in item)))
  return {
    reasons: member("reason"),
    codes: member("code"),
    names: member("name"),
    syscalls: member("syscall"),
    messages: messages.map(withoutValues),
    statuses: found.map((item) => (item as { readonly statusCode?: unknown }).statusCode)
      .filter((status) => typeof status === "number"),
    hosts: messages.flatMap(hostsOf)
  }
}
