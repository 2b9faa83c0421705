/**
 * Errors of requests that were never sent: they failed while the endpoint was looked up, or the credentials were read,
 * or no connection was made. Also those of requests that the server refused for a reason of their form, before it used
 * anything in them.
 */
import * as Cause from "effect/Cause"

const unsent = new WeakSet<object>()

/** Errors of requests that may have been sent, whatever their code says. */
const doubtful = new WeakSet<object>()

// inside a span, Effect fails with a proxy of the error
export const mark = (error: object): void => void unsent.add(Cause.originalError(error))

/** Whether it is certain that the server has used nothing of the request that failed with this error. */
export const has = (error: object): boolean => unsent.has(Cause.originalError(error))

export const doubt = (error: object): void => void doubtful.add(Cause.originalError(error))

/** Whether what the client reported was looked at, and does not prove that nothing was sent. */
export const isDoubtful = (error: object): boolean => doubtful.has(Cause.originalError(error))

/** `copy`, of which holds what is known of `error`: an error that was told in other words. */
export const sameAs = <E extends object>(error: object, copy: E): E => {
  if (has(error)) mark(copy)
  if (isDoubtful(error)) doubt(copy)
  return copy
}
