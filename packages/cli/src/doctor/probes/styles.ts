/** Which ways of sending an id and a secret the server takes: each way is tried once. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as AccessToken from "effect-bearer/AccessToken"
import type * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, skipped } from "../report.js"
import type { Client, Style } from "./client.js"
import * as client from "./client.js"
import * as refusal from "./refusal.js"
import * as tokenRequest from "./tokenRequest.js"

const check = "ways to send id and secret"

export interface Tried {
  readonly seen: Seen
  /** What works instead, where the configured way does not: this explains its refusal. */
  readonly instead:
    | { readonly token: AccessToken.AccessToken; readonly authentication: ClientAuthentication.ClientAuthentication }
    | undefined
}

/** The first token request was sent in the configured way. */
export const probe = (
  profile: BrokerConfig.Profile,
  url: URL,
  who: Client,
  first: tokenRequest.Result,
  observer: Observer
): Effect.Effect<Tried> =>
  Effect.gen(function*() {
    const { method } = profile.authentication
    if (!client.isStyle(method)) {
      return { instead: undefined, seen: skipped(check, `the client has no secret to send: it uses ${method}`) }
    }
    const results: Array<readonly [style: Style, result: tokenRequest.Result]> = [[method, first]]
    for (const style of client.styles) {
      const authentication = style === method ? undefined : who.inStyle.get(style)
      if (authentication === undefined) continue
      results.push([style, (yield* tokenRequest.request(profile, url, { ...who, authentication }, observer)).result])
    }
    const inOrder = client.styles.flatMap((style) => results.filter(([one]) => one === style))
    const said = inOrder.map(([style, result]) => `${style} ${outcomeOf(result)}`).join(", ")
    const working = inOrder.flatMap(([style, result]) => Either.isRight(result) ? [{ style, token: result.right }] : [])
    const [best] = working
    const authentication = best === undefined ? undefined : who.inStyle.get(best.style)
    return best === undefined || authentication === undefined || Either.isRight(first) ||
        !refusal.mayBeTheStyle(first.left)
      ? { instead: undefined, seen: found(check, [], said) }
      : {
        instead: { token: best.token, authentication },
        seen: found(check, [wrongStyle(method, best.style, said)])
      }
  })

const outcomeOf = (result: tokenRequest.Result): string =>
  Either.isRight(result)
    ? "works"
    : "status" in result.left
    ? `is refused with ${result.left.status}`
    : result.left._tag === "InvalidConfiguration"
    ? "cannot be used with this id"
    : "got no answer"

const wrongStyle = (configured: Style, best: Style, said: string): Finding =>
  finding(
    "authentication-style",
    `One token request each: ${said}.`,
    `Id and secret are right. Send them as "${best}" instead of "${configured}": \`authentication.method\` of the profile, or ` +
      "OAUTH_CLIENT_AUTHENTICATION where the environment describes it."
  )
