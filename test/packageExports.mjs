/**
 * The public paths of the packages, made from their sources: a module whose file begins with a capital letter is public,
 * in whatever folder it lies, and its path is flat (`effect-bearer/TokenSource`). Everything else is private.
 *
 *     npm run exports                # writes them into each package.json
 *
 * A test compares what is written there with what this would write.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { bothKinds, libraries } from "./packages.mjs"

const packages = new URL("../packages/", import.meta.url)

export const manifestOf = (name) => new URL(`${name}/package.json`, packages)

const isPublic = (file) => /(^|\/)[A-Z][A-Za-z0-9]*\.ts$/.test(file)

/** Public name → the file in `src`, without its ending. */
const modulesOf = (name) => {
  const files = readdirSync(new URL(`${name}/src`, packages), { recursive: true, encoding: "utf8" })
    .map((file) => file.replaceAll("\\", "/"))
    .filter(isPublic)
    .map((file) => file.slice(0, -".ts".length))
  const modules = new Map(files.map((file) => [file.slice(file.lastIndexOf("/") + 1), file]))
  if (modules.size < files.length) throw new Error(`${name}: two public modules have the same name`)
  return new Map(Array.from(modules).sort(([a], [b]) => a < b ? -1 : 1))
}

/** What tsc makes of a module, and beside it the same for `require`. */
const built = (file, both) => {
  const at = (folder) => ({ types: `./dist/${folder}${file}.d.ts`, default: `./dist/${folder}${file}.js` })
  return both ? { import: at(""), require: at("cjs/") } : at("")
}

/** The two lists of a package.json: for this workspace the sources, for npm what tsc makes of them. */
export const exportsOf = (name, current) => {
  const modules = Array.from(modulesOf(name))
  const files = Object.entries(current).filter(([path]) => path.endsWith(".json"))
  const list = (entry) =>
    Object.fromEntries([
      ...files,
      [".", entry("index")],
      ...modules.map(([module, file]) => [`./${module}`, entry(file)])
    ])
  return {
    sources: list((file) => `./src/${file}.ts`),
    compiled: list((file) => built(file, bothKinds.includes(name)))
  }
}

const write = (name) => {
  const url = manifestOf(name)
  const manifest = JSON.parse(readFileSync(url, "utf8"))
  const { compiled, sources } = exportsOf(name, manifest.exports)
  manifest.exports = sources
  manifest.publishConfig.exports = compiled
  writeFileSync(url, `${JSON.stringify(manifest, null, 2)}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) libraries.forEach(write)
