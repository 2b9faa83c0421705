/**
 * The slots of a cache, by key: at most `capacity` of them, in Effect's `Cache`.
 *
 * **The rule.** A slot that was evicted serves no caller: code that still has a reference to it looks the key up again.
 * So there is one slot per key, and what is reported about a key (a refused token, the end of a token, a failure) holds
 * for every caller of that key.
 *
 * The `Cache` holds slots, not tokens, and a slot never expires there. In Effect 3 every *replaced* entry leaves its key
 * in the cache's access queue for ever, so an entry per token would leak one key per lifecycle; and an entry made by the
 * lookup is evicted first, however recently it was used, which is why slots are put in by hand.
 */
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Memory, Trouble } from "./slot.js"
import { Slot } from "./slot.js"

/** How many keys are remembered at most, whether they have a slot in the cache or not. */
const longestMemory = 1000

export class Slots<E> {
  private readonly memories = new Map<string, Memory>()
  /** The last failure of each remembered key, so that a key that fails does not cause a token request at every call. */
  private readonly troubles = new Map<string, Trouble<E>>()
  /**
   * The slots that the cache holds, the least recently used first. To look at a slot, read it here: a read of the cache
   * would count as a use, and would leave even a missing key in the cache's queue.
   */
  private readonly places = new Map<string, Slot<E>>()

  private constructor(
    private readonly cache: Cache.Cache<string, Slot<E>>,
    private readonly capacity: number
  ) {}

  static make<E>(capacity: number): Effect.Effect<Slots<E>> {
    const places = Math.max(1, Math.floor(capacity))
    return Effect.map(
      Cache.makeWith<string, Slot<E>>({
        capacity: places,
        lookup: (key) => Effect.sync(() => new Slot<E>(key)),
        timeToLive: () => Duration.infinity
      }),
      (cache) => new Slots<E>(cache, places)
    )
  }

  /** Whether the next new key evicts another one. */
  get isFull(): boolean {
    return this.places.size >= this.capacity
  }

  peek(key: string): Slot<E> | undefined {
    return this.places.get(key)
  }

  values(): ReadonlyArray<Slot<E>> {
    return Array.from(this.places.values())
  }

  /**
   * The slot of a key, marked as recently used; `known` gives an evicted slot of that key whose request is still under
   * way.
   */
  touch(key: string, known: () => Slot<E> | undefined): Slot<E> {
    // no step of this waits, so no other fiber runs in between: there is one slot per key
    const slot = Effect.runSync(Effect.flatMap(this.cache.contains(key), (isThere) => {
      if (isThere) return this.cache.get(key)
      const slot = known() ?? new Slot<E>(key, this.memories.get(key), this.troubles.get(key))
      return Effect.zipRight(this.cache.set(key, slot), this.cache.get(key))
    }))
    this.places.delete(key)
    this.places.set(key, slot)
    slot.hasPlace = true
    this.sweep()
    return slot
  }

  /**
   * Marks the slots that the cache has evicted. They come first here: the cache evicts the least recently used slot.
   */
  private sweep(): void {
    for (const [key, slot] of this.places) {
      if (this.places.size <= this.capacity) return
      if (Effect.runSync(this.cache.contains(key))) continue
      this.places.delete(key)
      slot.hasPlace = false
    }
  }

  /** Keeps what a later slot of this key needs to know, in case this slot is evicted. */
  remember({ key, memory, trouble }: Slot<E>): void {
    keep(this.memories, key, memory)
    // trouble without a failure is about the held token, and means nothing once that token is gone
    keep(this.troubles, key, trouble?.failure === undefined ? undefined : trouble)
  }
}

/** Puts a value in as the latest one, and drops the oldest one if there are too many. */
const keep = <A>(all: Map<string, A>, key: string, value: A | undefined): void => {
  all.delete(key)
  if (value === undefined) return
  all.set(key, value)
  if (all.size <= longestMemory) return
  const [oldest] = all.keys()
  if (oldest !== undefined) all.delete(oldest)
}
