/**
 * A token source that behaves like the one it watches, and notes how long callers wait for a token.
 *
 * This is the way to put anything of your own around a source: it is four members, so write them out.
 */
import { Effect, Layer, Pipeable } from "effect"
import type { TokenError } from "effect-bearer"
import { TokenSource } from "effect-bearer"
import { Tally } from "./Tally.js"

const watch = (source: TokenSource.With<TokenError.TokenError>, tally: Tally["Type"]) => ({
  get: (request) => tally.waiting(source.get(request)),
  renew: (rejected, request) => tally.waiting(source.renew(rejected, request)),
  invalidate: source.invalidate,
  events: source.events,
  pipe() {
    // eslint-disable-next-line prefer-rest-params -- Effect's own way to implement Pipeable
    return Pipeable.pipeArguments(this, arguments)
  }
} satisfies TokenSource.With<TokenError.TokenError>)

/** Replaces the default source by a watched one. */
export const layer: Layer.Layer<TokenSource.TokenSource, never, TokenSource.TokenSource | Tally> = Layer.effect(
  TokenSource.TokenSource,
  Effect.zipWith(TokenSource.TokenSource, Tally, watch)
)
