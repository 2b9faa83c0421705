import { assert, describe, it } from "@effect/vitest"
import { isInstalled } from "./RedisServer.js"

/** A `describe` whose tests need Redis: they fail without it on CI, and are skipped, loudly, anywhere else. */
export const describeWithRedis = (name: string, tests: () => void): void => {
  if (isInstalled) return void describe(name, tests)
  describe(name, () => {
    if (process.env.CI === "true") {
      it("needs redis-server", () => assert.fail(`redis-server is not installed: ${name} was not tested`))
    } else {
      console.warn(`redis-server is not installed: ${name.toUpperCase()} IS NOT TESTED`)
      it.skip("needs redis-server, which is not installed")
    }
  })
}
