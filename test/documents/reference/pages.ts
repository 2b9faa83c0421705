/** The reference: a page for each public module, one for each package, and one that leads to these. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
// @ts-expect-error a script without types
import * as packageExports from "../../packageExports.mjs"
// @ts-expect-error a script without types
import { libraries } from "../../packages.mjs"
import { anchors, root } from "../links.js"
import type { Exported } from "./exports.js"
import { exportsOf, headOf } from "./exports.js"

const notice = "<!-- made of the sources by `npm run documents` -->"

interface Manifest {
  readonly name: string
  readonly description: string
  readonly exports: Readonly<Record<string, string>>
}

export interface Module {
  readonly name: string
  readonly importPath: string
  /** Its first sentence. */
  readonly summary: string
  /** From the root of the repository. */
  readonly page: string
}

export interface Package {
  readonly folder: string
  readonly name: string
  readonly description: string
  readonly modules: ReadonlyArray<Module>
}

const firstSentence = (text: string): string => {
  const paragraph = text.split(/\n\s*\n/)[0]!.replaceAll("\n", " ")
  return /^.*?[.:](?= |$)/.exec(paragraph)?.[0].replace(/:$/, ".") ?? paragraph
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync((packageExports.manifestOf as (name: string) => URL)(folder), "utf8"))

const sourcesOf = (folder: string, { exports }: Manifest) =>
  Object.entries(exports).flatMap(([path, file]) =>
    /^\.\/[A-Z]\w*$/.test(path) ? [{ name: path.slice(2), file: `packages/${folder}/${file.slice(2)}` }] : []
  )

/** The same name may stand for a type and a value. */
const byName = (all: ReadonlyArray<Exported>): ReadonlyMap<string, ReadonlyArray<Exported>> => {
  const groups = new Map<string, Array<Exported>>()
  for (const exported of all) {
    const group = groups.get(exported.name)
    if (group === undefined) groups.set(exported.name, [exported])
    else group.push(exported)
  }
  return groups
}

const entry = ([name, all]: readonly [string, ReadonlyArray<Exported>]): string => {
  const texts = Array.from(new Set(all.map(({ documentation }) => documentation.text))).filter((text) => text !== "")
  const signatures = all.map(({ signature }) => signature).join("\n\n")
  return [`## ${name}`, "```ts\n" + signatures + "\n```", ...texts].join("\n\n")
}

/** The names by category, each with a link to its place below. */
const contents = (title: string, groups: ReadonlyMap<string, ReadonlyArray<Exported>>): string => {
  const anchor = anchors()
  anchor(title)
  const categories = new Map<string, Array<string>>()
  for (const [name, all] of groups) {
    const category = all.map(({ documentation }) => documentation.category).find((text) => text !== "") ?? "others"
    categories.set(category, [...categories.get(category) ?? [], `[${name}](#${anchor(name)})`])
  }
  return Array.from(categories, ([category, links]) => `- **${category}**: ${links.join(", ")}`).join("\n")
}

const modulePage = (module: Module, file: string): string => {
  const groups = byName(exportsOf(join(root, file)))
  return [
    `# ${module.name}`,
    notice,
    `\`import * as ${module.name} from "${module.importPath}"\` ([source](../../../${file}))`,
    headOf(join(root, file)),
    contents(module.name, groups),
    ...Array.from(groups, entry)
  ].join("\n\n") + "\n"
}

const table = (head: string, rows: ReadonlyArray<readonly [string, string]>): string =>
  [`| ${head} | |`, "|---|---|", ...rows.map(([name, text]) => `| ${name} | ${text.replaceAll("|", "\\|")} |`)].join(
    "\n"
  )

const packagePage = ({ description, modules, name }: Package): string =>
  [
    `# ${name}`,
    notice,
    `${description}.`,
    table("module", modules.map((module) => [`[${module.name}](${module.name}.md)`, module.summary]))
  ].join("\n\n") + "\n"

export const packages = (): ReadonlyArray<Package> =>
  (libraries as ReadonlyArray<string>).map((folder) => {
    const manifest = manifestOf(folder)
    return {
      folder,
      name: manifest.name,
      description: manifest.description,
      modules: sourcesOf(folder, manifest).map(({ file, name }) => ({
        name,
        importPath: `${manifest.name}/${name}`,
        summary: firstSentence(headOf(join(root, file))),
        page: `docs/reference/${folder}/${name}.md`
      }))
    }
  })

/** Path → text. */
export const reference = (): ReadonlyMap<string, string> => {
  const all = packages()
  const index = [
    "# The reference",
    notice,
    "Every public name of every package: its type, its meaning, an example where one helps. " +
    "All of it stands in the documentation comments of the packages as well, where an editor shows it.",
    table(
      "package",
      all.map(({ description, folder, name }) => [`[\`${name}\`](${folder}/README.md)`, `${description}.`])
    )
  ].join("\n\n") + "\n"
  return new Map([
    ["docs/reference/README.md", index],
    ...all.flatMap((one): ReadonlyArray<readonly [string, string]> => [
      [`docs/reference/${one.folder}/README.md`, packagePage(one)],
      ...sourcesOf(one.folder, manifestOf(one.folder)).map(({ file }, index) => {
        const module = one.modules[index]!
        return [module.page, modulePage(module, file)] as const
      })
    ])
  ])
}
