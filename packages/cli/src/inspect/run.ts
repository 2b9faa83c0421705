/** `effect-bearer inspect`: what a token on standard input says of itself, without asking anybody. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as input from "../input/input.js"
import type { Failure } from "../output/failure.js"
import { failed } from "../output/failure.js"
import * as shown from "../output/shown.js"
import * as terminal from "../output/terminal.js"
import type { Environment } from "../settings/places.js"
import { look } from "./look.js"
import * as render from "./render.js"

export interface Options {
  readonly json: boolean
  /** Arguments: there are to be none. */
  readonly given: ReadonlyArray<string>
}

export const run = ({ given, json }: Options, environment: Environment): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    yield* input.noToken(given)
    const token = yield* input.token("The token")
    const now = yield* Clock.currentTimeMillis
    const seen = look(token, now)
    if (!json) return yield* terminal.answer(render.page(seen, now, terminal.styleOf(process.stdout, environment)))
    const text = shown.json(render.object(seen, now))
    yield* text === undefined ? Effect.fail(failed("The claims are nested too deep.")) : terminal.answer(text)
  })
