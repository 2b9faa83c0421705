/** The documents that are made of others: their paths and their texts. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { coreReadme } from "./coreReadme.js"
import { root } from "./links.js"

const read = (file: string) => readFileSync(join(root, file), "utf8")

export const documents = (): ReadonlyMap<string, string> =>
  new Map([
    ["packages/core/README.md", coreReadme(read("README.md"))]
  ])
