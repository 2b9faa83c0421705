/**
 * `llms.txt` (https://llmstxt.org): what a language model needs to write programs with effect-bearer. A head, links with a
 * sentence each, the README, and a program that runs.
 */
import { absolute, repository } from "./links.js"
import type { Package } from "./reference/pages.js"

interface Sources {
  /** The README of the package, with absolute links. */
  readonly readme: string
  /** The README of the examples, whose table has a sentence for each. */
  readonly examples: string
  /** The program to begin with. */
  readonly program: string
  readonly packages: ReadonlyArray<Package>
}

const page = (path: string) => `${repository}/blob/main/${path}`

const link = (name: string, path: string, text: string) => `- [${name}](${page(path)}): ${text}`

const modules = ({ modules, name }: Package) =>
  [`### ${name}`, modules.map((module) => link(module.name, module.page, module.summary)).join("\n")].join("\n\n")

/** The rows of the table, as links. */
const programs = (examples: string) =>
  Array.from(
    absolute(examples, "examples").matchAll(/^\| \[`([^`]+)`\]\(([^)]+)\) \| (.+) \|$/gm),
    ([, name, target, text]) => `- [${name}](${target}): ${text}`
  ).join("\n")

const rules = [
  "- It is made for Effect 3: install `effect@3`, `@effect/platform@0.97`, and on Node.js `@effect/platform-node@0.108`.",
  "- Import from `effect-bearer`, or one module from its path: `import * as TokenSource from \"effect-bearer/TokenSource\"`.",
  "- A secret is a `Redacted`, or an effect that yields one (`Config.redacted(\"CLIENT_SECRET\")`), never a string.",
  "- A token goes to the listed `origins` only. A source lives as long as the scope of its layer: provide it once.",
  "- Do not write a retry, a cache or a timer around a token: `TokenSource.layer` has them."
].join("\n")

/** Headings below those of this document. */
const lower = (markdown: string) =>
  markdown.split(/^(```[^]*?^```)/gm).map((part) => part.startsWith("```") ? part : part.replace(/^#/gm, "##")).join("")

export const llms = ({ examples, packages, program, readme }: Sources): string =>
  [
    "# effect-bearer",
    "> The life of an OAuth 2.0 access token on Effect 3 (TypeScript): get it, cache it, renew it ahead of its end, retry " +
    "what is transient, put it on every HTTP request, and share it between processes.",
    rules,
    "## Documents",
    [
      link("Errors", "docs/errors/README.md", "a page for each code in a message: what it means, why, what to do"),
      link("Providers", "docs/providers.md", "the settings that each authorization server needs"),
      link("Modules", "docs/modules.md", "the modules of the package `effect-bearer`, and what each is for"),
      link("Architecture", "docs/architecture.md", "how it is built")
    ].join("\n"),
    "## Examples",
    programs(examples),
    "## Reference",
    ...packages.map(modules),
    lower(readme.replace(/<!--.*?-->\n*/g, "")).trim(),
    "## A program",
    "```ts\n" + program.trim() + "\n```"
  ].join("\n\n") + "\n"
