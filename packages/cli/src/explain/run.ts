/** `effect-bearer explain`: the page about an error or a finding, which is in the bundle. */
import * as Effect from "effect/Effect"
import pages from "effect-bearer:errors"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Environment } from "../settings/places.js"
import * as explain from "./explain.js"

export interface Options {
  readonly json: boolean
  readonly given: ReadonlyArray<string>
}

export const run = ({ given, json }: Options, environment: Environment): Effect.Effect<void, Failure> => {
  const style = terminal.styleOf(process.stdout, environment)
  const all = explain.read(pages)
  const [code, ...more] = given
  if (code === undefined) return terminal.answer(json ? explain.listObject(all) : explain.list(all, style))
  if (more.length > 0) return Effect.fail(usage("One code at a time."))
  return Effect.flatMap(explain.page(code, all, { json, style }), terminal.answer)
}
