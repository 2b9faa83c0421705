/**
 * Everything `doctor` can find: a code that never changes, which names a page of `docs/errors`, and a title. The order is
 * that of what to do first: what stands earlier may be the reason for what stands later.
 *
 * This module loads no other module, so that a program can load the codes alone.
 */

/** The titles, by code, first things first. */
export const titles = {
  // what was configured
  "blank-variable": "A variable is missing or blank",
  "untrimmed-variable": "A variable begins or ends with white space",
  "unreadable-secret": "A secret cannot be read",
  "unusable-profile": "The profile cannot work",
  // the way to the server
  "host-unknown": "The host name is unknown",
  "connection-refused": "The connection was refused",
  "connect-timeout": "The connection took too long",
  "connection-failed": "The connection failed",
  "proxy-authentication": "The proxy wants a user name and a password",
  "proxy-in-the-way": "A proxy answered in place of the server",
  "tls-old-version": "The server speaks only an old version of TLS",
  "tls-certificate-expired": "The certificate of the server is out of date",
  "tls-self-signed": "The certificate of the server comes from an unknown authority",
  "tls-wrong-name": "The certificate of the server is for another host",
  "tls-failed": "TLS could not be agreed on",
  "clock-differs": "The clocks of this machine and of the server differ",
  // what the server is asked at
  "metadata-missing": "The issuer publishes no metadata that can be read",
  "metadata-issuer-mismatch": "The metadata is about another issuer",
  "metadata-unusable": "The metadata cannot be used",
  "redirect": "The URL redirects",
  "wrong-path": "The URL is not the token endpoint",
  "json-wanted": "The endpoint wants JSON instead of a form",
  "read-timeout": "The answer took too long",
  "server-failed": "The server has failed",
  "rate-limit-reached": "The rate limit is reached",
  // what the server thinks of the client
  "authentication-style": "The client id and the secret are sent in the wrong way",
  "wrong-credentials": "The client id or the secret is wrong",
  "grant-not-allowed": "The grant is not allowed for this client",
  "grant-spent": "What the grant rests on is spent or expired",
  "scope-refused": "A scope was refused",
  "audience-or-resource": "The audience or the resource is missing or not accepted",
  "request-refused": "The token request was refused",
  "no-token-in-answer": "The answer holds no token that can be used",
  "compressed-answer": "The answer is compressed",
  // what the token is like
  "scope-narrowed": "Fewer scopes were granted than asked for",
  "scope-over-broad": "A scope is wider than any program needs",
  "short-lifetime": "The token lives too short for the time it is renewed ahead",
  "same-token-again": "The server gives the same token again",
  "rate-limit-near": "Little is left of the rate limit",
  // what else is used
  "introspection-unavailable": "Introspection does not work",
  "revocation-unavailable": "Revocation does not work",
  "store-unreachable": "The token store cannot be reached",
  "store-wrong-password": "The token store refuses the user or the password",
  "store-read-only": "The token store cannot be written to",
  "store-open-to-others": "Others may read or write the token store",
  "api-unauthorized": "The API refuses the token",
  "api-insufficient-scope": "The token lacks a scope for the API",
  "api-gateway": "A gateway before the API refuses the request"
} as const

export type Code = keyof typeof titles

export const codes: ReadonlyArray<Code> = Object.keys(titles) as Array<Code>

/** A finding, its evidence, and what to do. It holds no secret, and no text from outside. */
export interface Finding {
  readonly code: Code
  readonly title: string
  readonly evidence: string
  readonly fix: string
}

export const finding = (code: Code, evidence: string, fix: string): Finding => ({
  code,
  title: titles[code],
  evidence: evidence.replace(/^the /, "The "),
  fix
})

/** What to do first comes first; of the same code what was found first. */
export const inOrder = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  Array.from(findings).sort((a, b) => codes.indexOf(a.code) - codes.indexOf(b.code))
