// Timers, sockets and the like that begin in this process, as Node.js tells of them.
import { createHook } from "node:async_hooks"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Milliseconds of real time, whatever the Clock. */
export const step = 20

/** A timer of the check itself is none of the program's. */
let isOwn = false

export const moment: Effect.Effect<void> = Effect.async((resume) => {
  isOwn = true
  const timer = setTimeout(() => resume(Effect.void), step)
  isOwn = false
  return Effect.sync(() => clearTimeout(timer))
})

/** What keeps a process alive, by the names that Node.js has for it. */
const names: Readonly<Record<string, string>> = {
  Timeout: "timer",
  TCPWRAP: "connection",
  TCPSERVERWRAP: "server",
  PIPEWRAP: "pipe",
  PIPESERVERWRAP: "server",
  PROCESSWRAP: "process",
  FSEVENTWRAP: "watcher",
  STATWATCHER: "watcher",
  UDPWRAP: "UDP socket",
  WORKER: "worker"
}

/** Members that timers and handles of Node.js have. */
interface Resource {
  readonly _destroyed?: boolean
  readonly hasRef?: () => boolean
}

/** Whether it keeps the process alive: it has not ended, and has not been told not to (`unref`). */
const counts = ({ _destroyed, hasRef }: Resource, self: Resource): boolean =>
  _destroyed !== true && (hasRef === undefined || hasRef.call(self))

/** From now on until the scope closes: what begins, and how many of each kind are there. */
export const watch: Effect.Effect<Effect.Effect<Readonly<Record<string, number>>>, never, Scope.Scope> = Effect.gen(
  function*() {
    const begun = new Map<number, { readonly name: string; readonly resource: Resource }>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        createHook({
          init: (id, type, _trigger, resource) => {
            const name = names[type]
            if (name !== undefined && !isOwn) begun.set(id, { name, resource })
          },
          destroy: (id) => void begun.delete(id)
        }).enable()
      ),
      (hook) => Effect.sync(() => hook.disable())
    )
    return Effect.sync(() => {
      const found: Record<string, number> = {}
      for (const { name, resource } of begun.values()) {
        if (counts(resource, resource)) found[name] = (found[name] ?? 0) + 1
      }
      return found
    })
  }
)
