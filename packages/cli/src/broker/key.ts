/** `broker key`: a key for a caller of a broker, and what the configuration of the broker holds of it. */
import * as CallerKey from "@effect-bearer/broker/CallerKey"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as input from "../input/input.js"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"

export interface Options {
  /** The id of the caller, for the lines to paste. */
  readonly id?: string | undefined
  /** Whether the digest of a key that is there already is wanted. */
  readonly digest: boolean
  readonly json: boolean
  readonly quiet: boolean
}

/** As the configuration has it. */
const isId = (text: string): boolean => /^[A-Za-z0-9._-]{1,64}$/.test(text)

/** The lines of a caller, as they go into the configuration. An id in quotes is text, whatever it looks like. */
export const snippet = (id: string, digest: string): string =>
  `callers:
  - id: ${JSON.stringify(id)}
    keys: [${JSON.stringify(digest)}]
    profiles:
      calls: {} # the name of a profile, and {} for all that it allows`

const explanation = (id: string, digest: string): string =>
  `The key is for the caller. It is shown this once, and nothing keeps it. Its digest is for the configuration of the broker:

${snippet(id, digest)}

A caller may have two keys while one replaces the other.`

export const run = (options: Options): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { digest: wantsDigest, id = "flow", json, quiet } = options
    if (!isId(id)) {
      return yield* Effect.fail(usage("The id of a caller is 1 to 64 letters, digits, dots, underscores and hyphens."))
    }
    if (wantsDigest) {
      const digest = CallerKey.digestOf(Redacted.make(yield* input.token("The key")))
      return yield* terminal.answer(json ? JSON.stringify({ digest }) : digest)
    }
    const { digest, key } = yield* CallerKey.generate
    if (json) return yield* terminal.answer(JSON.stringify({ key: Redacted.value(key), digest }))
    yield* terminal.answer(Redacted.value(key))
    if (!quiet) yield* terminal.note(`\n${explanation(id, digest)}`)
  })
