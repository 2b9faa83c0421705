/**
 * The file of the audit: appended to through one handle. Another file in its place (a rotation) is noticed within a second,
 * and one that could not be opened or written is tried again with the next lines.
 *
 * A disk that is full may take a part of a line. The next line begins anew, so that no more than the one that was cut off is
 * lost to whoever reads the file.
 */
import type { FileHandle } from "node:fs/promises"
import { open, stat } from "node:fs/promises"

/** How often it is looked whether the file at the path is still the one that is open. */
const lookEvery = 1000

/** Closing waits for the write under way, which may never end: a pipe without a reader, a file system that is gone. */
const patience = 2000

const newline = 0x0a

export interface AuditFile {
  readonly append: (text: string) => Promise<void>
  readonly close: () => Promise<void>
}

export const make = (path: string, now: () => number): AuditFile => {
  let handle: FileHandle | undefined
  let looked = Number.NEGATIVE_INFINITY
  let isTorn = false

  const close = async () => {
    const open = handle
    handle = undefined
    if (open === undefined) return
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      open.close().catch(() => {}),
      new Promise<void>((resolve) => timer = setTimeout(resolve, patience))
    ])
    clearTimeout(timer)
  }

  const isCurrent = async (open: FileHandle): Promise<boolean> => {
    const [mine, there] = await Promise.all([open.stat(), stat(path).catch(() => undefined)])
    return there !== undefined && mine.ino === there.ino && mine.dev === there.dev
  }

  const write = async (to: FileHandle, text: string) => {
    const bytes = Buffer.from(text)
    let done = 0
    try {
      while (done < bytes.length) done += (await to.write(bytes, done)).bytesWritten
    } finally {
      if (done > 0) isTorn = bytes[done - 1] !== newline
    }
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
        await write(handle, isTorn && (await handle.stat()).size > 0 ? `\n${text}` : text)
      } catch (error) {
        await close()
        throw error
      }
    }
  }
}
