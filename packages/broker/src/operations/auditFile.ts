/**
 * The file of the audit: appended to through one handle. Another file in its place (a rotation) is noticed within a second,
 * and one that could not be opened or written is tried again with the next lines.
 */
import type { FileHandle } from "node:fs/promises"
import { open, stat } from "node:fs/promises"

/** How often it is looked whether the file at the path is still the one that is open. */
const lookEvery = 1000

export interface AuditFile {
  readonly append: (text: string) => Promise<void>
  readonly close: () => Promise<void>
}

export const make = (path: string, now: () => number): AuditFile => {
  let handle: FileHandle | undefined
  let looked = Number.NEGATIVE_INFINITY

  const close = async () => {
    const open = handle
    handle = undefined
    await open?.close().catch(() => {})
  }

  const isCurrent = async (open: FileHandle): Promise<boolean> => {
    const [mine, there] = await Promise.all([open.stat(), stat(path).catch(() => undefined)])
    return there !== undefined && mine.ino === there.ino && mine.dev === there.dev
  }

  return {
    close,
    append: async (text) => {
      if (now() - looked >= lookEvery) {
        looked = now()
        if (handle !== undefined && !(await isCurrent(handle))) await close()
      }
      try {
        handle ??= await open(path, "a", 0o600)
        await handle.appendFile(text)
      } catch (error) {
        await close()
        throw error
      }
    }
  }
}
