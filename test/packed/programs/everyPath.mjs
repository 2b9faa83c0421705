// Loads every public path of the libraries, by `import` and, where there is one, by `require`: both have the same names.
// `--import-only=NAME` leaves out the `require` of a package.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"))
const failures = []

const namesIn = (module) => Object.keys(module).filter((key) => key !== "__esModule" && key !== "default").sort().join()

for (const name of names) {
  const { exports } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"))
  for (const [path, target] of Object.entries(exports)) {
    if (path.endsWith(".json")) continue
    const specifier = name + path.slice(1)
    try {
      const imported = namesIn(await import(specifier))
      if (target.require === undefined || process.argv.includes(`--import-only=${name}`)) continue
      const required = namesIn(require(specifier))
      if (imported !== required) failures.push(`${specifier}: import gives ${imported}, require ${required}`)
    } catch (error) {
      failures.push(`${specifier}: ${error.stack}`)
    }
  }
}
for (const failure of failures) console.error(failure)
if (failures.length > 0) process.exit(1)
console.log("every path loads")
