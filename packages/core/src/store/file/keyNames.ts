// The names that stand for keys in the names of files. The way back is remembered, for `changes` tells keys.
import * as Digest from "../../values/Digest.js"
import * as names from "./fileNames.js"

/** How many names are remembered. */
const namesKept = 1024

export interface KeyNames {
  readonly nameOf: (key: string) => string
  /** The key that a file belongs to, if its name was asked for not long ago. */
  readonly keyOf: (file: string) => string | undefined
}

export const make = (): KeyNames => {
  const keys = new Map<string, string>()
  return {
    nameOf: (key) => {
      const name = Digest.nameOf(key)
      keys.set(name, key)
      if (keys.size > namesKept) keys.delete(keys.keys().next().value!)
      return name
    },
    keyOf: (file) => keys.get(names.nameIn(file) ?? "")
  }
}
