/** The stable code of an error or an event, by which its page in `docs/errors` is found. */

/** Its tag in kebab case: `TlsError` is `tls-error`, `OAuthError` is `oauth-error`. */
export const ofTag = (tag: string): string => tag.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase()

/** A sentence for people, and behind it the code. */
export const append = (text: string, tag: string): string => `${text} [${ofTag(tag)}]`
