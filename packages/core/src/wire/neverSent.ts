/**
 * Errors of requests that were never sent: they failed while the endpoint was looked up, or the credentials were read.
 */
const unsent = new WeakSet<object>()

export const mark = (error: object): void => void unsent.add(error)

/** Whether it is certain that the request that failed with this error never reached the server. */
export const has = (error: object): boolean => unsent.has(error)
