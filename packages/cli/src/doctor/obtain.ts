/** From the client to a token: one request, one more to compare, and the other ways to send id and secret where asked to. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as AccessToken from "effect-bearer/AccessToken"
import type * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import type * as ServerMetadata from "effect-bearer/ServerMetadata"
import type * as TokenError from "effect-bearer/TokenError"
import type { Environment } from "../settings/places.js"
import type * as observing from "./observing.js"
import type * as client from "./probes/client.js"
import * as issuedToken from "./probes/issuedToken.js"
import * as refusal from "./probes/refusal.js"
import * as styles from "./probes/styles.js"
import * as requests from "./probes/tokenRequest.js"
import type { Seen } from "./report.js"
import * as report from "./report.js"
import * as wording from "./wording.js"

export interface Options {
  readonly profile: BrokerConfig.Profile
  readonly url: URL
  readonly metadata: ServerMetadata.Metadata | undefined
  readonly environment: Environment
  readonly observer: observing.Observer
  readonly try: boolean
}

export interface Obtained {
  readonly seen: Seen
  readonly token: AccessToken.AccessToken | undefined
  /** How the server takes the client. */
  readonly authentication: ClientAuthentication.ClientAuthentication
  /** Why there is no token. */
  readonly why: string
  /** Whether the server is worth to be asked for something else, although there is no token. */
  readonly mayRevoke: boolean
}

const styleCheck = "ways to send id and secret"
const againCheck = "another token for another request"

export const token = (options: Options, who: client.Client): Effect.Effect<Obtained> =>
  Effect.gen(function*() {
    const { observer, profile, url } = options
    const { authentication } = who
    const planned = requests.planned(profile)
    const check = `token request to ${wording.place(url)}`
    const nothing = (seen: Seen, why: string, mayRevoke = false): Obtained => ({
      seen,
      token: undefined,
      authentication,
      why,
      mayRevoke
    })
    if (planned.most === 0) return nothing(report.skipped(check, planned.why), planned.why, true)
    const first = yield* requests.request(profile, url, who, observer)
    if (Either.isLeft(first.result)) {
      const { left } = first.result
      const tried = !options.try
        ? untried("--try tries them")
        : planned.most === 2 && refusal.mayBeTheStyle(left)
        ? yield* styles.probe(profile, url, who, first.result, observer)
        : untried("another way would change nothing")
      if (tried.instead === undefined) {
        const refused = report.found(check, [explain(left, first, options)])
        return nothing(report.join(refused, tried.seen), "there is no token")
      }
      return {
        ...nothing(report.join(report.found(check, tried.seen.findings), { ...tried.seen, findings: [] }), ""),
        ...tried.instead
      }
    }
    const got = first.result.right
    const second = planned.most === 2 ? yield* requests.request(profile, url, who, observer) : undefined
    const fails = second !== undefined && Either.isLeft(second.result)
      ? [explain(second.result.left, second, options)]
      : []
    const tried = !options.try
      ? untried("--try tries them")
      : planned.most < 2 || fails.length > 0
      ? untried(planned.why || "the second token request failed")
      : yield* styles.probe(profile, url, who, first.result, observer)
    const compared = second === undefined
      ? report.skipped(againCheck, planned.why)
      : Either.isLeft(second.result)
      ? report.skipped(againCheck, "the second token request failed")
      : issuedToken.sameAgain(againCheck, got, second.result.right)
    return {
      seen: report.join(
        report.found(check, fails, `a token of type ${wording.name(got.tokenType, 20)}`),
        compared,
        tried.seen
      ),
      token: got,
      authentication,
      why: "",
      mayRevoke: true
    }
  })

const untried = (why: string): styles.Tried => ({ instead: undefined, seen: report.skipped(styleCheck, why) })

const explain = (error: TokenError.RequestError, { answer }: requests.Asked, options: Options) =>
  refusal.explain(error, { ...options, place: "the token endpoint", answer })
