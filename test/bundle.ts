/**
 * Programs that tests start many times, translated once: tsx would translate them, and node look for hundreds of
 * modules, at every start.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { afterAll, beforeAll } from "vitest"

/** Takes programs of one folder, and says where each of them is once the tests of this file run. */
export const bundle = <File extends string>(folder: URL, programs: ReadonlyArray<File>): (program: File) => string => {
  let out: string | undefined
  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), "programs-"))
    await build({
      absWorkingDir: fileURLToPath(folder),
      entryPoints: [...programs],
      outbase: ".",
      outdir: out,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      sourcemap: true,
      logLevel: "warning",
      // what it takes for the CommonJS modules in it
      banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` }
    })
  }, 120_000)
  afterAll(() => {
    if (out !== undefined) rmSync(out, { recursive: true, force: true })
  })
  return (program) => {
    if (out === undefined) throw new Error("There are no programs before the tests run.")
    return join(out, program.replace(/\.ts$/, ".mjs"))
  }
}
