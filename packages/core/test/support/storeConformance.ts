import { describe, it } from "@effect/vitest"
import { StoreConformance } from "@effect-bearer/testing"

export const { once, twice } = StoreConformance

/** The promises of every `TokenStore.Service`, as tests: SPEC C5 to C8, and promise I11. */
export const storeConformance = (name: string, settings: StoreConformance.Settings): void => {
  describe(name, () => {
    for (const scenario of StoreConformance.scenarios(settings)) it.scoped(scenario.name, () => scenario.run)
  })
}
