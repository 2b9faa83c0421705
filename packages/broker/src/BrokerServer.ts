/**
 * Listens for a {@link Broker.Broker} on Node.js: loopback ports, TLS, Unix sockets, with the limits of the configuration.
 *
 * When its scope closes it drains: readiness goes false, no new connections are taken, requests that run finish within 10
 * seconds or are cut, and streams end.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as TokenError from "effect-bearer/TokenError"
import * as Broker from "./Broker.js"
import type { Config } from "./BrokerConfig.js"
import * as listening from "./server/listen.js"
import * as places from "./server/places.js"

/**
 * What the broker listens on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** As `http://127.0.0.1:4180`, or `unix:/run/broker/broker.sock`; in the order of the configuration. */
  readonly addresses: ReadonlyArray<string>
  /** The listener of the metrics, where they have one of their own. */
  readonly metrics: string | undefined
}

/**
 * @since 0.1.0
 * @category tags
 */
export class BrokerServer extends Context.Tag("@effect-bearer/broker/BrokerServer")<BrokerServer, Service>() {}

/**
 * Opens the listeners of the broker's configuration. One that cannot be opened is an `InvalidConfiguration`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, TokenError.InvalidConfiguration, Broker.Broker | Scope.Scope> = Effect.gen(
  function*() {
    const broker = yield* Broker.Broker
    const config = yield* broker.config
    const opened: Array<listening.Listener> = []
    for (const place of yield* places.placesOf(config)) {
      // a port that the system chose for one family is that of the other, too
      const [first] = opened
      const chosen = "socket" in place || place.port !== 0 || first?.port === undefined
        ? place
        : { ...place, port: first.port }
      opened.push(yield* listening.listen(broker.app, chosen, config.limits))
    }
    const metrics = yield* metricsListener(broker, config)
    const all = metrics === undefined ? opened : [...opened, metrics]
    // finalizers run in reverse: this one is first. Readiness is false and streams end before any listener stops, and all
    // stop at the same time
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        broker.drain,
        Effect.forEach(all, ({ stop }) => stop, { concurrency: "unbounded", discard: true })
      )
    )
    const addresses = opened.map(({ address }) => address)
    yield* Effect.logInfo(
      `The broker listens on ${
        [...addresses, ...(metrics === undefined ? [] : [`${metrics.address} (metrics)`])].join(", ")
      }: ` +
        `${counted(Object.keys(config.profiles).length, "profile")}, ${counted(config.callers.length, "caller")}.`
    )
    return { addresses, metrics: metrics?.address }
  }
)

const counted = (count: number, name: string): string => `${count} ${name}${count === 1 ? "" : "s"}`

const metricsListener = (broker: Broker.Service, config: Config) => {
  const { metrics } = config
  if (metrics === undefined) return Effect.succeed(undefined)
  const [host = "127.0.0.1"] = metrics.host === undefined ? places.loopbacks() : [metrics.host]
  return listening.listen(
    broker.metricsApp,
    { host, port: metrics.port, kind: places.isLoopback(host) ? "loopback" : "network", tls: undefined },
    config.limits
  )
}

/**
 * The listeners of a broker, until the layer is closed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<BrokerServer, TokenError.InvalidConfiguration, Broker.Broker> = Layer.scoped(
  BrokerServer,
  make
)
