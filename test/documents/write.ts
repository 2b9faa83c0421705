/** `npm run documents`: writes the documents that are made of others. A test compares them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { documents } from "./documents.js"
import { root } from "./links.js"

const made = documents()
// what is not made any more does not stay
rmSync(join(root, "docs/reference"), { recursive: true, force: true })
for (const [file, text] of made) {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}
