// The name under which a store keeps the tokens of one client at one server.
import * as Digest from "../../values/Digest.js"
import * as clientIdentity from "../../wire/clientIdentity.js"
import * as ServerMetadata from "../../wire/ServerMetadata.js"
import type { Options } from "./options.js"

/**
 * The namespace for the tokens of this client at this server. It has only characters that any store takes in a key, and
 * no other client or server has the same one (the rule is in `Digest`). A query may hold an API key, and many people
 * can read the keys of a store, so only a digest of the query is in it. `undefined` for a client whose authentication is
 * not the library's own and does not say what it adds.
 */
export const clientNamespace = ({ authentication, clientId, tokenEndpoint }: Options): string | undefined => {
  const identity = clientIdentity.of(authentication)
  if (identity === undefined) return undefined
  const [place = "", ...query] = String(
    ServerMetadata.isEndpointLocation(tokenEndpoint) ? ServerMetadata.issuerOf(tokenEndpoint) : tokenEndpoint
  ).split("?")
  const client = [
    place.trim().replace(/^https:\/\//, ""),
    ...(query.length === 0 ? [] : [Digest.nameOf(query.join("?")).slice(0, 16)]),
    clientId
  ].map(keyPart).join(":")
  // no part holds a plus sign
  return identity === "" ? client : `${client}+${Digest.shortNameOf(identity)}`
}

/** Half a surrogate pair has no URL form; nothing else begins with `%u`, for `%` itself is written as `%25`. */
const keyPart = (part: string): string =>
  part.replace(
    /[^\w./~-]/gu,
    (char) => /\p{Cs}/u.test(char) ? `%u${char.charCodeAt(0).toString(16)}` : encodeURIComponent(char)
  )
