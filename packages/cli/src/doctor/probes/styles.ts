/** Which ways of sending an id and a secret the server takes: each way is tried once. */
import type { BrokerConfig } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found, skipped } from "../report.js"
import type { Client, Style } from "./client.js"
import * as client from "./client.js"
import * as refusal from "./refusal.js"
import * as token from "./token.js"

const check = "ways to send id and secret"

/** The first token request was the configured way; `replaces` says whether its finding is answered by this one. */
export const probe = (
  profile: BrokerConfig.Profile,
  url: URL,
  who: Client,
  first: token.Result,
  observer: Observer
): Effect.Effect<{ readonly seen: Seen; readonly replaces: boolean }> =>
  Effect.gen(function*() {
    const { method } = profile.authentication
    if (!client.isStyle(method)) {
      return { replaces: false, seen: skipped(check, `the client has no secret to send: it uses ${method}`) }
    }
    const results: Array<readonly [style: Style, result: token.Result]> = [[method, first]]
    for (const style of client.styles) {
      const authentication = style === method ? undefined : who.inStyle.get(style)
      if (authentication === undefined) continue
      results.push([style, yield* token.request(profile, url, { ...who, authentication }, observer)])
    }
    const inOrder = client.styles.flatMap((style) => results.filter(([one]) => one === style))
    const said = inOrder.map(([style, result]) => `${style} ${outcomeOf(result)}`).join(", ")
    const working = inOrder.filter(([, result]) => Either.isRight(result)).map(([style]) => style)
    const replaces = Either.isLeft(first) && working.length > 0 && refusal.mayBeTheStyle(first.left)
    return { replaces, seen: found(check, replaces ? [wrongStyle(method, working, said)] : [], said) }
  })

const outcomeOf = (result: token.Result): string =>
  Either.isRight(result)
    ? "works"
    : "status" in result.left
    ? `is refused with ${result.left.status}`
    : result.left._tag === "InvalidConfiguration"
    ? "cannot be used with this id"
    : "got no answer"

const wrongStyle = (configured: Style, working: ReadonlyArray<Style>, said: string): Finding =>
  finding(
    "authentication-style",
    `One token request each: ${said}.`,
    `Id and secret are right. Send them as "${
      working[0]
    }" instead of "${configured}": \`authentication.method\` of the profile, or ` +
      "OAUTH_CLIENT_AUTHENTICATION where the environment describes it."
  )
