// How long the tokens of the calls inside one effect have to live.
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { GetOptions } from "../../lifecycle/source.js"

class MinTtl extends Context.Reference<MinTtl>()("effect-bearer/BearerAuth/MinTtl", {
  defaultValue: (): GetOptions | undefined => undefined
}) {}

/** What the calls of the present effect ask for. The default is undefined, so the map itself answers. */
export const current = (context: Context.Context<never>): GetOptions | undefined => context.unsafeMap.get(MinTtl.key)

export const provide = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  minTtl: Duration.DurationInput
): Effect.Effect<A, E, R> => Effect.provideService(self, MinTtl, { minTtl })
