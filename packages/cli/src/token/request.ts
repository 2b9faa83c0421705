/** The token request that the options of a command say. */
import * as TokenRequest from "effect-bearer/TokenRequest"

/** What a command asks for in place of the profile's own scopes, audience and resource. */
export interface Asked {
  readonly scope?: ReadonlyArray<string> | undefined
  readonly audience?: ReadonlyArray<string> | undefined
  readonly resource?: ReadonlyArray<string> | undefined
}

const isGiven = (list: ReadonlyArray<string> | undefined): list is ReadonlyArray<string> =>
  list !== undefined && list.length > 0

/** `undefined` for the profile's own. */
export const of = ({ audience, resource, scope }: Asked): TokenRequest.TokenRequest | undefined =>
  isGiven(scope) || isGiven(audience) || isGiven(resource)
    ? TokenRequest.make({
      ...(isGiven(scope) ? { scopes: scope.join(" ") } : {}),
      ...(isGiven(audience) ? { audience } : {}),
      ...(isGiven(resource) ? { resource } : {})
    })
    : undefined
