/**
 * The slots of a cache, by key: at most `capacity` of them, in Effect's `Cache`.
 *
 * **The rule.** A slot that had to give up its place serves nobody: whoever still has it at hand looks the key up
 * again. So there is one slot per key, and what was said about a key (a token refused, its end, a failure) is said about
 * all of it.
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

/** Of at most so many keys something is remembered, whether they have a place or not. */
const longestMemory = 1000

export class Slots<E> {
  private readonly memories = new Map<string, Memory>()
  /** Of as many keys it is remembered why asking is pointless for now: they must not be asked for at every call. */
  private readonly troubles = new Map<string, Trouble<E>>()
  /**
   * The slots that the cache holds, the least recently used first. Whoever looks is to look here: the cache would take a
   * look for a use, and keep in its queue also what it does not have.
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

  /** Whether the next new key takes the place of another. */
  get isFull(): boolean {
    return this.places.size >= this.capacity
  }

  peek(key: string): Slot<E> | undefined {
    return this.places.get(key)
  }

  values(): ReadonlyArray<Slot<E>> {
    return Array.from(this.places.values())
  }

  /** The slot of a key, marked as recently used; `known` yields one that lost its place and is still at work. */
  touch(key: string, known: () => Slot<E> | undefined): Slot<E> {
    // nothing in it waits, so it runs in one go: one slot per key
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

  /** What has lost its place is told so. It is the first one: the cache gives up what was used least recently. */
  private sweep(): void {
    for (const [key, slot] of this.places) {
      if (this.places.size <= this.capacity) return
      if (Effect.runSync(this.cache.contains(key))) continue
      this.places.delete(key)
      slot.hasPlace = false
    }
  }

  /** Keeps what the next slot of the key should know, should this one lose its place. */
  remember({ key, memory, trouble }: Slot<E>): void {
    keep(this.memories, key, memory)
    // of a token that is no better than the last one nothing is left to wait for, once that is gone
    keep(this.troubles, key, trouble?.failure === undefined ? undefined : trouble)
  }
}

/** The last ones, in order of use. */
const keep = <A>(all: Map<string, A>, key: string, value: A | undefined): void => {
  all.delete(key)
  if (value === undefined) return
  all.set(key, value)
  if (all.size <= longestMemory) return
  const [oldest] = all.keys()
  if (oldest !== undefined) all.delete(oldest)
}
