/**
 * The audit: one line of JSON for each token that is handed out or refused. A line names a token by the first digits of its
 * SHA-256, never by itself.
 *
 * Lines that come while others are being written go out together, in one write. Where the audit is required a token waits
 * for its line; otherwise the line follows, and lines that the disk does not take are counted and reported.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "effect-bearer/AccessToken"
import { codeOf } from "./systemError.js"

export interface Entry {
  readonly caller: string | undefined
  readonly profile: string | undefined
  readonly surface: string
  readonly outcome: string
  readonly token?: AccessToken | undefined
  /** Milliseconds. */
  readonly remaining?: number | undefined
}

export interface Audit {
  /** Whether the token of this entry may be handed out. */
  readonly record: (entry: Entry) => Effect.Effect<boolean>
  /** Lines that could not be written since the last that could. */
  readonly lost: () => number
  /** Lines that could not be written since the start. */
  readonly lostEver: () => number
  /**
   * Whether lines are required and the last could not be written. Then one more is tried: a broker that is not ready is asked
   * for nothing, and would not find out by itself that the disk has room again.
   */
  readonly isBlocked: Effect.Effect<boolean>
  /** Waits, for a short time, until the lines so far are where they belong, or are lost. */
  readonly flush: Effect.Effect<void>
}

/** Where lines go: resolves when they are safe. */
export type Sink = (lines: string) => Promise<void>

/** So many lines wait for the disk at most. */
const mostPending = 10_000

/** How many lines of refusals may wait: they must not push out a line that a token waits for. */
const mostRefusals = mostPending / 2

/** Milliseconds between two writes where no token waits for its line. */
const pause = 5

/** A token waits for its line so long at most. */
const patience = 2000

const names = new WeakMap<AccessToken, string>()

/** The first eight hexadecimal digits of its SHA-256: tells tokens apart, and is good for nothing else. */
export const nameOf = (token: AccessToken): string => {
  let name = names.get(token)
  if (name === undefined) {
    names.set(token, name = createHash("sha256").update(Redacted.value(token.value)).digest("hex").slice(0, 8))
  }
  return name
}

/** The part of a line that tells of a token: the same at each of its hand-outs. */
const descriptions = new WeakMap<AccessToken, string>()

const describe = (token: AccessToken): string => {
  let text = descriptions.get(token)
  if (text === undefined) {
    descriptions.set(token, text = `,"token":"${nameOf(token)}","scopes":${JSON.stringify(token.scopes)}`)
  }
  return text
}

const lineOf = (at: number, { caller, outcome, profile, remaining, surface, token }: Entry): string => {
  const asked = JSON.stringify({ time: new Date(at).toISOString(), caller, profile, surface, outcome })
  if (token === undefined) return `${asked}\n`
  const left = remaining === undefined ? "" : `,"remaining":${Math.floor(remaining / 1000)}`
  return `${asked.slice(0, -1)}${describe(token)}${left}}\n`
}

/** What is written to find out whether something can be. */
const trial: Entry = { caller: undefined, profile: undefined, surface: "ready", outcome: "audit" }

const yes = Effect.succeed(true)

type Settle = (written: boolean) => void

export const make = (
  sink: Sink,
  options: {
    readonly required: boolean
    /** By the wall clock. */
    readonly now: () => number
    readonly onTrouble: (reason: string) => void
    readonly onRecovery: () => void
  }
): Audit => {
  let lines: Array<string> = []
  let waiting: Array<Settle> = []
  let isWriting = false
  let lost = 0
  let lostBefore = 0
  /** Whether a token has waited for its line in vain, and no answer has come since. */
  let isSilent = false
  let isTold = false

  const trouble = (reason: string): void => {
    if (isTold) return
    isTold = true
    options.onTrouble(reason)
  }

  const write = async (): Promise<void> => {
    isWriting = true
    while (lines.length > 0) {
      const batch = lines
      const settle = waiting
      lines = []
      waiting = []
      let reason = ""
      const written = await sink(batch.join("")).then(() => true, (error: unknown) => {
        reason = codeOf(error)
        return false
      })
      isSilent = false
      if (written) {
        if (isTold) options.onRecovery()
        isTold = false
        lostBefore += lost
        lost = 0
      } else {
        trouble(reason)
        lost += batch.length
      }
      for (const done of settle) done(written)
      // many lines in one write cost little more than one; a token that waits for its line goes first
      if (!options.required && lines.length > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    }
    isWriting = false
  }

  /** `settle` belongs to the write that this line goes out with, so both are put there in one step. */
  const push = (line: string, most: number, settle?: Settle): boolean => {
    if (lines.length >= most) {
      if (!options.required) trouble("too many lines wait for it")
      lost++
      return false
    }
    lines.push(line)
    if (settle !== undefined) waiting.push(settle)
    // what else comes before this turn ends goes out with it
    if (!isWriting) {
      isWriting = true
      queueMicrotask(() => void write())
    }
    return true
  }

  return {
    lost: () => lost,
    lostEver: () => lostBefore + lost,
    isBlocked: Effect.sync(() => {
      const isBlocked = options.required && (lost > 0 || isSilent)
      // a write that is under way notices by itself
      if (isBlocked && !isWriting) push(lineOf(options.now(), trial), mostRefusals)
      return isBlocked
    }),
    flush: Effect.promise(async () => {
      for (let waited = 0; isWriting && waited < patience; waited += pause) {
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }),
    record: (entry) =>
      Effect.suspend(() => {
        const line = lineOf(options.now(), entry)
        if (!options.required || entry.token === undefined) {
          push(line, entry.token === undefined ? mostRefusals : mostPending)
          return yes
        }
        return Effect.async<boolean>((resume) => {
          const accepted = push(line, mostPending, (written) => resume(Effect.succeed(written)))
          if (!accepted) resume(Effect.succeed(false))
        }).pipe(Effect.timeoutTo({
          duration: patience,
          onSuccess: (written) => written,
          // a disk that hangs says nothing, and keeps every token back like a full one
          onTimeout: () => {
            isSilent = true
            trouble(`no answer in ${patience} ms`)
            return false
          }
        }))
      })
  }
}
