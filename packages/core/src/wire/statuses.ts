// What an HTTP status says of a reply, by itself.

/** 4xx statuses that say what is wrong, and that it is not about the client. */
const elsewhere: ReadonlySet<number> = new Set([
  402,
  405,
  407,
  408,
  411,
  413,
  414,
  415,
  417,
  421,
  425,
  426,
  429,
  431,
  451
])

/** Whether a refusal with this status could be about the client's credentials. */
export const mayConcernClient = (status: number): boolean => isClientError(status) && !elsewhere.has(status)

/** Whether the status alone says what to do, so that the body need not be waited for. */
export const speaksForItself = (status: number): boolean =>
  status === 429 || status === 408 || status === 425 || isRedirect(status) || isServerError(status)

export const isRedirect = (status: number): boolean => status >= 300 && status <= 399

/** The other statuses from 300 on lead nowhere: 304 speaks of a copy in a cache, 305 of a proxy, 300 lets one choose. */
export const leadsElsewhere = (status: number): boolean => status === 0 || [301, 302, 303, 307, 308].includes(status)

export const isClientError = (status: number): boolean => status >= 400 && status <= 499

export const isServerError = (status: number): boolean => status >= 500 && status <= 599

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299
