// Finds the slot of a token request.
import * as TokenRequest from "../../values/TokenRequest.js"
import { Slot } from "./slot.js"
import type { Slots } from "./slots.js"

/** The name of a key in logs, spans and events. */
export const nameOf = (key: string): string => TokenRequest.hash(TokenRequest.fromKey(key))

export class Keys<E> {
  /** The slot of what the source is configured for. It has no place in the cache and is never evicted. */
  readonly defaultSlot: Slot<E>
  /**
   * Slots with a request under way are found here even after the cache evicted them: a capacity smaller than the number
   * of keys in flight must not break single flight.
   */
  private readonly busy = new Map<string, Slot<E>>()
  /** The slots of request objects that have been used before. */
  private readonly known = new WeakMap<TokenRequest.TokenRequest, Slot<E>>()

  constructor(
    readonly defaults: TokenRequest.TokenRequest,
    private readonly places: Slots<E>
  ) {
    this.defaultSlot = new Slot<E>(defaults.key)
    this.defaultSlot.hasPlace = true
  }

  /** The slot that a request object had when it was last used; it may have been evicted since. */
  last(request: TokenRequest.TokenRequest): Slot<E> | undefined {
    return this.known.get(request)
  }

  /** The slot of a request; a new one if there is none. It counts as a use of the slot. */
  of(request: TokenRequest.TokenRequest | undefined): Slot<E> {
    if (request === undefined) return this.defaultSlot
    const { places } = this
    const last = this.known.get(request)
    // the order of use matters only when the cache is full and may have to evict a key
    if (last !== undefined && (last === this.defaultSlot || (!places.isFull && last.hasPlace))) return last
    const key = last?.key ?? this.keyOf(request)
    const slot = key === this.defaults.key
      ? this.defaultSlot
      : (places.isFull ? undefined : places.peek(key)) ?? places.touch(key, () => this.busy.get(key))
    this.known.set(request, slot)
    return slot
  }

  /** The slot of a request if there is one. It does not count as a use of the slot. */
  peek(request: TokenRequest.TokenRequest | undefined): Slot<E> | undefined {
    const key = request === undefined ? this.defaults.key : this.keyOf(request)
    return key === this.defaults.key ? this.defaultSlot : this.busy.get(key) ?? this.places.peek(key)
  }

  all(): ReadonlyArray<Slot<E>> {
    return [this.defaultSlot, ...this.places.values()]
  }

  /** Keeps what a later slot of the same key needs to know, in case this slot is evicted. */
  remember(slot: Slot<E>): void {
    if (slot !== this.defaultSlot) this.places.remember(slot)
  }

  /** A request for the slot is under way from now on. */
  begin(slot: Slot<E>): void {
    this.busy.set(slot.key, slot)
  }

  /** The slots with a request under way. */
  underWay(): ReadonlyArray<Slot<E>> {
    return Array.from(this.busy.values())
  }

  end(slot: Slot<E>): void {
    slot.flight = undefined
    if (this.busy.get(slot.key) === slot) this.busy.delete(slot.key)
  }

  private keyOf(request: TokenRequest.TokenRequest): string {
    return TokenRequest.withDefaults(request, this.defaults).key
  }
}
