import { describe, it } from "@effect/vitest"
import { StoreConformance } from "@effect-bearer/testing"
import { TokenStore } from "effect-bearer"

const MyStore = TokenStore.layerMemory // yours

// `twice`: two services of the layer on the same store, as two processes have; they need a store outside of the process
const pair = StoreConformance.once(MyStore)

describe("my store", () => {
  for (const { name, run } of StoreConformance.scenarios({ pair })) {
    it.scoped(name, () => run)
  }
})
