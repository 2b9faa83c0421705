import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "examples",
    setupFiles: ["../test/equality.ts", "../test/testClock.ts"],
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000
  }
})
