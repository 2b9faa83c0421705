import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../AccessToken.js"
import type { TokenRequest } from "../TokenRequest.js"

interface Watch {
  until: number
  refused: boolean
}

/**
 * Keeps an API that refuses every token from costing a token request per call.
 *
 * A token that came out of a renewal is watched for `interval`. Refused in that time, it is not renewed again until
 * another `interval` has passed, for the fault is not its age. A watched token that was accepted somewhere before it
 * was refused is free: it may have been revoked since. Other tokens are never held back.
 */
export class RenewalGuard {
  private readonly watched = MutableHashMap.empty<Redacted.Redacted, Watch>()
  private readonly invalidated = MutableHashMap.empty<TokenRequest, number>()
  private readonly proven = new WeakSet<AccessToken>()
  private last: AccessToken | undefined

  constructor(private readonly interval: number) {}

  /** The API took it. On the path of every request, so one comparison for the token that is in use. */
  accepted(token: AccessToken): void {
    if (token === this.last) return
    this.last = token
    this.proven.add(token)
  }

  /** A renewal gave `token`. One that was accepted already is not news. */
  renewed(token: AccessToken, now: number): void {
    if (this.interval <= 0 || this.proven.has(token)) return
    prune(this.watched, (watch) => watch.until <= now)
    if (!MutableHashMap.has(this.watched, token.value)) {
      MutableHashMap.set(this.watched, token.value, { until: now + this.interval, refused: false })
    }
  }

  /** Whether a refused `token` must not be renewed now. */
  holds(token: AccessToken, now: number): boolean {
    const watch = this.find(token)
    return watch !== undefined && now < watch.until && (watch.refused || !this.proven.has(token))
  }

  /** Whether a refused `token` came out of a renewal just now, accepted elsewhere in the meantime or not. */
  isWatched(token: AccessToken, now: number): boolean {
    const watch = this.find(token)
    return watch !== undefined && now < watch.until
  }

  /** Holds `token` back for an interval. True for the first refusal of it: the one worth reporting. */
  refused(token: AccessToken, now: number): boolean {
    const watch = this.find(token)
    if (watch !== undefined && watch.refused && now < watch.until) return false
    prune(this.watched, (watch) => watch.until <= now)
    MutableHashMap.set(this.watched, token.value, { until: now + this.interval, refused: true })
    return true
  }

  /** Whether a token of `request` may be dropped because of a call that could not be replayed. */
  mayInvalidate(request: TokenRequest, now: number): boolean {
    const until = MutableHashMap.get(this.invalidated, request)
    if (Option.isSome(until) && now < until.value) return false
    prune(this.invalidated, (until) => until <= now)
    MutableHashMap.set(this.invalidated, request, now + this.interval)
    return true
  }

  private find(token: AccessToken): Watch | undefined {
    return Option.getOrUndefined(MutableHashMap.get(this.watched, token.value))
  }
}

/** What is over is forgotten whenever something new is remembered: the maps hold one interval's worth. */
const prune = <K, V>(map: MutableHashMap.MutableHashMap<K, V>, isOver: (value: V) => boolean): void => {
  for (const [key, value] of Array.from(map)) {
    if (isOver(value)) MutableHashMap.remove(map, key)
  }
}
