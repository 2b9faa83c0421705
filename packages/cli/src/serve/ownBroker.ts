/** A broker for one profile and one caller, of a configuration that stands in no file. */
import * as BrokerConfig from "@effect-bearer/broker/BrokerConfig"
import * as Schema from "effect/Schema"
import type { Named } from "../settings/environmentProfile.js"

export interface Options {
  readonly listen: BrokerConfig.Config["listen"]
  readonly profile: Named
  readonly caller: string
  readonly digest: string
  readonly permissions: ReadonlyArray<"status" | "metrics">
  readonly store?: BrokerConfig.Store | undefined
  /** Default: standard output. */
  readonly auditFile?: string | undefined
}

/** All that is said nowhere is as in a file that does not say it. */
const rest = Schema.decodeSync(BrokerConfig.Config)({ profiles: {} })
const caller = Schema.decodeSync(BrokerConfig.Caller)

export const configOf = (options: Options): BrokerConfig.Config => ({
  ...rest,
  listen: options.listen,
  ...(options.store === undefined ? {} : { store: options.store }),
  audit: { ...rest.audit, ...(options.auditFile === undefined ? {} : { file: options.auditFile }) },
  // ready only with a token, which is got at the start
  profiles: { [options.profile.name]: { ...options.profile.profile, required: true } },
  callers: [caller({
    id: options.caller,
    keys: [options.digest],
    profiles: { [options.profile.name]: { tokenExchange: options.profile.profile.tokenExchange } },
    permissions: options.permissions
  })]
})

/** A port of the loopback hosts. */
export const loopback = (port: number, host?: string): BrokerConfig.Config["listen"] => [
  { port, behindTlsProxy: false, ...(host === undefined ? {} : { host }) }
]
