// Whether the server may have taken a refresh token although no new tokens have arrived.
import * as Option from "effect/Option"
import type * as TokenError from "../../values/TokenError.js"
import * as neverSent from "../../wire/neverSent.js"
import * as noConnection from "../../wire/request/noConnection.js"

/**
 * Whether the server may have taken the refresh token, by the error of the exchange. A refusal proves that it did
 * not, and so does a connection that was never made.
 */
export const mayHaveBeenTaken = (error: TokenError.RequestError): boolean => {
  // it failed before a connection was made, or the server has used nothing of the request
  if (neverSent.has(error)) return false
  switch (error._tag) {
    case "EndpointTimeout":
    case "MalformedResponse":
    case "ScopeNotGranted":
      return true
    case "TransportError":
      return neverSent.isDoubtful(error) || !Option.exists(error.code, noConnection.isCode)
    case "EndpointUnavailable":
      // a gateway that gave up, or a server that failed while it handled the request
      return error.status !== 503 && error.status !== 408 && error.status !== 425
    default:
      return false
  }
}
