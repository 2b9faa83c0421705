// Where Redis keeps the parts of a key.
import * as Digest from "effect-bearer/Digest"

/** Names of keys of Redis. */
export interface Places {
  readonly token: string
  readonly lease: string
  /** The number of the last lease. */
  readonly fence: string
}

/**
 * Braces make one hash slot of the three. The equals sign is for keys that begin with a brace, or are empty: an empty
 * tag is none. Half a surrogate pair has no form in UTF-8, and two such keys must not become one.
 */
export const of = (prefix: string, key: string): Places => {
  const tag = /\p{Cs}/u.test(key) ? `~${Digest.nameOf(key)}` : `=${key}`
  const place = (name: string) => `${prefix}{${tag}}:${name}`
  return { token: place("token"), lease: place("lease"), fence: place("fence") }
}
