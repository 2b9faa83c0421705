/** `effect-bearer revoke`: tells the server that a token is no longer needed (RFC 7009), and forgets it here. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as AccessToken from "effect-bearer/AccessToken"
import * as Disclosure from "effect-bearer/Disclosure"
import * as Revocation from "effect-bearer/Revocation"
import type * as TokenError from "effect-bearer/TokenError"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import type { Environment } from "../settings/places.js"
import type * as settings from "../settings/settings.js"
import * as which from "./which.js"

export const run = (
  wanted: which.Wanted,
  environment: Environment
): Effect.Effect<void, settings.Problem | TokenError.TokenError, Services> =>
  which.ask("revocation", wanted, environment, (asked) =>
    Effect.gen(function*() {
      const revocation = yield* Revocation.make(asked.options)
      yield* revocation.revoke(asked.token, { hint: wanted.hint })
      const removed = wanted.hint === "refresh_token" ? [] : yield* forget(asked, wanted)
      yield* terminal.answer(
        wanted.json
          ? JSON.stringify({ revoked: true })
          : `Revoked${removed.length === 0 ? "" : `, and no longer kept here as ${removed.join(" and ")}`}. ` +
            "An API that checks tokens by itself may accept it until it expires."
      )
      if (wanted.hint !== "refresh_token" && removed.length === 0) yield* asked.say(notKept)
    }))

const notKept =
  "This token is not among those that are kept here. A token that was got with --scope, --audience or --resource " +
  "is kept under these: give the same options to revoke, or the next `token` with them prints it again."

/**
 * What is kept between runs is not handed out again; that it is over before its time is no news. A store finds a token by
 * what it was asked for only, so the profile's own and that of the options are looked at. Says which have been removed.
 */
const forget = ({ removed, request, source, token }: which.Asked, wanted: which.Wanted) =>
  Effect.gen(function*() {
    const rejected = AccessToken.make({ value: token, issuedAt: 0 })
    const found: Array<string> = []
    for (const one of request === undefined ? [undefined] : [undefined, request]) {
      const before = removed()
      yield* Logger.withMinimumLogLevel(source.invalidate(rejected, one), LogLevel.None)
      if (removed() > before) {
        found.push(one === undefined ? "the profile's own token" : `the token of ${optionsOf(wanted)}`)
      }
    }
    return found
  })

const optionsOf = (wanted: which.Wanted): string =>
  (["scope", "audience", "resource"] as const)
    .flatMap((name) => (wanted[name] ?? []).map((value) => `--${name} ${printable(value)}`))
    .join(" ")

/** What a user typed may hold control characters. */
const printable = (value: string): string => Disclosure.printable(value).slice(0, 100)
