/**
 * A process that reads a token file as programs do that have one as a setting (`credentials_file` of Prometheus): anew each
 * time. It prints each content that it has not seen before, and whatever else comes to it, as a line of JSON.
 */
import { readFileSync } from "node:fs"

const [, , file] = process.argv
const known = new Set()
setInterval(() => {
  let seen
  try {
    seen = { content: readFileSync(file, "utf8") }
  } catch (error) {
    seen = { error: error.code }
  }
  const line = JSON.stringify(seen)
  if (known.has(line)) return
  known.add(line)
  console.log(line)
}, 1)
