/** Reads the files of the pages. A program that is bundled to one file has another module in the place of this one. */
import { readFile } from "node:fs/promises"

/** Where they lie: beside the sources or what was built of them, and beside a bundle. */
const folders = ["../../page/", "./page/"]

export const read = async (name: string): Promise<Uint8Array> => {
  let reason: unknown
  for (const folder of folders) {
    try {
      return await readFile(new URL(folder + name, import.meta.url))
    } catch (error) {
      reason = error
    }
  }
  throw reason
}
