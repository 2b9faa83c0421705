/** Which files of core have mutants, and which tests are to find them. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { basename, dirname, posix } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("../../", import.meta.url))
const sources = "packages/core/src/"
const tests = "packages/core/test/"

const read = (file) => readFileSync(root + file, "utf8")

const lines = (text) => text.split("\n").filter((line) => line !== "")

/** Fails where git does: the caller knows what it asked for. */
const git = (...args) =>
  execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim()

/** Files that git knows, and new ones that it does not ignore; not those that are deleted. */
const filesBelow = (folder) => {
  const deleted = new Set(lines(git("ls-files", "--deleted", folder)))
  return lines(git("ls-files", "--cached", "--others", "--exclude-standard", folder)).filter((file) =>
    !deleted.has(file)
  )
}

/** Types and re-exports are gone when the program runs: there is nothing to mutate. */
const runsNothing = (statement) =>
  ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ||
  ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) || ts.isEmptyStatement(statement)

const hasCode = (file) => !ts.createSourceFile(file, read(file), ts.ScriptTarget.ESNext).statements.every(runsNothing)

/** All modules of core with something to mutate, the shortest first. */
export const allModules = () =>
  filesBelow(sources)
    .filter((file) => file.endsWith(".ts") && hasCode(file))
    .map((file) => ({ file, length: read(file).length }))
    .sort((a, b) => a.length - b.length)
    .map(({ file }) => file)

/** Of `modules`, those that a word of the command line names: a file or a folder, from the root or from `src` on. */
export const named = (modules, word) => {
  const path = posix.normalize(word.replaceAll("\\", "/")).replace(/\/$/, "")
  const wanted = [path, sources + path, `${sources}${path}.ts`]
  return modules.filter((file) => wanted.some((one) => file === one || file.startsWith(`${one}/`)))
}

const exists = (commit) => {
  try {
    return git("rev-parse", "--verify", "--quiet", "--end-of-options", `${commit}^{commit}`)
  } catch {
    return undefined
  }
}

/** Where a branch left `main`; on `main` itself, the commit before. */
const defaultBase = () => {
  for (const main of ["origin/main", "main"]) {
    if (exists(main) === undefined) continue
    try {
      const base = git("merge-base", "HEAD", main)
      if (base !== exists("HEAD")) return base
    } catch {
      // the clone is too shallow to know
    }
  }
  return exists("HEAD~1")
}

/** The commit to compare with, or undefined where this clone does not have it. */
export const baseCommit = (wanted) => wanted === undefined ? defaultBase() : exists(wanted)

/** Of `modules`, those that differ from `base`: in a commit, in the working tree, or because git does not know them yet. */
export const changedSince = (modules, base) => {
  const changed = new Set([
    ...lines(git("diff", "--name-only", base, "--", sources)),
    ...lines(git("ls-files", "--others", "--exclude-standard", sources))
  ])
  return modules.filter((file) => changed.has(file))
}

/** Every test and its text, read once. */
let tested
const allTests = () => {
  tested ??= filesBelow(tests).filter((file) => file.endsWith(".test.ts")).map((file) => ({ file, text: read(file) }))
  return tested
}

/** `values/Clocks` for `packages/core/src/values/Clocks.ts` */
const placeOf = (file) => file.slice(sources.length, -".ts".length)

/** Whether this test is named for the module: `Clocks.test.ts`, `ClocksOfStores.test.ts`, or a file in `clocks/`. */
const isNamedFor = (place, test) => {
  const [wanted, at] = [place.toLowerCase(), test.slice(tests.length).toLowerCase()]
  return at.startsWith(`${wanted}/`) || (dirname(at) === dirname(wanted) && basename(at).startsWith(basename(wanted)))
}

const importsIt = (module, { file, text }) =>
  [...text.matchAll(/from "(\.[^"]+)\.js"/g)]
    .some(([, path]) => posix.join(dirname(file), `${path}.ts`) === module)

/**
 * The tests that are to find the mutants of a module. `own`: those named for it, and those that import it by its path;
 * where there are none, and for `floor`, all tests of its floor. `all`: all tests of core.
 */
export const testsOf = (module, width) => {
  const place = placeOf(module)
  const own = allTests().filter((test) => isNamedFor(place, test.file) || importsIt(module, test))
  const ofFloor = allTests().filter(({ file }) => file.startsWith(`${tests}${place.split("/")[0]}/`))
  const found = width === "all" ? allTests() : width === "own" && own.length > 0 ? own : ofFloor
  return found.map(({ file }) => file)
}
