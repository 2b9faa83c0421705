// Connects an ApiClient once, and points it at a region.
import * as Effect from "effect/Effect"
import * as TokenError from "effect-bearer/TokenError"
import { parseUrl } from "../internal/runtime.js"
import * as Region from "../Region.js"
import type { ApiClient, SdkConfiguration } from "./contract.js"

export const connected = new WeakSet<ApiClient>()

export const claim = (apiClient: ApiClient): Effect.Effect<void, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    if (connected.has(apiClient)) {
      return Effect.fail(
        new TokenError.InvalidConfiguration({
          fields: ["apiClient"],
          detail: "it is connected already. Each organization needs an ApiClient of its own: new ApiClientClass()."
        })
      )
    }
    connected.add(apiClient)
    return Effect.void
  })

export const pointAt = (apiClient: ApiClient, region: Region.Region): void => {
  apiClient.setEnvironment(region.environment)
  // a custom region can have hosts of other names
  apiClient.config.basePath = region.apiUrl
  apiClient.config.authUrl = region.loginUrl
}

/** Behind a gateway, the SDK reaches the API at another origin: that is where the token may go then. */
export const gatewayOf = (
  config: SdkConfiguration,
  region: Region.Region
): Effect.Effect<Region.Region, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    const url = config.getConfUrl("api", region.apiUrl)
    if (url === region.apiUrl) return Effect.succeed(region)
    const origin = parseUrl(url)?.origin ?? url
    return Region.custom({ loginUrl: region.loginUrl, apiUrl: origin })
  })
