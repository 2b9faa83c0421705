/** The tests of core as Stryker runs them: in its sandbox, one at a time, each import answered by the sandbox's own files. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = new URL("../../", import.meta.url)

/** node_modules of the sandbox lead back to the workspace, whose core has no mutants. */
const inSandbox = (name, folder) => {
  const { exports } = JSON.parse(readFileSync(new URL(`${folder}/package.json`, root), "utf8"))
  return Object.entries(exports).map(([path, file]) => ({
    find: new RegExp(`^${name}${path.slice(1)}$`),
    replacement: fileURLToPath(new URL(`${folder}/${file}`, root))
  }))
}

export default defineConfig({
  root: fileURLToPath(root),
  resolve: {
    alias: [...inSandbox("effect-bearer", "packages/core"), ...inSandbox("@effect-bearer/testing", "packages/testing")]
  },
  test: {
    setupFiles: ["test/equality.ts", "test/testClock.ts", "test/breath.ts"],
    include: ["packages/core/test/**/*.test.ts"],
    // Stryker has to know which test reached a mutant
    sequence: { concurrent: false },
    testTimeout: 300_000,
    hookTimeout: 300_000
  }
})
