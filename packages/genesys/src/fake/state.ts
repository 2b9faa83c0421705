// What the fake cloud knows, and its settings.
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Settings from "effect-bearer/Settings"
import * as Region from "../Region.js"
import { tokenPath } from "./answer.js"
import type { FakeConversation, FakeUser, Fault, Options, Seen, SeenRequest, Target } from "./contract.js"
import { conversation, user } from "./data.js"

export interface State {
  readonly clientId: string
  readonly home: string | undefined
  readonly scopes: ReadonlyArray<string> | undefined
  clientSecret: string
  permissions: ReadonlyArray<string>
  lifetime: Duration.Duration
  tokenRateLimit: number
  rateLimit: number
  users: ReadonlyArray<FakeUser>
  conversations: ReadonlyArray<FakeConversation>
  readonly issued: Array<string>
  readonly tokens: Map<string, { readonly environment: string; readonly expiresAt: number }>
  readonly windows: Map<string, { readonly since: number; count: number }>
  readonly faults: Array<{ left: number; readonly fault: Fault; readonly target: Target }>
  readonly requests: Array<{ -readonly [K in keyof SeenRequest]: SeenRequest[K] }>
}

const perMinute = Settings.number(300)

const ranges = {
  lifetime: Settings.duration("24 hours"),
  tokenRateLimit: perMinute,
  rateLimit: perMinute
}

export const lifetime = (given: Options["lifetime"]): Duration.Duration =>
  Duration.millis(Settings.value(ranges.lifetime, given))

export const limit = (given: number | undefined): number => Settings.value(perMinute, given)

/** A warning for what is no setting. */
export const complain = (given: Pick<Options, keyof typeof ranges>): Effect.Effect<void> =>
  Settings.warn(Settings.problems(ranges, given, "FakeCloud"))

export const initial = (options: Options): State => ({
  clientId: options.clientId ?? crypto.randomUUID(),
  clientSecret: options.clientSecret ?? randomText(32),
  home: options.home === undefined ? undefined : Region.of(options.home).environment,
  scopes: options.scopes,
  permissions: options.permissions ?? ["*"],
  lifetime: lifetime(options.lifetime),
  tokenRateLimit: limit(options.tokenRateLimit),
  rateLimit: limit(options.rateLimit),
  users: options.users ?? ["Ada", "Grace", "Edsger"].map((name) => user(name)),
  conversations: options.conversations ?? [10, 11, 12].map((hour) => conversation(`2026-01-01T${hour}:00:00.000Z`)),
  issued: [],
  tokens: new Map(),
  windows: new Map(),
  faults: [],
  requests: []
})

export const randomText = (bytes: number): string =>
  Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(bytes)))

export const seenOf = (state: State): Seen => {
  const byPath: Record<string, number> = {}
  const statuses: Record<number, number> = {}
  let tokenRequests = 0
  let apiRequests = 0
  for (const { method, path, status } of state.requests) {
    const pathname = path.replace(/\?.*$/, "")
    if (pathname === tokenPath) tokenRequests++
    else {
      apiRequests++
      byPath[`${method} ${pathname}`] = (byPath[`${method} ${pathname}`] ?? 0) + 1
    }
    if (status > 0) statuses[status] = (statuses[status] ?? 0) + 1
  }
  return {
    tokenRequests,
    apiRequests,
    tokensIssued: state.issued.length,
    byPath,
    statuses,
    requests: state.requests.map((request) => ({ ...request }))
  }
}

export interface Count {
  readonly count: number
  readonly allowed: number
  /** Seconds to the next minute. */
  readonly reset: number
  readonly exceeded: boolean
}

export const count = (state: State, key: string, allowed: number, now: number): Count => {
  let window = state.windows.get(key)
  if (window === undefined || now - window.since >= 60_000) state.windows.set(key, window = { since: now, count: 0 })
  window.count++
  return {
    count: window.count,
    allowed,
    reset: Math.max(1, Math.ceil((window.since + 60_000 - now) / 1000)),
    exceeded: window.count > allowed
  }
}
