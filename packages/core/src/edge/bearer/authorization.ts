// The header for a token.
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../../values/AccessToken.js"

const legal = /^[!-~]+ [!-~]+$/

/**
 * Gives the header for a token, or `undefined` for a token that cannot be put in a header: HTTP clients quote such a
 * value in their errors. Tokens are long, so each is checked only once; the result is forgotten with the token.
 */
export const makeAuthorization = () => {
  const headers = new WeakMap<AccessToken.AccessToken, string>()
  return (token: AccessToken.AccessToken): string | undefined => {
    const known = headers.get(token)
    if (known !== undefined) return known
    const header = Redacted.value(AccessToken.authorization(token))
    if (!legal.test(header)) return undefined
    headers.set(token, header)
    return header
  }
}
