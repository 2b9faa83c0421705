/**
 * Errors of requests that were never sent: they failed while the endpoint was looked up, or the credentials were read.
 * Also those of requests that the server refused for a reason of their form, before it used anything in them.
 */
const unsent = new WeakSet<object>()

export const mark = (error: object): void => void unsent.add(error)

/** Whether it is certain that the server has used nothing of the request that failed with this error. */
export const has = (error: object): boolean => unsent.has(error)
