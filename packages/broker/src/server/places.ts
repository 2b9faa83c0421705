/** From the listeners of a configuration to the addresses to bind, each with what it may be reached from. */
import { isIP } from "node:net"
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import * as TokenError from "effect-bearer/TokenError"
import type { Config, Listener } from "../BrokerConfig.js"
import type { Place } from "./listen.js"

export const placesOf = (
  config: Config
): Effect.Effect<ReadonlyArray<Place>, TokenError.InvalidConfiguration> =>
  Effect.map(Effect.forEach(config.listen, ofListener), (places) => places.flat())

const ofListener = (listener: Listener): Effect.Effect<ReadonlyArray<Place>, TokenError.InvalidConfiguration> => {
  if ("socket" in listener) return Effect.succeed([{ socket: listener.socket }])
  const { behindTlsProxy, host, port, tls } = listener
  if (host === undefined) {
    return Effect.succeed(loopbacks().map((host) => ({ host, port, kind: "loopback", tls })))
  }
  if (isLoopback(host)) return Effect.succeed([{ host: bare(host), port, kind: "loopback", tls }])
  return tls !== undefined || behindTlsProxy ?
    Effect.succeed([{ host: bare(host), port, kind: "network", tls }]) :
    Effect.fail(
      new TokenError.InvalidConfiguration({
        fields: ["listen.host"],
        detail:
          "an address that others can reach needs `tls`, or `behindTlsProxy: true` where a proxy in front of the broker " +
          "speaks TLS with the callers"
      })
    )
}

/** Both families, where the machine has both. */
export const loopbacks = (): ReadonlyArray<string> => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address }) => address)
  return addresses.includes("::1") ? ["127.0.0.1", "::1"] : ["127.0.0.1"]
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

export const isLoopback = (host: string): boolean => {
  const name = bare(host).toLowerCase()
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."))
}
