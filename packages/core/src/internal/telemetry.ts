import * as Effect from "effect/Effect"
import type { TokenEvent } from "../TokenEvent.js"

/** Logs and counts one event. */
export const report = (_event: TokenEvent): Effect.Effect<void> => Effect.void
