/** Which token a server is asked about, at which endpoint, as whom. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenEndpoint from "effect-bearer/TokenEndpoint"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenRequest from "effect-bearer/TokenRequest"
import type * as TokenSource from "effect-bearer/TokenSource"
import * as input from "../input/input.js"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import { orAsk } from "../settings/hiddenSecret.js"
import type { Environment } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import * as requests from "../token/request.js"
import * as tokens from "../token/tokens.js"

/** What the options of `introspect` and `revoke` say. */
export interface Wanted extends settings.Wanted, requests.Asked {
  readonly endpoint?: string | undefined
  readonly hint?: "access_token" | "refresh_token" | undefined
  readonly current: boolean
  readonly json: boolean
  readonly quiet: boolean
  /** Arguments: there are to be none. */
  readonly given: ReadonlyArray<string>
}

/** What a request to one of these endpoints is made of. */
export interface Asked {
  readonly options: Pick<TokenEndpoint.Options, "clientId" | "authentication" | "timeout" | "allowInsecure"> & {
    readonly endpoint: string | ServerMetadata.EndpointLocation
  }
  readonly token: Redacted.Redacted
  /** The source of the profile, with its store. */
  readonly source: TokenSource.With<TokenError.TokenError>
  /** What the options ask for; `undefined` for the profile's own. */
  readonly request: TokenRequest.TokenRequest | undefined
  /** How many tokens that were kept between runs have been removed. */
  readonly removed: () => number
  readonly say: (text: string) => Effect.Effect<void>
}

const kinds = {
  introspection: {
    verb: "ask about a token",
    currentAtTerminal: true,
    field: "introspectionEndpoint",
    variable: "OAUTH_INTROSPECTION_ENDPOINT",
    of: ServerMetadata.introspectionEndpoint
  },
  revocation: {
    verb: "revoke a token",
    // whoever revokes says what
    currentAtTerminal: false,
    field: "revocationEndpoint",
    variable: "OAUTH_REVOCATION_ENDPOINT",
    of: ServerMetadata.revocationEndpoint
  }
} as const

const endpointOf = (
  kind: keyof typeof kinds,
  { profile }: { readonly profile: BrokerConfig.Profile },
  given: string | undefined
): Effect.Effect<string | ServerMetadata.EndpointLocation, Failure> => {
  const { field, of, variable, verb } = kinds[kind]
  const url = given ?? profile[field]
  return url !== undefined
    ? Effect.succeed(url)
    : profile.issuer !== undefined
    ? Effect.succeed(of(profile.issuer))
    : Effect.fail(usage(
      `Where to ${verb} is not known. Give --endpoint URL, or ${field} in the profile, or ${variable}; or an issuer in ` +
        "place of the token endpoint, whose metadata are asked."
    ))
}

/** Reads the token, and runs `use` with what is needed; a secret that is missing is asked for. */
export const ask = <A, E>(
  kind: keyof typeof kinds,
  wanted: Wanted,
  environment: Environment,
  use: (asked: Asked) => Effect.Effect<A, E, Services | Scope.Scope>
): Effect.Effect<A, E | settings.Problem | TokenError.TokenError, Services> =>
  Effect.gen(function*() {
    yield* input.noToken(wanted.given)
    if (wanted.current && wanted.hint === "refresh_token") {
      return yield* Effect.fail(usage("--current is an access token: --hint refresh_token does not go with it."))
    }
    const chosen = yield* settings.choose(wanted, environment, input.canAsk())
    const endpoint = yield* endpointOf(kind, chosen, wanted.endpoint)
    const isCurrent = wanted.current || (kinds[kind].currentAtTerminal && process.stdin.isTTY === true)
    const given = isCurrent ? undefined : Redacted.make(yield* input.token("The token"))
    const say = terminal.sayer(wanted.quiet)
    const { allowInsecure, clientId, timeout } = chosen.profile
    const run = Effect.gen(function*() {
      const authentication = yield* ProfileSource.authentication(chosen.profile)
      let removed = 0
      const source = yield* tokens.open(chosen, { environment, say, onRemoved: () => removed++ })
      const request = requests.of(wanted)
      const token = given ?? (yield* source.get(request)).value
      return yield* use({
        options: { endpoint, clientId, authentication, timeout, allowInsecure },
        token,
        source,
        request,
        removed: () => removed,
        say
      })
    })
    return yield* orAsk<A, E | TokenError.TokenError, Services>(chosen, Effect.scoped(run))
  })
