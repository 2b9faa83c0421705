/** Whether the broker is ready: it does not stop, its audit can be written if it has to be, and every `required` profile has a token. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TokenSource from "effect-bearer/TokenSource"
import type { Registry } from "../profile/registry.js"

export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly profiles: Readonly<Record<string, { readonly required: boolean; readonly usable: boolean }>>
}

export const readiness = (
  registry: Registry,
  isDraining: () => boolean,
  /** Whether the audit keeps every token back. */
  isBlocked: Effect.Effect<boolean>
): Effect.Effect<Readiness> =>
  Effect.gen(function*() {
    const profiles = yield* Effect.forEach(registry.all(), ({ config, name, own }) =>
      Effect.map(
        TokenSource.status(own),
        ({ token }) => [name, { required: config.required, usable: Option.isSome(token) }] as const
      ))
    const draining = isDraining()
    const blocked = yield* isBlocked
    return {
      ready: !draining && !blocked && profiles.every(([, { required, usable }]) => usable || !required),
      draining,
      profiles: Object.fromEntries(profiles)
    }
  })
