/**
 * The main job (`npm start`): workers call a protected API without a thought for tokens, while tokens expire, the
 * authorization server goes down, and a token is revoked. It ends with what the servers counted, and with exit code 0
 * only if every promise held.
 *
 * With `OAUTH_TOKEN_ENDPOINT`, `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET` set it uses that server instead. See
 * `Settings.ts` for every variable it reads.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Data, Effect, Exit } from "effect"
import * as Embedded from "./Embedded.js"
import * as External from "./External.js"
import * as Screen from "./Screen.js"
import * as Settings from "./Settings.js"

class PromisesBroken extends Data.TaggedError("PromisesBroken") {
  override get message(): string {
    return "At least one promise was broken."
  }
}

const job = Effect.gen(function*() {
  const settings = yield* Settings.load
  const held = yield* settings.server._tag === "Embedded"
    ? Embedded.run(settings)
    : External.run(settings, settings.server)
  if (!held) return yield* new PromisesBroken()
})

job.pipe(
  Effect.tapError((error) => Console.error(error.message)),
  Effect.tapDefect((cause) => Console.error(Cause.pretty(cause))),
  Effect.provide(Screen.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) =>
      // 130 is what a shell reports for a program ended by Ctrl-C
      onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
  })
)
