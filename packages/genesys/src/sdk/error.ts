// Errors of this library in the form in which the vendor's SDK gives errors.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { contentType } from "effect-bearer/Disclosure"
import type * as GenesysError from "../GenesysError.js"
import * as disclosures from "../internal/disclosure.js"

/** What an HTTP client of the SDK answers with, as far as anybody looks at it. */
export interface Reply {
  readonly status: number
  readonly statusText: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Parsed, if it was JSON. */
  readonly data: unknown
}

/**
 * What an SDK call is rejected with while a bridge is connected: an `Error` with the members that users of the SDK
 * look for, and none of the request.
 *
 * The members of the API's own error (`code`, `message`, `contextId`, `details`…) are members of it, as they are of what
 * the SDK rejects with by itself; so are those of its extended responses: `status`, `headers`, `body` and `error`.
 *
 * @since 0.1.0
 * @category errors
 */
export class SdkError extends Error {
  override readonly name: string = "SdkError"
  /** The status of the answer; `undefined` if there was none. */
  readonly status: number | undefined
  readonly statusText: string | undefined
  /** The code of the API (`not.found`) or of the system (`ECONNREFUSED`). */
  readonly code: string | undefined
  readonly contextId: string | undefined
  /** What the support of Genesys asks for. */
  readonly correlationId: string | undefined
  /** Whether the API said "later". */
  readonly retryable: boolean
  /** Of the answer, with names in lower case, without cookies and whatever else could be a credential. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * The body of the answer: an object if it was JSON. What could be a credential is `<redacted>`; of a success that could
   * not be read there is no body.
   */
  readonly body: unknown
  // private, for it says the same once more, and no `response`: seeing one, the SDK would refresh a token, send again
  // and reject all the same; and it would write to its log what it cannot always write, and never reject at all
  readonly #reason: GenesysError.CallError

  /** @internal */
  constructor(reason: GenesysError.CallError, options: {
    readonly reply?: Reply | undefined
    readonly secrets: ReadonlyArray<string>
  }) {
    const reply = options.reply === undefined ? undefined : withoutSecrets(options.reply, options.secrets)
    const stated: Readonly<Record<string, unknown>> = Predicate.isRecord(reply?.data) ? reply.data : {}
    super(text(stated["message"]) ?? reason.message)
    this.status = reply?.status
    this.statusText = reply?.statusText
    this.code = text(stated["code"]) ?? codeOf(reason)
    this.contextId = text(stated["contextId"])
    this.correlationId = reply?.headers[correlation]
    this.retryable = reason.retryable
    this.headers = reply?.headers ?? {}
    this.body = reply?.data
    for (const [name, value] of Object.entries(stated)) {
      if (!(name in this) && name !== "response") Object.defineProperty(this, name, { value, enumerable: true })
    }
    this.#reason = reason
  }

  /** The same in the words of this package: what `call` fails with. */
  get reason(): GenesysError.CallError {
    return this.#reason
  }

  /** The error itself: for code that looks for it in an extended response. */
  get error(): this {
    return this
  }

  toJSON(): unknown {
    return { ...this, message: this.message }
  }
}

// ---------------------------------------------------------------------------------------------------------------

const text = (u: unknown): string | undefined => typeof u === "string" && u !== "" ? u : undefined

const codeOf = (reason: GenesysError.CallError): string | undefined => {
  switch (reason._tag) {
    case "ApiError":
    case "ApiRateLimited":
    case "ApiUnavailable":
    case "ApiUnreachable":
      return Option.getOrUndefined(reason.code)
    case "OAuthError":
      return reason.error
    case "ApiTimeout":
      // what Axios calls it
      return "ECONNABORTED"
    default:
      return undefined
  }
}

/**
 * Of a refusal all that is no credential. Of a success (2xx), which is an error only because it cannot be read, nothing
 * that could be one: any text of it may be a token.
 */
const withoutSecrets = (reply: Reply, secrets: ReadonlyArray<string>): Reply => {
  const { strict, whole } = disclosures.make(secrets)
  const isSuccess = reply.status >= 200 && reply.status <= 299
  const headers = Object.entries(reply.headers).filter(([name]) =>
    name !== "set-cookie" && (!isSuccess || harmless.has(name))
  )
  return {
    status: reply.status,
    statusText: isSuccess ? strict(reply.statusText) : whole(reply.statusText) as string,
    headers: isSuccess
      ? Object.fromEntries(
        headers.map(([name, value]) => [
          name,
          name === correlation ? whole(value) as string : name === "content-type" ? contentType(value) : strict(value)
        ])
      )
      : whole(Object.fromEntries(headers)) as Reply["headers"],
    data: isSuccess ? withoutText(reply.data) : whole(reply.data)
  }
}

/** By this id Genesys Cloud finds the call. */
const correlation = "inin-correlation-id"

const harmless: ReadonlySet<string> = new Set([
  "content-type",
  "content-length",
  "content-encoding",
  "date",
  "server",
  correlation
])

/** A text that is too short to hold a credential, such as the beginning of a list. */
const withoutText = (data: unknown): unknown =>
  typeof data === "string" && data.length <= 100 && !/[^\s{}[\]":,]{4}/.test(data) ? data : undefined

/** The body as it was, or nearly: an HTTP client of the SDK parses JSON. */
export const textOf = (data: unknown): string => {
  if (typeof data === "string") return data
  try {
    return JSON.stringify(data) ?? ""
  } catch {
    return ""
  }
}
