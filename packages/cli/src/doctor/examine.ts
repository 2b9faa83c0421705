/**
 * Looks at everything a profile needs, from its variables to the API, one thing after the other. What rests on something
 * that does not work is skipped. It never fails: what fails is what it is for.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as Disclosure from "effect-bearer/Disclosure"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../settings/places.js"
import type { Chosen } from "../settings/settings.js"
import { inOrder } from "./findings.js"
import * as observing from "./observing.js"
import type { Wanted } from "./plan.js"
import * as api from "./probes/api.js"
import * as client from "./probes/client.js"
import * as connection from "./probes/connection.js"
import * as endpoints from "./probes/endpoints.js"
import * as grant from "./probes/grant.js"
import * as headers from "./probes/headers.js"
import * as refusal from "./probes/refusal.js"
import * as store from "./probes/store.js"
import * as styles from "./probes/styles.js"
import * as token from "./probes/token.js"
import * as variables from "./probes/variables.js"
import type { Report, Seen } from "./report.js"
import * as report from "./report.js"
import * as way from "./way.js"
import * as wording from "./wording.js"

export type Services = FileSystem.FileSystem | HttpClient.HttpClient | Path.Path

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
    const dates = () => [...observer.answers("token"), ...observer.answers("metadata")]
    const clock = () => headers.clock(dates(), profile)
    if (place.url === undefined) {
      return report.join(place.seen, skippedAll("the token endpoint is not known or cannot be reached"), clock())
    }
    if (who === undefined) {
      return report.join(place.seen, skippedAll("the secret of the client cannot be read"), clock())
    }
    const { url } = place
    const planned = token.planned(profile)
    const further = { profile, authentication: who.authentication, observer, environment }
    const revocationUrl = endpointOf(profile.revocationEndpoint, place.metadata, "revocation")
    const revocation = revocationUrl === undefined
      ? Effect.succeed(report.skipped("revocation", nowhere))
      : endpoints.revocation(revocationUrl, further)
    if (planned.most === 0) {
      return report.join(place.seen, skippedAll(planned.why), yield* revocation, clock())
    }
    const first = yield* token.request(profile, url, who, observer)
    const check = `token request to ${wording.place(url)}`
    const explained = (error: TokenError.RequestError) =>
      refusal.explain(error, {
        url,
        place: "the token endpoint",
        environment,
        answer: observer.answers("token").at(-1),
        profile,
        metadata: place.metadata
      })
    if (Either.isLeft(first)) {
      const refused = explained(first.left)
      const tried = options.try && planned.most === 2 && refusal.mayBeTheStyle(first.left)
        ? yield* styles.probe(profile, url, who, first, observer)
        : { replaces: false, seen: tryHint(options, "another way would change nothing") }
      return report.join(
        place.seen,
        report.found(check, tried.replaces ? [] : [refused], "refused as it is sent"),
        tried.seen,
        skippedAfterRequest("there is no token"),
        headers.rateLimit(observer.answers("token"), "the token endpoint"),
        clock()
      )
    }
    const got = first.right
    const second = planned.most < 2 ? undefined : yield* token.request(profile, url, who, observer)
    const answers = observer.answers("token")
    const fails = second !== undefined && Either.isLeft(second) ? [explained(second.left)] : []
    const tried = options.try && planned.most === 2 && fails.length === 0
      ? (yield* styles.probe(profile, url, who, first, observer)).seen
      : tryHint(options, planned.why || "the second token request failed")
    const lookedUp = yield* introspect(place.metadata, got, further)
    const revoked = yield* revocation
    const called = yield* call(options, got, further)
    return report.join(
      place.seen,
      report.found(check, fails, `a token of type ${wording.name(got.tokenType, 20)}`),
      grant.sameAgain(got, again(second, planned.why)),
      tried,
      grant.scopes(got, profile),
      grant.audience(got, profile, place.metadata, { apiRefused: called.refused }),
      grant.lifetime(got, profile),
      clock(),
      headers.compression(answers),
      headers.rateLimit(answers, "the token endpoint"),
      lookedUp,
      revoked,
      called.seen,
      options.api === undefined ? report.join() : headers.rateLimit(observer.answers("api"), "the API")
    )
  })

const nowhere = "neither the profile nor the metadata names one"

const again = (
  second: token.Result | undefined,
  why: string
): { readonly token: AccessToken.AccessToken } | { readonly why: string } =>
  second === undefined
    ? { why }
    : Either.isRight(second)
    ? { token: second.right }
    : { why: "the second request got none" }

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

const call = (options: Options, got: AccessToken.AccessToken, further: endpoints.Options): Effect.Effect<api.Result> =>
  Effect.gen(function*() {
    const url = options.api
    if (url === undefined) return { refused: false, seen: report.skipped("API", "--api names one") }
    const reached = yield* connection.probe(url, { ...further, timeout: further.profile.timeout })
    if (!way.isFree(reached)) return { refused: false, seen: reached }
    const { refused, seen } = yield* api.probe(url, got, further)
    return { refused, seen: report.join(reached, seen) }
  })

const tryHint = (options: Options, why: string): Seen =>
  report.skipped("ways to send id and secret", options.try ? why : "--try tries them")

const skippedAfterRequest = (why: string): Seen =>
  report.join(
    ...["scopes", "audience and form of the token", "lifetime of the token", "introspection", "revocation", "API"].map((
      check
    ) => report.skipped(check, why))
  )

const skippedAll = (why: string): Seen => report.join(report.skipped("token request", why), skippedAfterRequest(why))
