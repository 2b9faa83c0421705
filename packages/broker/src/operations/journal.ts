/** What the events of each profile's source add up to: when its token was renewed, and what is wrong with it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TokenEvent from "effect-bearer/TokenEvent"
import * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"
import type { Running } from "../profile/registry.js"
import type { Activity } from "./activity.js"
import { tell } from "./activity.js"

export interface Problem {
  readonly since: number
  readonly error: string
  readonly message: string
  readonly retryAt: number | null
}

/** The shared store cannot be used: this process works alone. */
export interface StoreTrouble {
  readonly since: number
  readonly detail: string
}

export interface Known {
  readonly lastRenewal: number | null
  readonly nextRenewal: number | null
  readonly askedBy: "this" | "another" | "nobody"
  readonly problem: Problem | null
  readonly store: StoreTrouble | null
}

const nothing: Known = { lastRenewal: null, nextRenewal: null, askedBy: "nobody", problem: null, store: null }

export interface Journal {
  readonly of: (profile: string) => Known
  /** Reads the events of a profile until its scope closes. */
  readonly follow: (running: Running) => Effect.Effect<void>
}

export const make = (activity: Activity): Journal => {
  const pages = new Map<string, Known>()
  return {
    of: (profile) => pages.get(profile) ?? nothing,
    follow: (running) =>
      Effect.gen(function*() {
        pages.set(running.name, nothing)
        const events = yield* TokenSource.subscribe(running.own)
        const own = TokenRequest.hash(defaultsOf(running))
        const ahead = Duration.toMillis(running.config.ahead)
        yield* Stream.runForEach(events, (event) =>
          Effect.sync(() => {
            activity.happened({
              at: event.at,
              profile: running.name,
              kind: event._tag,
              isAnomaly: TokenEvent.isAnomaly(event),
              detail: tell(event)
            })
            if (event.key === own) {
              pages.set(running.name, after(pages.get(running.name) ?? nothing, event, ahead))
            }
          }))
      }).pipe(Effect.scoped)
  }
}

/** What the profile asks for if the caller names nothing. */
const defaultsOf = ({ config }: Running) =>
  TokenRequest.make({
    scopes: config.scopes,
    audience: config.audience,
    resource: config.resource,
    parameters: config.parameters
  })

const after = (known: Known, event: TokenEvent.TokenEvent, ahead: number): Known => {
  switch (event._tag) {
    case "AcquisitionStarted":
      return { ...known, askedBy: "this" }
    case "RefreshingElsewhere":
      return { ...known, askedBy: "another" }
    case "TokenAcquired":
      return {
        ...known,
        lastRenewal: event.at,
        nextRenewal: Option.getOrNull(event.refreshAt),
        problem: null
      }
    case "TokenShared": {
      const issuedAt = event.at - event.age
      return {
        ...known,
        lastRenewal: issuedAt,
        // that of the process that asked is not told: by the same rule it is about here
        nextRenewal: Option.getOrNull(
          Option.map(event.expiresAt, (end) => end - Math.min(ahead, (end - issuedAt) / 4))
        ),
        askedBy: "another",
        problem: null
      }
    }
    case "StoreFailed":
      return { ...known, store: { since: known.store?.since ?? event.at, detail: tell(event) } }
    case "StoreRecovered":
      return { ...known, store: null }
    case "RefreshFailed":
      return {
        ...known,
        problem: {
          since: known.problem?.since ?? event.at,
          error: event.error,
          message: event.message,
          retryAt: event.retryAt
        }
      }
    default:
      return known
  }
}
