/** Whether the broker is ready: it does not stop, and every profile marked `required` has a usable token. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TokenSource from "effect-bearer/TokenSource"
import type { Registry } from "../profile/registry.js"

export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly profiles: Readonly<Record<string, { readonly required: boolean; readonly usable: boolean }>>
}

export const readiness = (registry: Registry, isDraining: () => boolean): Effect.Effect<Readiness> =>
  Effect.map(
    Effect.forEach(registry.all(), ({ config, name, own }) =>
      Effect.map(
        TokenSource.status(own),
        ({ token }) => [name, { required: config.required, usable: Option.isSome(token) }] as const
      )),
    (profiles) => {
      const draining = isDraining()
      return {
        ready: !draining && profiles.every(([, { required, usable }]) => usable || !required),
        draining,
        profiles: Object.fromEntries(profiles)
      }
    }
  )
