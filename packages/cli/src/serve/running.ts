/** A broker that listens, and runs until it is asked to end. */
import type * as Broker from "@effect-bearer/broker/Broker"
import * as BrokerServer from "@effect-bearer/broker/BrokerServer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import type * as TokenError from "effect-bearer/TokenError"
import { failed, Failure } from "../output/failure.js"
import type { Services } from "../services.js"
import * as signals from "../signals.js"

/** An address that another program uses is no mistake of the configuration. */
const orInUse = (error: TokenError.InvalidConfiguration): Failure | TokenError.InvalidConfiguration => {
  const [, place] = /cannot listen on (.+) \(EADDRINUSE\)/.exec(error.detail) ?? []
  return place === undefined ? error : failed(
    `${place} is in use: another program listens there, or another broker. Choose another port with --port; ` +
      "--port 0 takes any that is free."
  )
}

export const isInUse = (error: unknown): boolean => error instanceof Failure && / is in use: /.test(error.detail)

/** Starts the broker and its listeners; they end with the scope, when the requests that run are answered. */
export const start = <E>(
  broker: Layer.Layer<Broker.Broker, E, Services>
): Effect.Effect<
  { readonly broker: Broker.Service; readonly server: BrokerServer.Service },
  E | Failure | TokenError.InvalidConfiguration,
  Services | Scope.Scope
> =>
  Effect.gen(function*() {
    const { Broker } = yield* Effect.promise(() => import("@effect-bearer/broker/Broker"))
    const context = yield* Layer.build(broker)
    const server = yield* BrokerServer.make.pipe(
      Effect.provide(context),
      Effect.mapError(orInUse),
      // the code that starts the broker says where it listens
      Logger.withMinimumLogLevel(LogLevel.Warning)
    )
    return { broker: Context.get(context, Broker), server }
  })

/**
 * Runs `begin`, and then what it has started, until one of the signals comes: then all ends in good order, and that is no
 * failure. A second signal ends the process at once.
 */
export const untilAsked = <E, R>(
  names: ReadonlyArray<NodeJS.Signals>,
  say: (text: string) => Effect.Effect<void>,
  begin: Effect.Effect<void, E, R | Scope.Scope>
): Effect.Effect<void, E, Exclude<R, Scope.Scope>> =>
  Effect.scoped(Effect.gen(function*() {
    const asked = yield* Deferred.make<void>()
    let count = 0
    yield* signals.take(names, (name) => {
      if (count++ > 0) process.exit(signals.exitCodeOf(name))
      Deferred.unsafeDone(asked, Effect.void)
    })
    const running = Effect.zipRight(begin, Effect.never)
    const ending = Effect.zipRight(
      Deferred.await(asked),
      say("Ending when the requests that run are answered, in 10 seconds at most; the same again ends it at once.")
    )
    yield* Effect.scoped(Effect.raceFirst(running, ending))
  })) as Effect.Effect<void, E, Exclude<R, Scope.Scope>>
