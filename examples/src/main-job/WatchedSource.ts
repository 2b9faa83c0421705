/** A token source that behaves like the one it stands on, and notes how long callers wait for a token. */
import { Effect, Layer } from "effect"
import { TokenSource } from "effect-bearer"
import { Tally } from "./Tally.js"

/** Replaces the default source by a watched one. */
export const layer: Layer.Layer<TokenSource.TokenSource, never, TokenSource.TokenSource | Tally> = Layer.effect(
  TokenSource.TokenSource,
  Effect.zipWith(TokenSource.TokenSource, Tally, (source, tally) => TokenSource.transform(tally.waiting)(source))
)
