// Tells whether only the holder of a key can use a token.
//
// The rule: a token that only the holder of a key can use is not shared, unless the user says that the key is shared.
// Signs that a token is bound: its type (RFC 9449 §5, in upper or lower case), a confirmation beside the token or among
// its claims (`cnf`, RFC 7800; `jkt` of DPoP, `x5t#S256` of a certificate). Where the client shows a certificate and
// the token is opaque, nothing shows whether the server has bound it (RFC 8705 §3), so it counts as bound.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "../values/AccessToken.js"
import * as Jwt from "../wire/Jwt.js"

const boundTypes = new Set(["dpop", "pop"])

/** Whether there is a `cnf` that is not null: a confirmation of an unknown kind counts too. */
const confirms = (members: Readonly<Record<string, unknown>>): boolean =>
  Object.hasOwn(members, "cnf") && Predicate.isNotNullable(members.cnf)

/** Whether only the holder of some key can use the token. `certificate`: the client authenticated with one. */
export const isBound = (token: AccessToken, certificate: boolean): boolean =>
  boundTypes.has(token.tokenType.trim().toLowerCase()) || confirms(Redacted.value(token.extra)) ||
  Option.match(Jwt.decode(token), {
    onNone: () => certificate,
    onSome: ({ claims }) => confirms(Redacted.value(claims))
  })

/** RFC 8705 §2. */
export const showsCertificate = (method: string): boolean => /^(self_signed_)?tls_client_auth$/.test(method)
