import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "test",
    setupFiles: ["./equality.ts", "./testClock.ts", "./breath.ts"],
    include: ["src/**/*.test.ts"],
    // a hang is cut; how long a test takes is the business of the machine
    testTimeout: 300_000,
    hookTimeout: 300_000
  }
})
