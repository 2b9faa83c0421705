/** The first lines of a broker: where it listens, what it serves, to whom. */
import type * as BrokerConfig from "@effect-bearer/broker/BrokerConfig"
import type * as BrokerServer from "@effect-bearer/broker/BrokerServer"
import * as shown from "../output/shown.js"

/** The page, if there is an address that a browser can open. */
const statusPage = ({ addresses }: BrokerServer.Service): string | undefined => {
  const address = addresses.find((address) => /^https?:/.test(address))
  return address === undefined ? undefined : `${address}/`
}

const profileLine = ([name, profile]: readonly [string, BrokerConfig.Profile]): string =>
  `${name} (${placeOf(profile.issuer ?? profile.tokenEndpoint)})`

/** The host alone: a query or a user in a URL may be secret. */
const placeOf = (url: string | undefined): string =>
  url !== undefined && URL.canParse(url) ? new URL(url).host : "no valid URL"

const maySeeStatus = (config: BrokerConfig.Config): boolean =>
  config.callers.some(({ permissions }) => permissions.includes("status"))

export const text = (server: BrokerServer.Service, config: BrokerConfig.Config): string => {
  const { callers, profiles } = config
  const page = statusPage(server)
  return [
    `Listening on ${server.addresses.join(", ")}`,
    ...(server.metrics === undefined ? [] : [`Metrics at   ${server.metrics}/metrics`]),
    `Profiles:    ${shown.names(Object.entries(profiles).map(profileLine)) || "none"}`,
    `Callers:     ${
      shown.names(callers.map(({ id }) => id)) || "none, so nobody may ask. Make a key: effect-bearer broker key"
    }`,
    ...(page === undefined ? [] : [
      `Status page: ${page}${maySeeStatus(config) ? "" : " (no caller has the permission \"status\")"}`
    ])
  ].join("\n")
}

export const json = (server: BrokerServer.Service, config: BrokerConfig.Config) => ({
  addresses: server.addresses,
  metrics: server.metrics ?? null,
  profiles: Object.keys(config.profiles),
  callers: config.callers.map(({ id }) => id),
  statusPage: statusPage(server) ?? null
})

/** The key of a broker without a file, shown once. */
export const oneOffKey = (address: string, profile: string, caller: string, key: string): string => `
This broker has one caller, whose key is good until it ends, and is shown this once:
  curl -u ${caller}:${key} -d grant_type=client_credentials ${address}/oauth2/${profile}/token
`
