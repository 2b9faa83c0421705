// Keeps an API that refuses every token from costing a token request per call.
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../../values/AccessToken.js"
import * as Clocks from "../../values/Clocks.js"
import type { TokenRequest } from "../../values/TokenRequest.js"

interface Watch {
  readonly refused: boolean
}

/** How long it is remembered that redirects from a URL lead to a 401 whatever the token is, in milliseconds. */
const bounceMemory = 5 * 60 * 1000

/**
 * Keeps an API that refuses every token from costing a token request per call.
 *
 * A token that came from a renewal is watched for `interval` milliseconds of the steady clock. If it is refused in that
 * time, it is not renewed again until another `interval` has passed, because its age is not the reason. A watched token
 * that was accepted anywhere before it was refused is not held back: it may have been revoked since. Other tokens are
 * never held back.
 */
export class RenewalGuard {
  private readonly watched: Lately<Redacted.Redacted, Watch>
  private readonly invalidated: Lately<TokenRequest, true>
  private readonly bounces = new Lately<string, true>(bounceMemory)
  /** Weak, so that a client that is no longer called keeps no token in memory. */
  private readonly proven = new WeakSet<AccessToken>()

  constructor(interval: number) {
    this.watched = new Lately(interval)
    this.invalidated = new Lately(interval)
  }

  /** The API accepted the token. This is called for every request. */
  accepted(token: AccessToken): void {
    this.proven.add(token)
  }

  /** A renewal gave `token`. A token that was accepted before is not watched. */
  renewed(token: AccessToken, now: Clocks.Now): void {
    if (this.proven.has(token)) return
    if (this.watched.get(token.value, now) === undefined) this.watched.set(token.value, { refused: false }, now)
  }

  /** Whether a refused `token` must not be renewed now. */
  holds(token: AccessToken, now: Clocks.Now): boolean {
    const watch = this.watched.get(token.value, now)
    return watch !== undefined && (watch.refused || !this.proven.has(token))
  }

  /** Whether a refused `token` came out of a renewal just now, accepted elsewhere in the meantime or not. */
  isWatched(token: AccessToken, now: Clocks.Now): boolean {
    return this.watched.get(token.value, now) !== undefined
  }

  /** Holds `token` back for an interval. True for the first refusal of it: the one worth reporting. */
  refused(token: AccessToken, now: Clocks.Now): boolean {
    if (this.watched.get(token.value, now)?.refused === true) return false
    this.watched.set(token.value, { refused: true }, now)
    return true
  }

  /**
   * Redirects from `url` ended in a 401 with a new token as well. The token may have got lost on the way: a client drops
   * it on a redirect to another origin, and does not send it again on a redirect back.
   */
  bounced(url: string, now: Clocks.Now): void {
    this.bounces.set(url, true, now)
  }

  /** Whether a 401 after redirects from `url` says nothing about the token. */
  isBounce(url: string, now: Clocks.Now): boolean {
    return this.bounces.get(url, now) !== undefined
  }

  /** Whether a token of `request` may be dropped because of a call that could not be replayed. */
  mayInvalidate(request: TokenRequest, now: Clocks.Now): boolean {
    if (this.invalidated.get(request, now) !== undefined) return false
    this.invalidated.set(request, true, now)
    return true
  }
}

interface Entry<K, V> {
  readonly key: K
  readonly value: V
  readonly period: Clocks.Period
}

/** How many entries are kept, the newest ones. A token whose entry was pushed out is renewed once more. */
const capacity = 10_000

/**
 * The entries of the last `length` milliseconds. All entries live equally long, so they end in the order in which they
 * came: each is examined once when it comes and once when it goes, however many there are.
 */
class Lately<K, V> {
  private readonly current = MutableHashMap.empty<K, Entry<K, V>>()
  private queue: Array<Entry<K, V>> = []
  private head = 0

  constructor(private readonly length: number) {}

  get(key: K, now: Clocks.Now): V | undefined {
    const entry = Option.getOrUndefined(MutableHashMap.get(this.current, key))
    return entry === undefined || Clocks.isOver(entry.period, now) ? undefined : entry.value
  }

  set(key: K, value: V, now: Clocks.Now): void {
    while (
      this.head < this.queue.length &&
      (Clocks.isOver(this.queue[this.head]!.period, now) || this.queue.length - this.head >= capacity)
    ) {
      const oldest = this.queue[this.head++]!
      // unless the key was set again since
      if (Option.getOrUndefined(MutableHashMap.get(this.current, oldest.key)) === oldest) {
        MutableHashMap.remove(this.current, oldest.key)
      }
    }
    if (this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head)
      this.head = 0
    }
    const entry = { key, value, period: Clocks.period(now, this.length) }
    this.queue.push(entry)
    MutableHashMap.set(this.current, key, entry)
  }
}
