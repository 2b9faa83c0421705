/**
 * Bundles the command line to one file, `dist/effect-bearer.mjs`, with the licences of all that is in it beside it.
 * (`--outdir` names another
 * folder).
 *
 *     pnpm --filter @effect-bearer/cli run build
 */
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { build, transform } from "esbuild"

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, "..")
const { values } = parseArgs({ options: { outdir: { type: "string", default: join(root, "dist") } } })
const outfile = join(values.outdir, "effect-bearer.mjs")
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

const result = await build({
  entryPoints: [join(root, "src/main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  minify: true,
  keepNames: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  // packages in the bundle that are CommonJS ask for Node's own modules by `require`
  banner: {
    js:
      "#!/usr/bin/env node\nimport{createRequire as __createRequire}from\"node:module\";const require=__createRequire(import.meta.url);"
  },
  define: { EFFECT_BEARER_VERSION: JSON.stringify(manifest.version) },
  plugins: [embeddedFiles, namesKept]
})
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
  `effect-bearer.mjs contains code of these packages.\n\n${
    sections.map((section) => `${line}\n${section}`).join("\n\n")
  }\n`
)

const bytes = Object.values(result.metafile.outputs)[0].bytes
console.log(
  `${relative(process.cwd(), outfile)}: ${Math.round(bytes / 1024)} KiB, ${packages.size} packages` +
    (without.length > 0 ? `; without a licence file: ${without.join(", ")}` : "")
)
