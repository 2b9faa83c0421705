// What a refresher sees of one key.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Now } from "../../values/Clocks.js"
import { request } from "./acquire.js"
import type { Context } from "./context.js"
import { isRefusal } from "./failures.js"
import { nameOf } from "./keys.js"
import type { Slot } from "./slot.js"
import { until } from "./tokenLife.js"

/** `TokenCache.Entry`. There is one for each key, so its methods are on the prototype. */
export class KeyEntry<E> {
  constructor(private readonly context: Context<E>, private readonly slot: Slot<E>) {}

  get id(): string {
    return this.slot.key
  }

  get hash(): string {
    return nameOf(this.slot.key)
  }

  get isDefault(): boolean {
    return this.slot === this.context.keys.defaultSlot
  }

  get isCurrent(): Effect.Effect<boolean> {
    return Effect.sync(() => this.slot.hasPlace)
  }

  untilRefresh(now: Now): number {
    const { context: { timing }, slot } = this
    const { held, rejected, trouble } = slot
    // After a revocation there is no token to renew, but a new one may be asked for. A slot that never had a token may
    // stand for a request that the server never grants, so asking is left to the callers.
    const isWanted = held !== undefined ||
      (rejected !== undefined && trouble?.failure !== undefined && !isRefusal(trouble.failure))
    return !isWanted || timing.ahead <= 0 || !slot.hasPlace ? Number.POSITIVE_INFINITY : Math.max(
      held === undefined ? 0 : until(held, held.refreshAt, now),
      slot.aheadFor(now)
    )
  }

  lifetime(): number {
    return this.slot.held?.lifetime ?? 0
  }

  idle(now: Now): number {
    return now.steady - this.slot.lastUsed
  }

  refresh(now: Now): void {
    const { context, slot } = this
    slot.flight?.judge()
    if (slot.flight === undefined) {
      request(context, slot, slot.held === undefined ? "cold" : "ahead", now, Option.none())
    }
  }

  forget(): void {
    if (this.slot.flight === undefined) this.slot.drop()
  }
}
