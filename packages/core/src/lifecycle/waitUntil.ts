// How a request of a Worker is kept alive until a renewal is done.
import * as Context from "effect/Context"

/** Keeps a request alive until a promise has settled, even after the request has been answered. */
export type Keep = (promise: Promise<unknown>) => void

/** How the request that the current fiber serves is kept alive; absent if the program has not set it. */
export class WaitUntil extends Context.Reference<WaitUntil>()("effect-bearer/WaitUntil", {
  defaultValue: (): Keep | undefined => undefined
}) {}
