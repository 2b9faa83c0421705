/** Which caller a key or a certificate belongs to. */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Duration from "effect/Duration"
import type { Caller as CallerConfig, Config, Permission } from "../BrokerConfig.js"
import { Grant } from "./access.js"
import type { Limit } from "./rate.js"

/** A caller, with what it may ask of each profile. */
export interface Caller {
  readonly id: string
  readonly grants: ReadonlyMap<string, Grant>
  readonly permissions: ReadonlySet<Permission>
  readonly rate: Limit
}

/** What a client certificate says about its owner. */
export interface CertificateNames {
  readonly subject: string | undefined
  /** As `DNS:…` and `URI:…`. */
  readonly alternatives: ReadonlyArray<string>
}

/** The callers of one configuration. */
export interface Callers {
  /** The caller whose key this is; with `id`, only if it is that caller. */
  readonly byKey: (key: string, id: string | undefined) => Caller | undefined
  readonly byCertificate: (names: CertificateNames) => Caller | undefined
  readonly all: ReadonlyArray<Caller>
}

const defaultRate: Limit = { limit: 10_000, interval: 10_000 }

/** The digest that an unknown key is compared with; no caller has it. */
const nobodys = Buffer.alloc(32)

export const make = (config: Config): Callers => {
  const all: Array<Caller> = []
  const byDigest = new Map<string, { readonly digest: Buffer; readonly caller: Caller }>()
  const bySubject = new Map<string, Caller>()
  const byAlternative = new Map<string, Caller>()
  for (const entry of config.callers) {
    const caller = makeCaller(entry, config)
    all.push(caller)
    for (const key of entry.keys) {
      const hex = key.slice("sha256:".length)
      byDigest.set(hex, { digest: Buffer.from(hex, "hex"), caller })
    }
    for (const certificate of entry.certificates) {
      if ("subject" in certificate) bySubject.set(certificate.subject, caller)
      else byAlternative.set(certificate.san, caller)
    }
  }
  return {
    all,
    byKey: (key, id) => {
      const digest = createHash("sha256").update(key).digest()
      const entry = byDigest.get(digest.toString("hex"))
      const isEqual = timingSafeEqual(entry?.digest ?? nobodys, digest)
      return entry !== undefined && isEqual && (id === undefined || entry.caller.id === id) ? entry.caller : undefined
    },
    byCertificate: ({ alternatives, subject }) => {
      for (const name of alternatives) {
        const caller = byAlternative.get(name)
        if (caller !== undefined) return caller
      }
      return subject === undefined ? undefined : bySubject.get(subject)
    }
  }
}

const makeCaller = (entry: CallerConfig, config: Config): Caller => ({
  id: entry.id,
  grants: new Map(
    Object.entries(entry.profiles).flatMap(([name, access]) => {
      const profile = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined
      return profile === undefined ? [] : [[name, new Grant(profile, access)] as const]
    })
  ),
  permissions: new Set(entry.permissions),
  rate: entry.rate === undefined
    ? defaultRate
    : { limit: entry.rate.limit, interval: Duration.toMillis(entry.rate.interval) }
})
