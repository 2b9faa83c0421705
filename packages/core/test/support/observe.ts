import { Effect, Redacted, Stream } from "effect"
import type { AccessToken, TokenEvent } from "../../src/index.js"
import { TokenSource } from "../../src/index.js"

export const secret = (token: AccessToken.AccessToken): string => Redacted.value(token.value)

/** Collects the events of a source from now on. */
export const collect = <E>(tokens: TokenSource.With<E>) =>
  Effect.gen(function*() {
    const events: Array<TokenEvent.TokenEvent> = []
    const subscribed = yield* TokenSource.subscribe(tokens)
    yield* Effect.forkScoped(Stream.runForEach(subscribed, (event) => Effect.sync(() => events.push(event))))
    return events
  })

export const tags = (events: ReadonlyArray<TokenEvent.TokenEvent>) => events.map((event) => event._tag)
