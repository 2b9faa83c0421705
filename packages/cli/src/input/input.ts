/** What is given on standard input: never more than is asked for, and never waited for where a person sits. */
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import type { Failure } from "../output/failure.js"
import { failed, usage } from "../output/failure.js"

/** Whether a person can be asked at the terminal, wherever the answer goes. */
export const canAsk = (): boolean => isatty(0) && isatty(2)

const tooLong = (most: number) => failed(`Standard input is longer than ${most} bytes.`)
const notText = failed("Standard input is no text in UTF-8.")
const unreadable = failed("Standard input could not be read.")

/** All of standard input as text, at most so many bytes. A person at the terminal ends it with Ctrl-D. */
export const text = (most: number): Effect.Effect<string, Failure> =>
  Effect.tryPromise({
    try: async (signal) => {
      const chunks: Array<Uint8Array> = []
      let length = 0
      signal.addEventListener("abort", () => process.stdin.destroy(), { once: true })
      for await (const chunk of process.stdin) {
        const bytes = chunk as Uint8Array
        length += bytes.length
        if (length > most) throw tooLong(most)
        chunks.push(bytes)
      }
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))
      } catch {
        throw notText
      }
    },
    catch: (error) => error === notText || (error as Failure)._tag === "Failure" ? error as Failure : unreadable
  })

/** A token, as `effect-bearer token` or a header gives it: one line, with or without what stands before it. */
export const token = (what: string): Effect.Effect<string, Failure> =>
  Effect.flatMap(
    process.stdin.isTTY === true
      ? Effect.zipRight(Effect.sync(() => process.stderr.write(`${what}, then Enter and Ctrl-D:\n`)), text(65_536))
      : text(65_536),
    (given) => {
      const line = given.trim().replace(/^authorization\s*:\s*/i, "").replace(/^(bearer|dpop)\s+/i, "")
      if (line === "") {
        return Effect.fail(
          usage(`Standard input is empty. ${what} is read from there, never from arguments.`)
        )
      }
      return /[\s\p{C}]/u.test(line)
        ? Effect.fail(usage(`Standard input holds more than a token: white space, or characters that cannot be seen.`))
        : Effect.succeed(line)
    }
  )

/** A token among the arguments is in the list of processes and in the history of the shell: it is not taken, nor repeated. */
export const noToken = (given: ReadonlyArray<string>): Effect.Effect<void, Failure> =>
  given.length === 0
    ? Effect.void
    : Effect.fail(usage(
      "This command takes no arguments: a token is read from standard input. If one stood here, it is in the history of " +
        "the shell now."
    ))

/** One line that does not appear on the terminal. `undefined` where whoever sits there does not answer (Ctrl-C, Ctrl-D). */
export const hidden = (question: string): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    const { stderr, stdin } = process
    let line = ""
    const finish = (answer: string | undefined) => {
      stdin.off("data", onData)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write("\n")
      resume(Effect.succeed(answer))
    }
    const onData = (data: Buffer) => {
      for (const character of data.toString("utf8")) {
        switch (character) {
          case "\r":
          case "\n":
            return finish(line)
          case "\u0003":
          case "\u0004":
            return finish(undefined)
          case "\u007f":
          case "\b":
            line = Array.from(line).slice(0, -1).join("")
            break
          case "\u0015":
            line = ""
            break
          default:
            if (line.length < 4096 && character >= " ") line += character
        }
      }
    }
    // before the question: what is typed at once is not shown either, and Ctrl-C is an answer
    stdin.setRawMode(true)
    stdin.resume()
    stdin.on("data", onData)
    stderr.write(question)
    return Effect.sync(() => {
      stdin.off("data", onData)
      stdin.setRawMode(false)
      stdin.pause()
    })
  })
