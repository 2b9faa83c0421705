/** `effect-bearer revoke`: tells the server that a token is no longer needed (RFC 7009), and forgets it here. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as AccessToken from "effect-bearer/AccessToken"
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
  which.ask("revocation", wanted, environment, ({ options, source, token }) =>
    Effect.gen(function*() {
      const revocation = yield* Revocation.make(options)
      yield* revocation.revoke(token, { hint: wanted.hint })
      // what is kept between runs is not handed out again; that it is over before its time is no news
      if (wanted.hint !== "refresh_token") {
        yield* Logger.withMinimumLogLevel(
          source.invalidate(AccessToken.make({ value: token, issuedAt: 0 })),
          LogLevel.None
        )
      }
      yield* terminal.answer(
        wanted.json
          ? JSON.stringify({ revoked: true })
          : "Revoked. An API that checks tokens by itself may accept it until it expires."
      )
    }))
