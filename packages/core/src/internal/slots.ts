/**
 * The slots of a cache, by key: at most `capacity` of them.
 *
 * **The rule.** A slot that had to give up its place serves nobody: whoever still has it at hand looks the key up
 * again. So there is one slot per key, and what was said about a key (a token refused, its end) is said about all of it.
 */
import type { Memory } from "./slot.js"
import { Slot } from "./slot.js"

/** Of at most so many keys without a place it is remembered which tokens they had. */
const longestMemory = 1000

export class Slots<E> {
  /** The least recently used first. */
  private readonly places = new Map<string, Slot<E>>()
  private readonly memories = new Map<string, Memory>()
  private readonly capacity: number

  constructor(
    capacity: number,
    private readonly onEvicted: (slot: Slot<E>) => void
  ) {
    this.capacity = Math.max(1, Math.floor(capacity))
  }

  /** Whether the next new key takes the place of another. */
  get isFull(): boolean {
    return this.places.size >= this.capacity
  }

  /** Looking is no use. */
  peek(key: string): Slot<E> | undefined {
    return this.places.get(key)
  }

  values(): Iterable<Slot<E>> {
    return this.places.values()
  }

  /** The slot of a key, marked as recently used; `make` yields one where there is none. */
  touch(key: string, make: () => Slot<E> | undefined): Slot<E> {
    const known = this.places.get(key)
    if (known !== undefined) {
      this.places.delete(key)
      this.places.set(key, known)
      return known
    }
    const slot = make() ?? new Slot<E>(key, this.memories.get(key))
    this.memories.delete(key)
    slot.evicted = false
    this.places.set(key, slot)
    if (this.places.size > this.capacity) this.evictOldest()
    return slot
  }

  private evictOldest(): void {
    const [oldest] = this.places.values()
    if (oldest === undefined) return
    this.places.delete(oldest.key)
    oldest.evict()
    const { memory } = oldest
    if (memory !== undefined) this.memories.set(oldest.key, memory)
    if (this.memories.size > Math.min(this.capacity, longestMemory)) {
      const [key] = this.memories.keys()
      if (key !== undefined) this.memories.delete(key)
    }
    this.onEvicted(oldest)
  }
}
