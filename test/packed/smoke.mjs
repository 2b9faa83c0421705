/**
 * `npm run smoke`: installs the packed libraries as a user would, by npm, and runs the first program where it has to run: the
 * oldest Node.js that `engines` names, 20, 22 and 24, Bun, Deno and Jest, by `import` and by `require`. It needs the network.
 * CI runs it as part of `npm test`; elsewhere `SMOKE=on npm test` does, and `SMOKE=off` leaves it out of CI.
 *
 *     npm run smoke                     # everywhere
 *     npm run smoke -- node-20.0.0 bun  # there only
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, pack, run } from "./pack.mjs"

const programs = fileURLToPath(new URL("programs/", import.meta.url))
const windows = process.platform === "win32"

const folder = mkdtempSync(join(tmpdir(), "smoke-"))
const tools = join(folder, "tools")
const project = join(folder, "project")

const npm = (cwd, ...args) => run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...args], { cwd })

const newProject = (cwd, manifest = {}) => {
  mkdirSync(cwd, { recursive: true })
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ private: true, ...manifest }))
}

/** npm has Node.js in a package for each system, with the program in its `bin`. */
const nodePackage = `node-${windows ? "win" : process.platform}-${process.arch}`

const node = (version) => {
  const name = `node-${version}`
  return {
    name,
    packages: [`${name}@npm:${nodePackage}@${version}`],
    programs: [["first.mjs"], ["first.cjs"]],
    command: () => [join(tools, "node_modules", name, "bin", windows ? "node.exe" : "node")]
  }
}

const bin = (name) => join(tools, "node_modules", ".bin", windows ? `${name}.cmd` : name)

const jest = () => [join(tools, "node_modules", "jest", "bin", "jest.js"), "--rootDir", project]

// `require` of an ES module, which jose is, works from 20.19 on
const everyPath = (...options) => [["everyPath.mjs", ...options, ...names]]
let names = []

const runtimes = [
  { ...node("20.0.0"), more: () => everyPath("--import-only=@effect-bearer/jose") },
  { ...node("20"), more: () => everyPath() },
  { ...node("22"), more: () => everyPath() },
  { ...node("24"), more: () => everyPath() },
  { name: "bun", packages: ["bun"], programs: [["first.mjs"], ["first.cjs"]], command: () => [bin("bun")] },
  {
    name: "deno",
    packages: ["deno"],
    programs: [["first.mjs"], ["first.cjs"]],
    command: () => [bin("deno"), "run", "--allow-all", "--node-modules-dir=manual"]
  },
  // as it comes, without a setting
  { name: "jest", packages: ["jest@30"], programs: [["first.test.js"]], command: () => [process.execPath, ...jest()] },
  {
    name: "jest-modules",
    packages: ["jest@30"],
    programs: [["jose.test.mjs"]],
    command: () => [process.execPath, "--experimental-vm-modules", ...jest(), "--testMatch", "**/*.test.mjs", "--"]
  }
]

const wanted = process.argv.slice(2).filter((argument) => argument !== "--compiled")
const unknown = wanted.filter((name) => !runtimes.some((runtime) => runtime.name === name))
if (unknown.length > 0) {
  throw new Error(`${unknown.join(", ")}: there are ${runtimes.map(({ name }) => name).join(", ")}`)
}
const chosen = runtimes.filter(({ name }) => wanted.length === 0 || wanted.includes(name))

const attempt = (title, effect) => {
  try {
    effect()
    console.log(`ok      ${title}`)
    return true
  } catch (error) {
    console.log(`failed  ${title}\n${error.message}`)
    return false
  }
}

let failed = 0
try {
  build({ compiled: process.argv.includes("--compiled") })
  const tarballs = pack(join(folder, "tarballs"))
  names = Array.from(tarballs.keys())
  newProject(project)
  // the line of the READMEs, with the tarballs in the place of the names
  npm(project, ...tarballs.values(), "effect@3", "@effect/platform@0.97", "@effect/platform-node@0.108")
  for (const program of readdirSync(programs)) copyFileSync(join(programs, program), join(project, program))
  newProject(tools)
  npm(tools, ...new Set(chosen.flatMap(({ packages }) => packages)))
  for (const { command, more = () => [], name, programs } of chosen) {
    for (const program of [...programs, ...more()]) {
      const [file, ...args] = [...command(), ...program]
      if (!attempt(`${name}: ${program[0]}`, () => run(file, args, { cwd: project }))) failed++
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(failed === 0 ? "it runs everywhere" : `${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
