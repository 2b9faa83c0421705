/** One GET request with the token to an API, and what its refusal means. */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as AccessToken from "effect-bearer/AccessToken"
import * as Challenge from "effect-bearer/Challenge"
import * as OwnRequest from "effect-bearer/OwnRequest"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Answer, Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found } from "../report.js"
import * as wording from "../wording.js"
import * as failures from "./failures.js"

/** Codes of RFC 6750 §3.1, which may be shown. */
const known: ReadonlySet<string> = new Set(["invalid_request", "invalid_token", "insufficient_scope"])

export interface Result {
  readonly seen: Seen
  /** Whether the API refused the token itself. */
  readonly refused: boolean
}

export const probe = (
  url: URL,
  token: AccessToken.AccessToken,
  options: { readonly profile: BrokerConfig.Profile; readonly observer: Observer; readonly environment: Environment }
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const where = `the API ${wording.place(url)}`
    const check = `request to ${wording.place(url)}`
    const send = yield* OwnRequest.make
    const result = yield* Effect.either(send({
      request: HttpClientRequest.setHeader(
        HttpClientRequest.get(url),
        "authorization",
        `${token.tokenType} ${Redacted.value(token.value)}`
      ),
      endpoint: wording.place(url),
      field: "api",
      timeout: options.profile.timeout,
      secrets: [token.value]
    }))
    const answer = options.observer.answers("api").at(-1)
    // a body that does not end says nothing against the token
    const isAnswered = answer !== undefined && answer.status !== 407
    const way = Either.isRight(result) || isAnswered
      ? undefined
      : failures.ofWay(result.left, { url, place: "the API", environment: options.environment, answer })
    const findings = isAnswered ? ofAnswer(answer, url, where) : way === undefined ? [] : [way]
    return {
      refused: answer?.status === 401,
      seen: found(check, findings, `answered ${answer?.status ?? "nothing"}`)
    }
  }).pipe(Effect.provideService(HttpClient.HttpClient, options.observer.at("api")))

const ofAnswer = (answer: Answer, url: URL, where: string): ReadonlyArray<Finding> => {
  const { status } = answer
  const headers = Headers.fromInput(answer.headers)
  const challenge = Option.getOrUndefined(Challenge.bearer(headers))
  const error = challenge === undefined ? undefined : Option.getOrUndefined(challenge.error)
  const said = challenge === undefined
    ? "without a challenge of OAuth (WWW-Authenticate)"
    : error === undefined
    ? "with a challenge that names no error"
    : `with ${known.has(error) ? `"${error}"` : "an error of its own"}`
  if (status === 401) {
    return [
      finding(
        "api-unauthorized",
        `${where} answered 401 ${said}.`,
        challenge === undefined
          ? "It may be no API that takes bearer tokens, or not at this URL. Otherwise the token is for another API, region or environment: " +
            "compare issuer and audience with what the API expects."
          : "The token was just issued, so it is not too old: it is for another API, region or environment. Compare issuer, audience and " +
            "resource with what the API expects; `effect-bearer token | effect-bearer inspect` shows what a JWT says."
      )
    ]
  }
  if (status === 403 && error === "insufficient_scope") {
    const wanted = challenge?.scope ?? []
    return [
      finding(
        "api-insufficient-scope",
        `${where} answered 403 with "insufficient_scope"${
          wanted.length === 0 ? "" : `; it wants ${wording.names(wanted)}`
        }.`,
        "Ask for the scope in the profile, and allow it for the client at the server. Some servers want a role or a permission instead."
      )
    ]
  }
  if (status === 403) {
    const marks = failures.marks(answer)
    const type = answer.headers["content-type"]?.startsWith("text/html") === true ? " with an HTML page" : ""
    return [
      finding(
        "api-gateway",
        `${where} answered 403${type} ${said}${marks.length === 0 ? "" : `; the answer has ${marks.join(", ")}`}.`,
        "A gateway or a firewall refuses before the API looks at the token: check path and method, an API key or a client certificate that " +
          "it may want, and whether this address is allowed. If it is the API itself, the client lacks a role or a permission."
      )
    ]
  }
  if (status >= 300 && status <= 399) return [failures.redirect(where, status, url, answer)]
  if (status === 429) {
    return [
      finding("rate-limit-reached", `${where} answered 429: too many requests.`, "Wait, and send fewer requests.")
    ]
  }
  return status >= 500
    ? [
      finding(
        "server-failed",
        `${where} answered ${status}.`,
        "Look at the status page of the API, or ask whoever runs it. The token was not the reason, as far as this tells."
      )
    ]
    : []
}
