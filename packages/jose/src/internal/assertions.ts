// Remembers how each assertion was made, so that a request that is sent again gets a new one.
import type * as Effect from "effect/Effect"
import type * as TokenError from "effect-bearer/TokenError"

/** How to make another assertion like this one. */
export type Again = Effect.Effect<string, TokenError.RequestError>

/**
 * Assertions on their way, each with how to make another. A client assertion counts once, and servers look at it
 * before they look at the DPoP proof: whoever sends a token request a second time must not send its assertion again.
 * They are sent at once or never, so the last few suffice.
 */
const capacity = 256
const minted = new Map<string, Again>()

export const remember = (assertion: string, again: Again): void => {
  if (minted.size >= capacity) {
    for (const oldest of minted.keys()) {
      minted.delete(oldest)
      break
    }
  }
  minted.set(assertion, again)
}

export const againFor = (assertion: string): Again | undefined => minted.get(assertion)
