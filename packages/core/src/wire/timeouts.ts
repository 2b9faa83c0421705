// The limits of time of a request; published by TokenEndpoint.
import type * as Duration from "effect/Duration"

/**
 * Time limits of one exchange, all measured by Effect's `Clock`.
 *
 * - `total`: from evaluating the secret to the last byte. Default 10 seconds; 12 for `TokenSource.refreshToken`.
 * - `connect`: until the head of the response is there. Name lookup, TCP, TLS, sending, and the server's own work all
 *   count, because an `HttpClient` does not tell them apart. Default none: `total` applies.
 * - `read`: the longest silence between two pieces of the body. Default 10 seconds.
 *
 * A limit on the TCP and TLS handshake alone belongs to the HTTP client. For 3.05 seconds on Node.js, give
 * `NodeHttpClient.layerUndiciWithoutDispatcher` a dispatcher `new Agent({ connect: { timeout: 3050 } })`; when it
 * runs out, the error is an `EndpointTimeout` of phase `"connect"` here too. Only the limit of the HTTP client proves
 * that nothing was sent; a refresh token that rotates is not sent again after one of the limits above.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  readonly total?: Duration.DurationInput | undefined
  readonly connect?: Duration.DurationInput | undefined
  readonly read?: Duration.DurationInput | undefined
}
