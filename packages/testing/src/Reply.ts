/**
 * What the scripted authorization server answers: tokens, refusals, and every fault a network can produce. A reply is
 * plain data, so one script drives the in-memory server and the one on a real socket alike.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Settings from "effect-bearer/Settings"

/**
 * One answer. Build it with the functions of this module.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply = Data.TaggedEnum<{
  /** A numbered token, with `members` laid over the usual JSON members; `undefined` removes a member. */
  Token: {
    readonly status: number
    readonly members: Readonly<Record<string, unknown>>
    readonly delay: Duration.Duration
  }
  /** A head and a body, as given; the body may come in pieces and need not end well. */
  Respond: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: Iterable<string | Uint8Array>
    /** Time before every piece of the body. */
    readonly interval: Duration.Duration
    /** After the last piece: end as usual, reset the connection, or say nothing more. */
    readonly end: "complete" | "reset" | "hang"
    readonly delay: Duration.Duration
  }
  /** No answer: the connection is reset before the first byte. */
  Reset: { readonly code: string; readonly delay: Duration.Duration }
  /** No answer, ever: the connection stays open. */
  Hang: { readonly delay: Duration.Duration }
  /** Bytes straight onto the socket, HTTP or not; in memory it is a reset. */
  Raw: { readonly bytes: string | Uint8Array; readonly delay: Duration.Duration }
}>

const anyDelay = Settings.duration(0)

const { Hang, Raw, Reset, Respond, Token } = Data.taggedEnum<Reply>()

/**
 * The next numbered token (`token-1`, `token-2`, …). `members` adds to the JSON object or replaces members of it;
 * `null` as a value is sent as `null`, `undefined` removes the member.
 *
 * @since 0.1.0
 * @category constructors
 */
export const token = (members: Readonly<Record<string, unknown>> = {}, status = 200): Reply =>
  Token({ status, members, delay: Duration.zero })

/**
 * Any answer. A body in pieces (an iterable that is no string and no bytes) is sent without `Content-Length`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const respond = (options: {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array | Iterable<string | Uint8Array> | undefined
  readonly interval?: Duration.DurationInput | undefined
  readonly end?: "complete" | "reset" | "hang" | undefined
}): Reply =>
  Respond({
    status: options.status ?? 200,
    headers: options.headers ?? {},
    body: options.body === undefined
      ? []
      : typeof options.body === "string" || options.body instanceof Uint8Array
      ? [options.body]
      : options.body,
    interval: Duration.millis(Settings.value(anyDelay, options.interval)),
    end: options.end ?? "complete",
    delay: Duration.zero
  })

/**
 * A JSON answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (
  body: unknown,
  options: { readonly status?: number | undefined; readonly headers?: Readonly<Record<string, string>> | undefined } =
    {}
): Reply =>
  respond({
    status: options.status,
    headers: { "content-type": "application/json", ...options.headers },
    body: JSON.stringify(body)
  })

/**
 * A refusal in the words of RFC 6749 §5.2; status 400 unless given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const oauthError = (
  error: string,
  options: {
    readonly status?: number | undefined
    readonly description?: string | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
  } = {}
): Reply =>
  json(
    { error, ...(options.description === undefined ? {} : { error_description: options.description }) },
    { status: options.status ?? 400, headers: options.headers }
  )

/**
 * A bare status with an empty body, for example `status(503, { "retry-after": "2" })`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const status = (status: number, headers: Readonly<Record<string, string>> = {}): Reply =>
  respond({ status, headers })

/**
 * A page, as proxies, captive portals and firewalls send it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const html = (body = "<!doctype html><html><body>Sign in</body></html>", status = 200): Reply =>
  respond({ status, headers: { "content-type": "text/html; charset=utf-8" }, body })

/**
 * A redirect; 307 unless given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const redirect = (location: string | URL, status = 307): Reply =>
  respond({ status, headers: { location: String(location) } })

/**
 * The connection is reset before the first byte of an answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reset = (code = "ECONNRESET"): Reply => Reset({ code, delay: Duration.zero })

/**
 * The connection is reset in the middle of the body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resetBody = (sent = "{\"access_token\":\"tok"): Reply =>
  respond({ headers: { "content-type": "application/json", "content-length": "500" }, body: [sent], end: "reset" })

/**
 * The request is taken and never answered.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hang: Reply = Hang({ delay: Duration.zero })

/**
 * The head and the first bytes arrive, then nothing more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hangBody = (sent = "{\"access_token\":\"tok"): Reply =>
  respond({ headers: { "content-type": "application/json" }, body: [sent], end: "hang" })

/**
 * One byte of `body` every `interval`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const drip = (body: string, interval: Duration.DurationInput): Reply =>
  respond({ headers: { "content-type": "application/json" }, body: Array.from(body), interval })

/**
 * A body of `bytes` bytes, in pieces of 64 KiB, made while it is read.
 *
 * @since 0.1.0
 * @category constructors
 */
export const huge = (bytes: number, status = 200): Reply =>
  respond({
    status,
    headers: { "content-type": "application/json" },
    body: {
      *[Symbol.iterator]() {
        const piece = new Uint8Array(65_536).fill(0x20)
        for (let left = bytes; left > 0; left -= piece.length) {
          yield left >= piece.length ? piece : piece.subarray(0, left)
        }
      }
    }
  })

/**
 * A `Content-Length` that is not the length of the body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const wrongLength = (body: string, contentLength: number): Reply =>
  respond({ headers: { "content-type": "application/json", "content-length": String(contentLength) }, body: [body] })

/**
 * Bytes straight onto the socket, whether they are HTTP or not. In memory it is a reset.
 *
 * @since 0.1.0
 * @category constructors
 */
export const raw = (bytes: string | Uint8Array): Reply => Raw({ bytes, delay: Duration.zero })

/**
 * The same reply, begun later.
 *
 * @since 0.1.0
 * @category combinators
 */
export const delayed = (self: Reply, delay: Duration.DurationInput): Reply => ({
  ...self,
  delay: Duration.millis(Settings.value(anyDelay, delay))
})
