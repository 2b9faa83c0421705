/**
 * `exec`: a command with a broker of its own, on a free port of loopback, for as long as the command runs. Its first token
 * is there before it starts, and is renewed ahead while it runs.
 */
import { existsSync } from "node:fs"
import { devNull } from "node:os"
import { join } from "node:path"
import * as Broker from "@effect-bearer/broker/Broker"
import type { Store } from "@effect-bearer/broker/BrokerConfig"
import * as CallerKey from "@effect-bearer/broker/CallerKey"
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as TokenError from "effect-bearer/TokenError"
import * as TokenStore from "effect-bearer/TokenStore"
import * as input from "../input/input.js"
import { failed, usage } from "../output/failure.js"
import * as ownBroker from "../serve/ownBroker.js"
import * as running from "../serve/running.js"
import type { Services } from "../services.js"
import { orAsk } from "../settings/hiddenSecret.js"
import type { Environment } from "../settings/places.js"
import { tokenFolder } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import * as temporaryFolder from "../temporaryFolder.js"
import * as child from "./child.js"
import * as environments from "./environment.js"

export interface Options extends settings.Wanted {
  readonly json: boolean
  readonly quiet: boolean
}

/** The id of the command at its broker. */
const caller = "exec"

const isCommand = (command: ReadonlyArray<string>): command is readonly [string, ...Array<string>] =>
  command[0] !== undefined && command[0] !== ""

export const run = (
  options: Options,
  command: ReadonlyArray<string>,
  environment: Environment
): Effect.Effect<number, settings.Problem | TokenError.TokenError, Services> =>
  Effect.scoped(Effect.gen(function*() {
    if (!isCommand(command)) {
      return yield* Effect.fail(
        usage("No command is given. Put it after two hyphens: effect-bearer exec -- COMMAND ARGUMENTS")
      )
    }
    const chosen = yield* settings.choose(options, environment, input.canAsk())
    const folder = yield* temporaryFolder.make
    const store = yield* storeOf(chosen, environment, folder)
    // the broker finds the token in the store; if there is none, the failure says why
    yield* orAsk(chosen, Logger.withMinimumLogLevel(firstToken(chosen, store), LogLevel.None))

    const { digest, key } = yield* CallerKey.generate
    const tokenFile = join(folder, "token")
    const { server } = yield* running.start(Broker.layer(ownBroker.configOf({
      listen: ownBroker.loopback(0, "127.0.0.1"),
      profile: {
        name: chosen.name,
        profile: { ...chosen.profile, file: { path: tokenFile, format: "raw", removeDead: false } }
      },
      caller,
      digest,
      permissions: ["status"],
      store,
      // standard output is the command's
      auditFile: devNull
    })))
    yield* present(tokenFile)
    return yield* child.run(
      command,
      environments.make(environment, chosen, {
        tokenEndpoint: `${server.addresses[0] ?? ""}/oauth2/${chosen.name}/token`,
        clientId: caller,
        key: Redacted.value(key),
        tokenFile
      }),
      options.json
    )
  }))

/** The store that `token` uses: a loop of short commands makes one token request. Where there is none, one for this run. */
const storeOf = (
  { store }: settings.Chosen,
  environment: Environment,
  folder: string
): Effect.Effect<Store, never, Services> => {
  if (store !== undefined) return Effect.succeed(store)
  const directory = tokenFolder(environment)
  return Effect.scoped(Layer.build(TokenStore.layerFile({ directory }))).pipe(
    Effect.match({
      onSuccess: () => ({ folder: directory }),
      onFailure: () => ({ folder: join(folder, "store") })
    })
  )
}

const firstToken = (chosen: settings.Chosen, store: Store) =>
  Effect.scoped(Effect.flatMap(
    ProfileSource.make(chosen.name, chosen.profile, { renewAhead: false }),
    (source) => source.get()
  )).pipe(Effect.provide(ProfileSource.layerStore(store)), Effect.asVoid)

/** The broker writes its file at once, and no command is to start without it. */
const present = (file: string) =>
  Effect.sync(() => existsSync(file)).pipe(
    Effect.repeat({ until: (there) => there, schedule: Schedule.spaced("10 millis") }),
    Effect.timeoutFail({
      duration: "10 seconds",
      onTimeout: () => failed("The token could not be written to a file in time.")
    })
  )
