/** What will be sent at most, said before anything is: nothing is sent twice, and nothing that is not said here. */
import type { Chosen } from "../settings/settings.js"
import * as client from "./probes/client.js"
import * as tokenRequest from "./probes/tokenRequest.js"
import { references } from "./probes/variables.js"
import type { Counts } from "./report.js"
import * as wording from "./wording.js"

export interface Wanted {
  readonly try: boolean
  readonly api: URL | undefined
}

export const most = ({ profile, store }: Chosen, wanted: Wanted): Counts => {
  const { authentication, introspectionEndpoint, issuer, revocationEndpoint } = profile
  const { most } = tokenRequest.planned(profile)
  const tries = wanted.try && most > 0 && client.isStyle(authentication.method) ? client.styles.length - 1 : 0
  const introspection = most > 0 && (introspectionEndpoint !== undefined || issuer !== undefined) ? 1 : 0
  const revocation = revocationEndpoint !== undefined || issuer !== undefined ? 1 : 0
  return {
    connections: (issuer === undefined ? 1 : 2) + (wanted.api === undefined ? 0 : 1),
    vault: references(profile, store).filter(([, reference]) => "vault" in reference).length,
    metadata: issuer === undefined ? 0 : 2,
    token: most + tries,
    introspection,
    revocation,
    api: most > 0 && wanted.api !== undefined ? 1 : 0
  }
}

/** One paragraph. */
export const text = (chosen: Chosen, wanted: Wanted): string => {
  const counts = most(chosen, wanted)
  const { most: tokens, why } = tokenRequest.planned(chosen.profile)
  const tries = counts.token - tokens
  const parts = [
    counts.connections > 0 ? `${wording.count(counts.connections, "connection")} without a request` : "",
    counts.vault > 0 ? `${wording.count(counts.vault, "request")} to Vault` : "",
    counts.metadata > 0 ? `${wording.count(counts.metadata, "request")} for metadata` : "",
    counts.token === 0 ? "" : wording.count(counts.token, "token request"),
    counts.introspection > 0 ? "1 introspection of the new token" : "",
    counts.revocation > 0 ? "1 revocation of a token that does not exist" : "",
    counts.api > 0 ? "1 GET request to the API" : ""
  ].filter((part) => part !== "")
  const reasons = [
    tokens === 2 ? "The second token request shows whether the same token comes again." : "",
    tokens < 2 ? `${tokens === 0 ? "No token request" : "No second token request"}: ${why}.` : "",
    tries > 0
      ? `${
        wording.count(tries, "of the token requests tries", "of the token requests try")
      } other ways to send id and secret.`
      : ""
  ].filter((part) => part !== "")
  return [
    `Sends at most: ${parts.join(", ")}.`,
    ...reasons,
    "In the token store a key of its own is written, read and removed."
  ].join(" ")
}
