/**
 * Runs `npm run setup` where it has not run since the lockfile or a package.json was changed. The scripts of the root begin
 * with this, so that each of them works in a fresh clone, and costs nothing where everything is installed.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = new URL("../", import.meta.url)

const changedAt = (file) => {
  const url = new URL(file, root)
  return existsSync(url) ? statSync(url).mtimeMs : 0
}

const wanted = [
  "pnpm-lock.yaml",
  "pnpm-workspace.yaml",
  "package.json",
  "examples/package.json",
  "test/package.json",
  ...readdirSync(new URL("packages/", root)).map((name) => `packages/${name}/package.json`)
]

// pnpm writes this file at the end of each installation
const installed = changedAt("node_modules/.modules.yaml")

if (wanted.some((file) => changedAt(file) > installed)) {
  const { status } = spawnSync("npm", ["run", "--silent", "setup"], {
    cwd: fileURLToPath(root),
    // what a script prints is its own
    stdio: ["ignore", process.stderr, "inherit"],
    shell: process.platform === "win32"
  })
  process.exitCode = status ?? 1
}
