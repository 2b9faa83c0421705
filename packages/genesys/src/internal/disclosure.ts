// What an error of Genesys Cloud may show.
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Disclosure from "effect-bearer/Disclosure"

/**
 * What may be told of an answer of the API: effect-bearer's `Disclosure` decides. UUIDs stay, because without the id of
 * a user an error of this API says nothing.
 */
export const make = (known: ReadonlyArray<string> = []): Disclosure.Disclosure =>
  Disclosure.make(known.map((secret) => Redacted.make(secret)), { keepsUuids: true })

/** The same, knowing what the request was sent with, should the server repeat it. */
export const forRequest = ({ headers }: HttpClientRequest.HttpClientRequest): Disclosure.Disclosure => {
  const secret = (headers["authorization"] ?? "").replace(/^\S+ +/, "")
  return make(secret === "" ? [] : [secret])
}
