/**
 * The organization that the examples of Genesys Cloud talk to.
 *
 * With `GENESYS_CLIENT_ID`, `GENESYS_CLIENT_SECRET` and `GENESYS_REGION` (or `GENESYS_ENV_URL`) in the environment it is
 * yours. Without any of them it is a fake inside this process, on loopback: no account is needed.
 */
import { createServer } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { GenesysCloud } from "@effect-bearer/genesys"
import * as FakeCloud from "@effect-bearer/genesys/FakeCloud"
import { Config, Console, Context, Effect, Layer, Option } from "effect"
import type { TokenError } from "effect-bearer"

export interface Service {
  /** What `GenesysCloud.layer` and `GenesysCloud.make` take. */
  readonly options: GenesysCloud.Options
  /** The fake, to make trouble with; `None` where the organization is real. */
  readonly fake: Option.Option<FakeCloud.Service>
}

export class Genesys extends Context.Tag("@effect-bearer/examples/Genesys")<Genesys, Service>() {}

const variables = ["GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", "GENESYS_REGION", "GENESYS_ENV_URL"]

const isReal = Effect.exists(
  variables,
  (name) => Effect.map(Effect.option(Config.string(name)), Option.exists((value) => value.trim() !== ""))
)

// If only some of them are set, the error names the others.
const real = Layer.effect(
  Genesys,
  Effect.map(GenesysCloud.fromEnvironment(), (options) => ({ options, fake: Option.none() }))
)

const fake = (settings: FakeCloud.Options) =>
  Layer.scoped(
    Genesys,
    Effect.map(FakeCloud.make(settings), (fake) => ({
      options: {
        region: fake.region,
        clientId: fake.clientId,
        clientSecret: fake.clientSecret,
        scopes: settings.scopes
      },
      fake: Option.some(fake)
    }))
  ).pipe(Layer.provide(Layer.orDie(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))))

/** `settings` are those of the fake; its `scopes` are asked for. Yours are asked for those in `GENESYS_SCOPES`. */
export const layer = (settings: FakeCloud.Options = {}): Layer.Layer<Genesys, TokenError.InvalidConfiguration> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const yes = yield* isReal
    yield* Console.log(yes ? "Genesys Cloud, as the environment says" : "a fake Genesys Cloud inside this process")
    return yes ? real : fake(settings)
  }))

/** The service for that organization; `settings` win. It stands on the plain `HttpClient` of the platform. */
export const cloud = (settings: Partial<GenesysCloud.Options> = {}) =>
  Layer.unwrapEffect(
    Effect.map(Genesys, ({ options }) => GenesysCloud.layer({ ...options, ...settings }))
  )
