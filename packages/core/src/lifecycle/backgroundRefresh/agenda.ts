/**
 * Values in the order in which they are due. Each id has one place, which is moved or removed at once when its time
 * changes, so that there are never more places than ids.
 */
export class Agenda<A> {
  /** A binary heap: each entry is due no later than the two below it. */
  private readonly heap: Array<Place<A>> = []
  private readonly places = new Map<string, Place<A>>()
  private turns = 0

  get size(): number {
    return this.heap.length
  }

  /** The value that is due first; of values due at the same moment, the one that was set first. */
  get first(): { readonly due: number; readonly value: A } | undefined {
    return this.heap[0]
  }

  set(id: string, due: number, value: A): void {
    const known = this.places.get(id)
    if (known !== undefined) {
      known.due = due
      known.value = value
      known.turn = this.turns++
      this.settle(known)
      return
    }
    const place: Place<A> = { id, due, value, turn: this.turns++, index: this.heap.length }
    this.places.set(id, place)
    this.heap.push(place)
    this.settle(place)
  }

  delete(id: string): void {
    const place = this.places.get(id)
    if (place === undefined) return
    this.places.delete(id)
    const last = this.heap.pop()!
    if (last === place) return
    this.put(last, place.index)
    this.settle(last)
  }

  /** Removes one value that is due at `now`, the earliest first, and returns it. */
  take(now: number): A | undefined {
    const first = this.heap[0]
    if (first === undefined || first.due > now) return undefined
    this.delete(first.id)
    return first.value
  }

  /** Removes all values for which `keep` gives false. */
  filter(keep: (value: A) => boolean): void {
    for (const { id, value } of Array.from(this.heap)) {
      if (!keep(value)) this.delete(id)
    }
  }

  private put(place: Place<A>, index: number): void {
    this.heap[index] = place
    place.index = index
  }

  private settle(place: Place<A>): void {
    const { heap } = this
    let { index } = place
    while (index > 0) {
      const above = heap[(index - 1) >> 1]!
      if (isBefore(above, place)) break
      this.put(above, index)
      index = (index - 1) >> 1
    }
    for (;;) {
      const left = heap[2 * index + 1]
      const right = heap[2 * index + 2]
      const below = right !== undefined && left !== undefined && isBefore(right, left) ? right : left
      if (below === undefined || below === place || isBefore(place, below)) break
      const next = below.index
      this.put(below, index)
      index = next
    }
    this.put(place, index)
  }
}

interface Place<A> {
  readonly id: string
  due: number
  turn: number
  value: A
  index: number
}

const isBefore = (a: Place<unknown>, b: Place<unknown>): boolean =>
  a.due < b.due || (a.due === b.due && a.turn < b.turn)
