import { defineProject } from "vitest/config"

export default defineProject({
  test: {
    name: "test",
    setupFiles: ["./equality.ts", "./testClock.ts"],
    include: ["src/**/*.test.ts"],
    testTimeout: 30_000
  }
})
