/** The documents that are made of others: their paths and their texts. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { coreReadme } from "./coreReadme.js"
import { root } from "./links.js"
import { llms } from "./llms.js"
import { packages, reference } from "./reference/pages.js"

const read = (file: string) => readFileSync(join(root, file), "utf8")

export const documents = (): ReadonlyMap<string, string> => {
  const readme = coreReadme(read("README.md"))
  return new Map([
    ["packages/core/README.md", readme],
    [
      "llms.txt",
      llms({
        readme,
        examples: read("examples/README.md"),
        program: read("examples/src/quickstart.ts"),
        packages: packages()
      })
    ],
    ...reference()
  ])
}
