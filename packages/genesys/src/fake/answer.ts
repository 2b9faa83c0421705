// The answers of the fake cloud, as Genesys Cloud writes them.
import type * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"

export const tokenPath = "/oauth/token"

export interface Incoming {
  readonly method: string
  readonly host: string
  /** The region the host belongs to, or the loopback address. */
  readonly environment: string
  /** `both` at the loopback address. */
  readonly role: "login" | "api" | "both"
  readonly url: URL
  readonly headers: Headers.Headers
  readonly body: string
  readonly at: number
  readonly correlationId: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers,
  body: JSON.stringify(value)
})

export const oauthError = (
  status: number,
  error: string,
  description: string,
  headers: Readonly<Record<string, string>> = {}
): Answer => json({ error, description, error_description: description }, status, headers)

export const apiError = (
  incoming: Incoming,
  status: number,
  code: string,
  message: string,
  messageParams: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {}
): Answer =>
  json(
    {
      message,
      code,
      status,
      contextId: incoming.correlationId,
      messageWithParams: message,
      messageParams,
      details: [],
      errors: []
    },
    status,
    headers
  )

export const notFound = (incoming: Incoming, message: string): Answer => apiError(incoming, 404, "not.found", message)

export const seconds = (duration: Duration.DurationInput): string => String(Math.ceil(Duration.toSeconds(duration)))

export const tooMany = (wait: string): string => `Rate limit exceeded. Retry the request in [${wait}] seconds`
