// What a cache says when it has no token to give.
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import type { Now } from "../../values/Clocks.js"
import { shownDuration } from "../../values/shownDuration.js"
import * as TokenError from "../../values/TokenError.js"

/** The error of a source that is used after its scope was closed. */
export const closedBefore = new TokenError.InvalidConfiguration({
  fields: ["scope"],
  detail:
    "this token source was used after its scope was closed: its layer was provided to an effect that has ended, " +
    "and what was taken out of that effect (a source, an HttpClient) does not work any more. Provide the layer around the " +
    "whole program, run it by Layer.launch, or keep it in a ManagedRuntime that is disposed of last"
})

/**
 * The error for callers that wait for a token when the scope is closed. They could not catch an interruption, and it
 * would not say what is wrong.
 */
export const closedMeanwhile = new TokenError.InvalidConfiguration({
  fields: ["scope"],
  detail:
    "the scope of this token source was closed while a token was on its way: end what uses it before, or keep its " +
    "layer around the whole program (Layer.launch, or a ManagedRuntime that is disposed of last)"
})

/** The error if a user's own source yields something that is no token. */
export const noToken = new TokenError.InvalidConfiguration({
  fields: ["source"],
  detail: "what the token source yielded is no AccessToken: make one with AccessToken.make"
})

/** The error if a source was interrupted from inside: the callers that wait for it were not interrupted. */
export const interruptedInside = new TokenError.TransportError({
  endpoint: "the token source",
  code: Option.none(),
  detail: "it was interrupted from inside, and not by who asked it"
})

/**
 * The error if the server answers with a token that no caller gets; the server is asked again after `wait` milliseconds.
 */
export const useless = (wait: number, description: string) =>
  new TokenError.EndpointUnavailable({
    endpoint: "The token source",
    status: 200,
    retryAfter: Option.some(Duration.millis(wait)),
    description: Option.some(description)
  })

/** For {@link useless}: the server handed out a known token again, and the life of that token is over. */
export const isOver =
  "it handed out a token again whose life is over. A cache between here and the server may have kept the " +
  "answer; a server that makes a token live longer under the same name has to name no lifetime"

/** For {@link useless}: the server answered a renewal with the refused token. */
export const refusedAgain =
  "it answered the renewal with the very token that was refused, and has no other. Check that the " +
  "API takes tokens of this server and for this audience; a cache between here and the server may have kept the answer"

/** For {@link useless}: says why a new token that arrived at `now` had ended already. */
export const hasEnded = ({ expiresAt, issuedAt }: AccessToken, now: Now): string => {
  const lifetime = Option.getOrElse(expiresAt, () => issuedAt) - issuedAt
  return lifetime > 0
    ? `it handed out a token that lives for ${shownDuration(lifetime)} and took ` +
      `${shownDuration(Math.max(0, now.wall - issuedAt))} to arrive: it has ended already, or is ` +
      "about to end. Check the clock of this machine, and what makes the answer slow"
    : "it handed out a token that has ended already: with a lifetime of 0 (expires_in), or an end in the past. If the " +
      "server means a token without an end by that, make the source with TokenSource.make and name no expiresAt; check " +
      "the clock of this machine too"
}
