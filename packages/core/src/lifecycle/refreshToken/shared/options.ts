// Checks the options of a shared refresh token, and fills in the defaults.
import * as Effect from "effect/Effect"
import type * as TokenError from "../../../values/TokenError.js"
import * as checks from "../../../wire/endpointChecks.js"
import type { SharedOptions } from "../contract.js"

/** Times are in milliseconds. */
export interface Settings {
  readonly key: string
  readonly lease: number
  readonly timeout: number
  readonly patience: number
  readonly retention: number
}

export const settle = (options: SharedOptions): Effect.Effect<Settings, TokenError.InvalidConfiguration> =>
  Effect.suspend(() => {
    const problems: Array<checks.Problem> = []
    const millis = (name: "lease" | "timeout" | "patience" | "retention", fallback: number) =>
      checks.millis(options[name] === undefined ? fallback : options[name], `RefreshToken.shared.${name}`, problems)
    const { namespace } = options
    if (namespace.trim() === "") {
      problems.push({
        field: "RefreshToken.shared.namespace",
        detail: "name the authorization server, the client and the user this refresh token is of"
      })
    } else problems.push(...checks.storeName(namespace, "RefreshToken.shared.namespace"))
    const lease = millis("lease", 20_000)
    const settled = {
      key: `${namespace}~refresh`,
      lease,
      timeout: millis("timeout", 1000),
      patience: millis("patience", 2 * lease),
      retention: millis("retention", 180 * 24 * 3_600_000)
    }
    return Effect.as(checks.report(problems), settled)
  })
