import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "cli",
    setupFiles: ["../../test/equality.ts", "../../test/testClock.ts", "../../test/breath.ts"],
    include: ["test/**/*.test.ts"],
    // a step of the TestClock waits for real timers: let the tests of a file wait together
    sequence: { concurrent: true },
    // a hang is cut; how long a test takes is the business of the machine
    testTimeout: 300_000,
    hookTimeout: 300_000
  }
})
