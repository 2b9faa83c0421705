/** The stable code of an error or an event; its page in `docs/errors` has the same name. */

/** The tag in kebab case: `TlsError` is `tls-error`, `OAuthError` is `oauth-error`. */
export const ofTag = (tag: string): string => tag.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase()

/** Appends the code to a sentence for people. */
export const append = (text: string, tag: string): string => `${text} [${ofTag(tag)}]`
