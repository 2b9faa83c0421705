/** The way to the token endpoint: connections, and the metadata of the issuer where that names it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type { Environment } from "../settings/places.js"
import type { Chosen } from "../settings/settings.js"
import { finding } from "./findings.js"
import type * as observing from "./observing.js"
import * as connection from "./probes/connection.js"
import * as metadata from "./probes/metadata.js"
import type { Seen } from "./report.js"
import * as report from "./report.js"

/** Where the token endpoint is, if the way to it is free. */
export interface Found {
  readonly seen: Seen
  readonly url: URL | undefined
  readonly metadata: ServerMetadata.Metadata | undefined
}

const unusableUrl = (field: string): Seen =>
  report.found("URL of the server", [
    finding(
      "unusable-profile",
      `\`${field}\` is no URL of http or https.`,
      `Write it in full, such as https://login.example.com/oauth/token.`
    )
  ])

export const parse = (text: string): URL | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.protocol === "https:" || url?.protocol === "http:" ? url : undefined
}

export const isFree = ({ findings }: Seen): boolean => findings.length === 0

export const find = (
  { profile }: Chosen,
  environment: Environment,
  observer: observing.Observer
): Effect.Effect<Found> =>
  Effect.gen(function*() {
    const connect = (url: URL) => connection.probe(url, { observer, environment, timeout: profile.timeout })
    const nothing = (seen: Seen): Found => ({ seen, url: undefined, metadata: undefined })
    if (profile.issuer === undefined) {
      const url = parse(profile.tokenEndpoint ?? "")
      if (url === undefined) return nothing(unusableUrl("tokenEndpoint"))
      const seen = yield* connect(url)
      return isFree(seen) ? { seen, url, metadata: undefined } : nothing(seen)
    }
    const issuer = parse(profile.issuer)
    if (issuer === undefined) return nothing(unusableUrl("issuer"))
    const first = yield* connect(issuer)
    if (!isFree(first)) return nothing(first)
    const published = yield* metadata.probe(profile.issuer, profile, { environment, observer })
    const seen = report.join(first, published.seen)
    const url = published.metadata === undefined ? undefined : Option.getOrUndefined(published.metadata.endpoints.token)
    if (url === undefined || url.origin === issuer.origin) return { seen, url, metadata: published.metadata }
    const second = yield* connect(url)
    const both = report.join(seen, second)
    return isFree(second) ? { seen: both, url, metadata: published.metadata } : nothing(both)
  })
