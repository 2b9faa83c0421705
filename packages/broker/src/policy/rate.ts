/**
 * How often each name may send a request: the generic cell rate algorithm, with one number for each name.
 *
 * `limit` may come at once after a pause, and from then on one every `interval / limit`. Names are kept while they matter,
 * and a bounded number of them: a forgotten name begins with a full allowance.
 */

/** So many, in so many milliseconds. */
export interface Limit {
  readonly limit: number
  readonly interval: number
}

/** More names than this are not kept: an attacker with many addresses costs no memory. */
const mostNames = 10_000

export class Rate {
  /** When the allowance of a name is whole again, by the steady clock. */
  readonly #whole = new Map<string, number>()

  /** Milliseconds that `name` has to wait for `cost`, or zero; then it is taken. */
  take(name: string, { interval, limit }: Limit, now: number, cost = 1): number {
    const whole = Math.max(now, this.#whole.get(name) ?? now)
    const next = whole + (cost * interval) / limit
    const wait = next - now - interval
    // two sums of fractions are seldom equal
    if (wait > 1e-6) return wait
    this.#keep(name, next, now)
    return 0
  }

  /** Whether `name` would have to wait for one more. */
  isSpent(name: string, { interval, limit }: Limit, now: number): boolean {
    return (this.#whole.get(name) ?? now) + interval / limit - now - interval > 1e-6
  }

  get size(): number {
    return this.#whole.size
  }

  #keep(name: string, next: number, now: number): void {
    // the latest are last
    this.#whole.delete(name)
    this.#whole.set(name, next)
    if (this.#whole.size <= mostNames) return
    for (const [oldest, whole] of this.#whole) {
      if (whole > now && this.#whole.size <= mostNames) break
      this.#whole.delete(oldest)
    }
  }
}
