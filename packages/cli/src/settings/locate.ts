/** Which file holds the configuration: the one that was named, or the first that lies where one is looked for. */
import type { Stats } from "node:fs"
import { lstatSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import type { Environment } from "./places.js"
import { configFolder } from "./places.js"

const extensions = [".yaml", ".yml", ".json"]

/** The places, in the order in which they are looked at. */
export const places = (environment: Environment): ReadonlyArray<string> => [
  ...extensions.map((extension) => `effect-bearer${extension}`),
  ...extensions.map((extension) => join(configFolder(environment), `config${extension}`))
]

/**
 * A file that nobody named is one of this user's own, or it is not used: whoever writes it says where secrets are sent.
 */
const objection = (
  file: string,
  { mode, uid }: { readonly mode: number; readonly uid: number }
): Failure | undefined => {
  const me = process.getuid?.()
  if (me === undefined) return undefined
  const what = uid !== me && uid !== 0
    ? "belongs to another user"
    : (mode & 0o002) !== 0
    ? "may be written to by every user"
    : undefined
  return what === undefined ? undefined : usage(
    `${file} ${what}, so it is not used. If you trust it, name it: --config ${file}`
  )
}

/** What cannot be looked at, such as the folder of another user whose `HOME` is still set, is not there. */
const look = (stat: () => Stats): Stats | undefined => {
  try {
    return stat()
  } catch {
    return undefined
  }
}

/** The file, `undefined` where there is none, or why the one that is there is not used. */
export const locate = (environment: Environment): string | undefined | Failure => {
  for (const file of places(environment)) {
    const info = look(() => statSync(file))
    const link = look(() => lstatSync(file))
    if (info?.isFile() !== true || link === undefined) continue
    // whoever made a link chooses the file
    return objection(file, info) ?? (link.isSymbolicLink() ? objection(file, { uid: link.uid, mode: 0 }) : undefined) ??
      file
  }
  return undefined
}
