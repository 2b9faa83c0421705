// The options of the authorization server and what it records; published by AuthorizationServer.
import type * as Duration from "effect/Duration"
import type { Reply } from "../Reply.js"

/**
 * A token request as the server saw it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest {
  /** Epoch milliseconds, by the Clock. */
  readonly at: number
  readonly method: string
  readonly url: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The body, decoded; of a repeated parameter the last value. */
  readonly form: Readonly<Record<string, string>>
  /** The body, decoded, with repeated parameters. */
  readonly params: ReadonlyArray<readonly [name: string, value: string]>
  /** The body as it came. */
  readonly body: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `expires_in` of the tokens, in seconds; `null` leaves it out. Whole or not, below zero too. Default 3600. */
  readonly expiresIn?: number | null | undefined
  /** Time between a request and its answer. Default none. */
  readonly latency?: Duration.DurationInput | undefined
  /** Further members of every token response. */
  readonly members?: Readonly<Record<string, unknown>> | undefined
  /** Tokens are this and a number. Default `"token-"`. */
  readonly prefix?: string | undefined
  /** Decides each answer; a reply from the queue and an outage go first. Default: {@link Reply.token}. */
  readonly answer?: ((request: RecordedRequest, count: number) => Reply) | undefined
}
