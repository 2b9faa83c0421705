import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "genesys",
    setupFiles: ["../../test/equality.ts", "../../test/testClock.ts"],
    include: ["test/**/*.test.ts"],
    // a step of the TestClock waits for real timers: let the tests of a file wait together
    sequence: { concurrent: true },
    testTimeout: 30_000
  }
})
