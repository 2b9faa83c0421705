// A response, as far as it was read; published by TokenResponse.
import type * as Headers from "@effect/platform/Headers"

/**
 * The response.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: Uint8Array
  /** The body was longer than the part that was read. */
  readonly overflow: boolean
  /** The coding of a compressed body that could not be decompressed; `body` is empty then. */
  readonly compressed?: string | undefined
}
