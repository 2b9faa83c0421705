/** One broker in a process of its own: the file of its configuration is the argument. It says over the channel where it listens. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Broker, BrokerServer } from "@effect-bearer/broker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const announce = Layer.effectDiscard(
  Effect.map(BrokerServer.BrokerServer, ({ addresses }) => void process.send?.(addresses))
)

announce.pipe(
  Layer.provide(BrokerServer.layer),
  Layer.provide(Broker.layerFile(process.argv[2]!)),
  Layer.provide([NodeContext.layer, NodeHttpClient.layerUndici]),
  Layer.launch,
  NodeRuntime.runMain
)
