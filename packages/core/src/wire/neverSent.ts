/** Errors of requests that never left: while the endpoint was looked up, or the credentials were put together. */
const unsent = new WeakSet<object>()

export const mark = (error: object): void => void unsent.add(error)

/** Whether it is certain that the server has seen nothing of the request that failed with this error. */
export const has = (error: object): boolean => unsent.has(error)
