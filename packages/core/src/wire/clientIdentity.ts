// What, beside the client id, decides whose tokens the credentials of a client get.
import * as Predicate from "effect/Predicate"

/** Any method of authentication; `ClientAuthentication` imports this file. */
interface Method {
  readonly credentials: unknown
}

/** A symbol, so that a value made by another copy of this package is understood too. */
const IdentityId: unique symbol = Symbol.for("effect-bearer/ClientAuthentication/Identity")

interface Identity {
  readonly text: string
  /** A copy with other credentials (`{ ...basic(secret), credentials }`) must not keep the identity. */
  readonly credentials: unknown
}

export const mark = <A extends Method>(self: A, text: string): A =>
  Object.assign(self, { [IdentityId]: { text, credentials: self.credentials } satisfies Identity })

/** `undefined` if nobody has said; an empty text if the client id says it all. */
export const of = (self: Method): string | undefined => {
  if (!Predicate.hasProperty(self, IdentityId)) return undefined
  const { credentials, text } = self[IdentityId] as Identity
  return credentials === self.credentials ? text : undefined
}
