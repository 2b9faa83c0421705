/**
 * `npm run packed`: the libraries as npm gets them. publint and "are the types wrong?" have no complaint; every public path
 * loads by `import` and by `require`; the first program runs both ways; programs of both kinds see the types; the comment at the head of each module is there.
 */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { bothKinds } from "../packages.mjs"
import { build, manifestOf, pack, root, run, unpack } from "./pack.mjs"

const programs = fileURLToPath(new URL("programs/", import.meta.url))
const complaints = []

const compile = [
  join(root, "node_modules", "typescript", "bin", "tsc"),
  ...["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck"],
  ...[
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules", "@types")
  ],
  ...["types.mts", "types.cts"]
]

const both = new Set(bothKinds.map((name) => manifestOf(name).name))

/** What node looked for before Node.js 12.7 is not supported; nor is `require` where there is no CommonJS. */
const isExpected = (name, { kind, resolutionKind }) =>
  resolutionKind === "node10" || (!both.has(name) && kind === "CJSResolvesToESM")

const types = async (name, tarball) => {
  const { problems = [] } = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  return problems.filter((problem) => !isExpected(name, problem)).map((problem) => `attw: ${JSON.stringify(problem)}`)
}

const lint = async (folder) => {
  const { messages, pkg } = await publint({ pkgDir: folder, pack: false, strict: true })
  return messages.map((message) => `publint: ${formatMessage(message, pkg)}`)
}

/** Public modules without the comment that says what they are for. */
const headless = (folder) =>
  readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" })
    .filter((file) => /(?:^|[/\\])[A-Z]\w*\.d\.ts$/.test(file))
    .filter((file) => !readFileSync(join(folder, "dist", file), "utf8").startsWith("/**"))
    .map((file) => `${file} does not begin with a comment`)

const folder = mkdtempSync(join(tmpdir(), "packed-"))
try {
  build({ compiled: process.argv.includes("--compiled") })
  const tarballs = pack(join(folder, "tarballs"))
  unpack(tarballs, folder)
  for (const [name, tarball] of tarballs) {
    const unpacked = join(folder, "node_modules", name)
    const all = [...await lint(unpacked), ...await types(name, tarball), ...headless(unpacked)]
    complaints.push(...all.map((text) => `${name}: ${text}`))
  }
  for (const program of readdirSync(programs)) copyFileSync(join(programs, program), join(folder, program))
  for (const args of [["everyPath.mjs", ...tarballs.keys()], ["first.mjs"], ["first.cjs"], compile]) {
    try {
      run(process.execPath, args, { cwd: folder })
    } catch (error) {
      complaints.push(error.message)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

for (const complaint of complaints) console.log(complaint)
console.log(complaints.length === 0 ? "the packages are as they should be" : `${complaints.length} complaints`)
process.exitCode = complaints.length === 0 ? 0 : 1
