/**
 * Bundles the command line to one file, `dist/effect-bearer.cjs`, with the licences of all that is in it beside it.
 * (`--outdir` names another
 * folder).
 *
 *     pnpm --filter @effect-bearer/cli run build
 */
import { createHash } from "node:crypto"
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { build, transform } from "esbuild"

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, "..")
const { values } = parseArgs({ options: { outdir: { type: "string", default: join(root, "dist") } } })
const outfile = join(values.outdir, "effect-bearer.cjs")
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"))

/** The status page of the broker lies in its package as files; here it goes into the bundle. */
const embeddedFiles = {
  name: "embedded files",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^effect-bearer:errors$/ }, () => ({ path: "errors", namespace: "embedded" }))
    onLoad({ filter: /^errors$/, namespace: "embedded" }, async () => ({
      contents: `export default ${JSON.stringify(await pages())}`,
      loader: "js"
    }))
    onLoad({ filter: /broker[\\/]src[\\/]page[\\/]files\.ts$/ }, async () => {
      const folder = join(root, "../broker/page")
      const files = {}
      for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name), "utf8")
      return {
        contents: `const files = ${JSON.stringify(files)}
export const read = async (name) => new TextEncoder().encode(files[name])`,
        loader: "js"
      }
    })
  }
}

/** oidc-provider knows its models by the names of their classes, which do not survive otherwise. */
const namesKept = {
  name: "names kept",
  setup({ onLoad }) {
    onLoad({ filter: /oidc-provider[\\/]lib[\\/].*\.js$/ }, async ({ path }) => ({
      contents:
        (await transform(await readFile(path, "utf8"), { keepNames: true, target: "node20", format: "esm" })).code,
      loader: "js"
    }))
  }
}

/** The pages about errors and findings, by their codes. */
const pages = async () => {
  const folder = join(root, "../../docs/errors")
  const found = {}
  for (const name of (await readdir(folder)).sort()) {
    if (name.endsWith(".md") && name !== "README.md") {
      found[basename(name, ".md")] = await readFile(join(folder, name), "utf8")
    }
  }
  return found
}

await rm(outfile, { force: true })
await mkdir(values.outdir, { recursive: true })

const result = await build({
  entryPoints: { main: join(root, "src/main.ts") },
  outdir: values.outdir,
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node20",
  format: "esm",
  minify: true,
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
  define: { EFFECT_BEARER_VERSION: JSON.stringify(manifest.version), "import.meta.url": "__url" },
  plugins: [embeddedFiles, namesKept]
})

/**
 * One file of parts. Those that every start needs are code; the others stand behind the program, in a comment, and are
 * compiled when they are asked for: as code they would be parsed at each start, which takes longer than `token` needs for
 * its answer.
 */
const nameOf = (path) => `./${basename(path)}`
const outputs = new Map(Object.entries(result.metafile.outputs).map(([path, output]) => [nameOf(path), output]))
const needed = new Set()
const need = (name) => {
  if (needed.has(name)) return
  needed.add(name)
  for (const { external, kind, path } of outputs.get(name).imports) {
    if (!external && kind === "import-statement") need(nameOf(path))
  }
}
need("./main.js")

const parts = new Map()
for (const { path, text } of result.outputFiles) {
  const { code } = await transform(text, {
    format: "cjs",
    platform: "node",
    target: "node20",
    minify: true,
    legalComments: "none",
    // another part is one of this file, however it is asked for
    supported: { "dynamic-import": false },
    logLevel: "warning"
  })
  // places in the file are counted in characters and read as bytes; esbuild escapes all but regular expressions
  const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  parts.set(nameOf(path), ascii.trim())
}

const wrapped = (code) => `(exports,require,module,__url)=>{${code}}`
/** One script for the parts of every start, and one for each of the others. */
const scripts = [
  ["main", `({${Array.from(needed, (name) => `${JSON.stringify(name)}:${wrapped(parts.get(name))}`).join(",\n")}})`],
  ...Array.from(parts).filter(([name]) => !needed.has(name)).map(([name, code]) => [name, `(${wrapped(code)})`])
]
// what would end the comment is taken apart, and put together again by the loader
const text = scripts.map(([, code]) => code.replaceAll("*/", "*\u0001/"))
const behind = text.join("")
const tail = "*/\n"
let left = behind.length + tail.length
const places = Object.fromEntries(scripts.map(([name], index) => {
  const place = [left, text[index].length]
  left -= text[index].length
  return [name, place]
}))
const stamp = createHash("sha256").update(behind).digest("hex").slice(0, 16)
// CommonJS: Node.js begins it sooner than a module
const [begin, lastAnswer] = await Promise.all(
  ["loader.cjs", "lastAnswer.cjs"].map((name) => readFile(join(here, name), "utf8"))
)
const loader = await transform(begin.replace(/^LAST_ANSWER$/m, () => lastAnswer), {
  define: { PLACES: JSON.stringify(places), STAMP: JSON.stringify(stamp) },
  target: "node20",
  minifyWhitespace: true
})
const program = [
  "#!/usr/bin/env node",
  `// ${manifest.name} ${manifest.version}, ${manifest.license}. The licences of what is in it: LICENSES.txt`,
  loader.code.trim(),
  `/*${behind}${tail}`
].join("\n")
await writeFile(outfile, program)
await chmod(outfile, 0o755)

/** The packages whose code is in the bundle: the folder of each, below the last `node_modules` of its path. */
const packages = new Map()
for (const input of Object.keys(result.metafile.inputs)) {
  const parts = input.split("node_modules/")
  if (parts.length < 2) continue
  const inside = parts.at(-1).split("/")
  const name = inside[0].startsWith("@") ? inside.slice(0, 2).join("/") : inside[0]
  const folder = join(process.cwd(), parts.slice(0, -1).join("node_modules/"), "node_modules", name)
  packages.set(`${name}@${JSON.parse(await readFile(join(folder, "package.json"), "utf8")).version}`, folder)
}

const licenceOf = async (folder) => {
  const file = (await readdir(folder)).find((name) => /^(licen[cs]e|copying)(\.|$|-)/i.test(name))
  return file === undefined ? undefined : (await readFile(join(folder, file), "utf8")).trim()
}

const sections = []
const without = []
for (const [name, folder] of Array.from(packages).sort(([a], [b]) => a < b ? -1 : 1)) {
  const { license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"))
  const text = await licenceOf(folder)
  if (text === undefined) without.push(name)
  sections.push(`${name}\nLicence: ${license ?? "see below"}\n\n${text ?? `The package has no file with its licence.`}`)
}
const line = "-".repeat(80)
await writeFile(
  join(values.outdir, "LICENSES.txt"),
  `effect-bearer.cjs contains code of these packages.\n\n${
    sections.map((section) => `${line}\n${section}`).join("\n\n")
  }\n`
)

console.log(
  `${relative(process.cwd(), outfile)}: ${Math.round(program.length / 1024)} KiB in ${parts.size} parts, ` +
    `${packages.size} packages` + (without.length > 0 ? `; without a licence file: ${without.join(", ")}` : "")
)
