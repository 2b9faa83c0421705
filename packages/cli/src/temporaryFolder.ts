/** A folder for this user alone, which is gone when the scope closes, or the process ends in another way but a kill. */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as atAnyEnd from "./atAnyEnd.js"
import type { Failure } from "./output/failure.js"
import { failed } from "./output/failure.js"

export const make: Effect.Effect<string, Failure, Scope.Scope> = Effect.try({
  // mode 0700
  try: () => mkdtempSync(join(tmpdir(), "effect-bearer-")),
  catch: () => failed(`No folder for temporary files can be made in ${tmpdir()}.`)
}).pipe(
  Effect.tap(atAnyEnd.remove),
  Effect.uninterruptible
)
