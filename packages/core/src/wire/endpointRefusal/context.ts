// The parts of a request that explain its refusal.
import type * as Option from "effect/Option"
import type * as Scopes from "../../values/Scopes.js"

export interface Context {
  /** Origin and path. */
  readonly endpoint: string
  /** The kind of endpoint that the URL should be: "the token endpoint". */
  readonly place: string
  readonly receivedAt: number
  readonly hint: Option.Option<string>
  readonly authenticationAdvice: string
  readonly grantType?: string | undefined
  readonly scopes?: Scopes.Scopes | undefined
  /** The request names no client, so a refusal cannot be about the client. */
  readonly isAnonymous?: boolean | undefined
}
