/** `serve`: the broker of a configuration, or of the environment alone. */
import * as Broker from "@effect-bearer/broker/Broker"
import type * as BrokerConfig from "@effect-bearer/broker/BrokerConfig"
import type * as BrokerServer from "@effect-bearer/broker/BrokerServer"
import * as CallerKey from "@effect-bearer/broker/CallerKey"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as input from "../input/input.js"
import { Failure, usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import { askForMissing } from "../settings/hiddenSecret.js"
import type { Environment } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import * as start from "./announcement.js"
import * as ownBroker from "./ownBroker.js"
import * as running from "./running.js"

export interface Options {
  readonly config?: string | undefined
  readonly port?: number | undefined
  readonly json: boolean
  readonly quiet: boolean
}

/** Who may ask a broker that has no file. */
const caller = "local"

export const run = (options: Options, environment: Environment): Effect.Effect<void, settings.Problem, Services> =>
  Effect.gen(function*() {
    const file = yield* settings.file(options, environment)
    return yield* file === undefined ? fromEnvironment(options, environment) : fromFile(file, options)
  })

const atPort = (port: number) => (config: BrokerConfig.Config): BrokerConfig.Config => {
  const [first, ...others] = config.listen.map((listener) => "port" in listener ? { ...listener, port } : listener)
  return first === undefined ? config : { ...config, listen: [first, ...others] }
}

const fromFile = (file: string, { json, port, quiet }: Options) =>
  running.untilAsked(
    ["SIGINT", "SIGTERM"],
    terminal.sayer(quiet),
    Effect.gen(function*() {
      const { broker, server } = yield* running.start(
        Broker.layerFile(file, port === undefined ? {} : { adjust: atPort(port) })
      )
      yield* announce(server, yield* broker.config, json, terminal.sayer(quiet))
    })
  )

const announce = (
  server: BrokerServer.Service,
  config: BrokerConfig.Config,
  json: boolean,
  say: (text: string) => Effect.Effect<void>
) =>
  Effect.zipRight(
    say(start.text(server, config)),
    json ? terminal.answer(JSON.stringify(start.json(server, config))) : Effect.void
  )

const fromEnvironment = ({ json, port, quiet }: Options, environment: Environment) =>
  Effect.gen(function*() {
    const chosen = yield* Effect.mapError(
      settings.choose({}, environment, input.canAsk()),
      (error) =>
        error instanceof Failure
          ? usage(`${error.detail} To see a broker without any of these: effect-bearer serve --demo`)
          : error
    )
    yield* askForMissing(chosen)
    const { digest, key } = yield* CallerKey.generate
    const config = ownBroker.configOf({
      listen: ownBroker.loopback(port ?? 4180),
      profile: chosen,
      caller,
      digest,
      permissions: ["status", "metrics"],
      store: chosen.store
    })
    const say = terminal.sayer(quiet)
    yield* running.untilAsked(
      ["SIGINT", "SIGTERM"],
      say,
      Effect.gen(function*() {
        const { server } = yield* running.start(Broker.layer(config))
        const address = server.addresses[0] ?? ""
        yield* say(start.text(server, config))
        if (json) yield* terminal.answer(JSON.stringify({ address, caller, key: Redacted.value(key) }))
        // with --quiet, too: there is no other way to know the key
        else yield* terminal.note(start.oneOffKey(address, chosen.name, caller, Redacted.value(key)))
      })
    )
  })
