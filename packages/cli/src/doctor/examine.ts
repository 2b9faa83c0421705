/**
 * Looks at everything a profile needs, from its variables to the API, one thing after the other. What rests on something
 * that does not work is skipped. It never fails: what fails is what it is for.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as Disclosure from "effect-bearer/Disclosure"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type { Services } from "../services.js"
import type { Environment } from "../settings/places.js"
import type { Chosen } from "../settings/settings.js"
import { inOrder } from "./findings.js"
import * as observing from "./observing.js"
import * as obtain from "./obtain.js"
import type { Wanted } from "./plan.js"
import * as api from "./probes/api.js"
import * as client from "./probes/client.js"
import * as connection from "./probes/connection.js"
import * as endpoints from "./probes/endpoints.js"
import * as headers from "./probes/headers.js"
import * as issuedToken from "./probes/issuedToken.js"
import * as store from "./probes/store.js"
import * as variables from "./probes/variables.js"
import type { Report, Seen } from "./report.js"
import * as report from "./report.js"
import * as way from "./way.js"

export interface Options extends Wanted {
  readonly environment: Environment
}

/** The variables of the environment, as the library reads secrets from them. */
const providerOf = (environment: Environment): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromMap(
    new Map(Object.entries(environment).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])),
    { pathDelim: "_", seqDelim: "," }
  )

export const examine = (chosen: Chosen, options: Options): Effect.Effect<Report, never, Services> =>
  Effect.gen(function*() {
    const observer = observing.make(yield* HttpClient.HttpClient)
    const seen = hiding(yield* look(chosen, options, observer), observer.hidden())
    return {
      profile: chosen.name,
      from: chosen.from,
      findings: inOrder(seen.findings),
      checks: seen.checks,
      requests: observer.counts()
    }
  }).pipe(Effect.withConfigProvider(providerOf(options.environment)))

/** No probe tells a secret. But a server may write one where a name belongs, such as into a scope. */
const hiding = ({ checks, findings }: Seen, secrets: ReadonlyArray<Redacted.Redacted>): Seen => {
  const { value } = Disclosure.make(secrets)
  return {
    checks: checks.map((check) => ({ ...check, check: value(check.check), detail: value(check.detail) })),
    findings: findings.map((finding) => ({ ...finding, evidence: value(finding.evidence), fix: value(finding.fix) }))
  }
}

const look = (
  chosen: Chosen,
  options: Options,
  observer: observing.Observer
): Effect.Effect<Seen, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const { profile } = chosen
    const { environment } = options
    const fromEnvironment = chosen.from === "the environment"
    const set = variables.probe(profile, chosen.store, fromEnvironment, environment)
    const who = yield* client.probe(profile, observer, environment)
    const server = yield* lookAtServer(chosen, options, observer, who.client)
    const kept = yield* store.probe(chosen.store, { environment, observer })
    return report.join(set, who.seen, server, kept)
  })

const lookAtServer = (
  chosen: Chosen,
  options: Options,
  observer: observing.Observer,
  who: client.Client | undefined
): Effect.Effect<Seen> =>
  Effect.gen(function*() {
    const { profile } = chosen
    const { environment } = options
    const place = yield* way.find(chosen, environment, observer)
    const { metadata, url } = place
    const clock = () => headers.clock([...observer.answers("token"), ...observer.answers("metadata")], profile)
    if (url === undefined) {
      return report.join(place.seen, without("the token endpoint is not known or cannot be reached"), clock())
    }
    if (who === undefined) return report.join(place.seen, without("a secret of the client cannot be read"), clock())
    const got = yield* obtain.token({ profile, url, metadata, environment, observer, try: options.try }, who)
    const { authentication, token } = got
    const further = { profile, authentication, observer, environment }
    if (token === undefined) {
      const revoked = got.mayRevoke
        ? yield* revoke(metadata, further)
        : report.skipped("revocation", got.why)
      return report.join(place.seen, got.seen, withoutToken(got.why), revoked, limits(observer), clock())
    }
    const introspected = yield* introspect(metadata, token, further)
    const revoked = yield* revoke(metadata, further)
    const called = yield* call(options, token, further)
    return report.join(
      place.seen,
      got.seen,
      issuedToken.scopes(token, profile),
      issuedToken.audience(token, profile, metadata, { apiRefused: called.refused }),
      issuedToken.lifetime(token, profile),
      clock(),
      headers.compression(observer.answers("token")),
      limits(observer),
      introspected,
      revoked,
      called.seen,
      options.api === undefined ? report.join() : headers.rateLimit(observer.answers("api"), "the API")
    )
  })

const limits = (observer: observing.Observer): Seen =>
  headers.rateLimit(observer.answers("token"), "the token endpoint")

const nowhere = "neither the profile nor the metadata names one"

const endpointOf = (
  configured: string | undefined,
  published: ServerMetadata.Metadata | undefined,
  name: "introspection" | "revocation"
): URL | undefined =>
  configured === undefined
    ? published === undefined ? undefined : Option.getOrUndefined(published.endpoints[name])
    : way.parse(configured)

const introspect = (
  published: ServerMetadata.Metadata | undefined,
  got: AccessToken.AccessToken,
  further: endpoints.Options
): Effect.Effect<Seen> => {
  const url = endpointOf(further.profile.introspectionEndpoint, published, "introspection")
  return url === undefined
    ? Effect.succeed(report.skipped("introspection", nowhere))
    : endpoints.introspection(url, got, further)
}

const revoke = (published: ServerMetadata.Metadata | undefined, further: endpoints.Options): Effect.Effect<Seen> => {
  const url = endpointOf(further.profile.revocationEndpoint, published, "revocation")
  return url === undefined
    ? Effect.succeed(report.skipped("revocation", nowhere))
    : endpoints.revocation(url, further)
}

const call = (options: Options, got: AccessToken.AccessToken, further: endpoints.Options): Effect.Effect<api.Result> =>
  Effect.gen(function*() {
    const url = options.api
    if (url === undefined) return { refused: false, seen: report.skipped("API", "--api names one") }
    const reached = yield* connection.probe(url, { ...further, timeout: further.profile.timeout })
    if (!way.isFree(reached)) return { refused: false, seen: reached }
    const { refused, seen } = yield* api.probe(url, got, further)
    return { refused, seen: report.join(reached, seen) }
  })

const skippedAll = (why: string, ...checks: ReadonlyArray<string>): Seen =>
  report.join(...checks.map((check) => report.skipped(check, why)))

const withoutToken = (why: string): Seen =>
  skippedAll(why, "scopes", "audience and form of the token", "lifetime of the token", "introspection", "API")

const without = (why: string): Seen =>
  report.join(skippedAll(why, "token request"), withoutToken(why), skippedAll(why, "revocation"))
