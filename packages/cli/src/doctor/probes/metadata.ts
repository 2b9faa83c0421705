/** What the issuer publishes of itself: asked for once, at one place or at both. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, ok } from "../report.js"
import * as wording from "../wording.js"
import * as failures from "./failures.js"

export interface Result {
  readonly seen: Seen
  readonly metadata: ServerMetadata.Metadata | undefined
}

const place = "the metadata of"

export const probe = (
  issuer: string,
  profile: BrokerConfig.Profile,
  { environment, observer }: { readonly observer: Observer; readonly environment: Environment }
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const result = yield* Effect.either(
      ServerMetadata.discover(issuer, { timeout: profile.timeout, allowInsecure: profile.allowInsecure })
    )
    const check = `metadata of ${wording.place(issuer)}`
    if (Either.isRight(result)) {
      const { endpoints } = result.right
      return Option.isSome(endpoints.token)
        ? { metadata: result.right, seen: ok(check, "names the token endpoint") }
        : {
          metadata: undefined,
          seen: found(check, [
            finding(
              "metadata-unusable",
              `${place} ${wording.place(issuer)} names no token endpoint.`,
              "Name it in the profile: `tokenEndpoint` instead of `issuer`."
            )
          ])
        }
    }
    const answer = observer.answers("metadata").at(-1)
    const context: failures.Context = { url: new URL(issuer), place, environment, answer }
    const findings = [failures.ofWay(result.left, context) ?? ofError(result.left, issuer)]
    return { metadata: undefined, seen: found(check, findings) }
  }).pipe(Effect.provideService(HttpClient.HttpClient, observer.at("metadata")))

const ofError = (error: TokenError.RequestError, issuer: string): Finding => {
  const where = `${place} ${wording.place(issuer)}`
  if (error._tag === "MalformedResponse") {
    if (error.detail.startsWith("the metadata is about the issuer")) {
      return finding(
        "metadata-issuer-mismatch",
        // parts that the two have not in common are not shown
        `At ${wording.place(issuer)} ${wording.name(error.detail, 400)}.`,
        "Write `issuer` in the profile exactly as the server does, to the last slash. Where the two have nothing in common, the URL " +
          "is that of another server or tenant."
      )
    }
    if (error.detail.startsWith("the metadata names")) {
      return finding(
        "metadata-unusable",
        `${where} cannot be used: ${wording.name(error.detail, 300)}.`,
        "Have it mended at the server, or name `tokenEndpoint` in the profile instead of `issuer`."
      )
    }
  }
  return finding(
    "metadata-missing",
    `${where} is at neither place: the last answer was ${"status" in error ? error.status : "none"}${
      error._tag === "MalformedResponse" || error._tag === "RejectedByEndpoint"
        ? ` (${error.contentType || "no content type"})`
        : ""
    }.`,
    "Check `issuer` with its path: a tenant or a realm belongs to it. If the server publishes no metadata, name `tokenEndpoint` in " +
      "the profile instead."
  )
}
