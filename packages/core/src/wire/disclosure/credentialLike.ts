// Hides the parts of a text that look like a credential.
import { mask } from "../knownSecrets.js"
import * as plainWords from "../plainWords.js"

/**
 * Hides the parts of an explaining text that look like a credential. This is the second safeguard: the secrets that
 * were sent are found by their value, not by their look.
 */

const labelled = new RegExp(
  "((?:access|refresh|id|subject|actor|device|auth|bearer|session)[_-]?(?:token|code)|client[_-]?(?:secret|assertion)" +
    "|assertion|password|passwd|secret|token|code[_-]?verifier|api[_-]?key|authorization)" +
    "([\"'\\\\\\s]*[:=][\\s\\\\]*)(\"[^\"]*\"?|'[^']*'?|(?:(?:bearer|basic|dpop)\\s+)?[^\\s\"'&,;<>{}()]+)",
  "gi"
)
const scheme = /(Bearer|Basic|DPoP|MAC)\s+([A-Za-z0-9+/=._~-]{6,})/gi
const jwt = /eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}/g
const run = /[A-Za-z0-9_+/=~.-]{8,}/g
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** "Basic authentication" is English, "Basic dXNlcjpwYXNz" is not. */
const isCredential = (value: string): boolean =>
  /[\d=+/_~]/.test(value) || /[a-z][A-Z]/.test(value) || value.length >= 20

/** Several characters in a row in an escaped spelling, which only machines read: they may hide a secret. */
const escapes = /(?:%[0-9a-f]{2}|\\{1,16}u[0-9a-f]{4}|\\x[0-9a-f]{2}|&#x?[0-9a-f]{1,7};?){3,}/gi

/** A text with a blank after each letter, such as UTF-16 that was read as UTF-8. */
const spaced = /(?<!\S)(?:\S ){5,}\S(?!\S)/g

/** Single letters, or small numbers, in a row, such as `[115, 51, 99]` or `73:33:63`: a text that a machine spelled. */
const row =
  /(?<![\p{L}\p{N}])(?:(?:[\p{L}\p{N}]|(?:0x)?[\da-f]{2,3})[^\p{L}\p{N}<>]{1,8}){7,}(?:[\p{L}\p{N}]|(?:0x)?[\da-f]{2,3})(?![\p{L}\p{N}])/giu

/** In a text that explains a refusal, a run of characters of this length or more has to consist of words. */
const longest = 12

/** The same limit between the slashes of a path. */
const longestSegment = 8

export const hide = (text: string, keepsUuids: boolean): string =>
  text
    .replace(escapes, mask)
    .replace(row, (all) => new Set(all.split(/[^\p{L}\p{N}]+/u)).size > 3 ? mask : all)
    .replace(spaced, (all) => new Set(all).size > 6 ? mask : all)
    .replace(labelled, `$1$2${mask}`)
    .replace(scheme, (all, name: string, rest: string) => isCredential(rest) ? `${name} ${mask}` : all)
    .replace(jwt, mask)
    .replace(run, (all) =>
      all.split("/").map((part) => {
        const enough = part === all ? longest : longestSegment
        return part.length < enough || (keepsUuids && uuid.test(part.replace(/\.$/, ""))) || isWords(part) ? part : mask
      }).join("/"))

/** The same if every text may be a token: each part between white space is shown only if it is made of plain words. */
export const hideStrictly = (text: string): string =>
  hide(text, false).split(" ").map((part) => part.includes(mask) || !isPlain(part) ? mask : part).join(" ")

const isPlain = (part: string): boolean =>
  plainWords.arePlain(part.replace(/^["'(<[{«“]{0,2}/, "").replace(/[)"'>\]}»”.,:;!?…]{0,3}$/, ""))

/** Also names of errors such as `AADSTS7000215`, and of members and classes such as `OAuthException` and `clientId`. */
const word = new RegExp(
  "^(?:[a-z]{0,20}|[A-Z]{0,20}|\\d{0,10}|[A-Z]{2,8}\\d{1,10}|AADB2C\\d{1,8}" +
    "|[A-Z]{0,3}[a-z]{1,20}(?:[A-Z]{1,3}[a-z]{2,20}){0,5}(?:Ids?|ID|UR[IL])?)$"
)

const longestName = 40

/** Whether a text may be the name of something: words joined by the punctuation of names. */
export const isName = (text: string): boolean =>
  text.length <= longestName && /^@?[A-Za-z][A-Za-z0-9]*(?:[-_.:/][A-Za-z0-9]+)*$/.test(text) &&
  isWords(text.replace(/[@:/]/g, "."))

/** Words joined by punctuation, as in `invalid_client`, `oauth2` or `client.secretMissing`. */
const isWords = (all: string): boolean => {
  const odd = all.split(/[_.~=+-]+/).filter((part) => !word.test(part))
  return odd.length === 0 || (odd.length === 1 && odd[0]!.length <= 6)
}
