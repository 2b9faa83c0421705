/** From what somebody has read somewhere (a code, a tag, a code of OAuth or of the system) to the page about it. */
import * as Spelling from "effect-bearer/Spelling"
import * as TokenError from "effect-bearer/TokenError"
import * as TokenEvent from "effect-bearer/TokenEvent"
import type { Page } from "./page.js"

export type Pages = ReadonlyMap<string, Page>

/** Codes of OAuth that a server refuses a request with (RFC 6749, 7009, 8628, 8693, 8707, 9126, 9449). */
const oauth = new Set([
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
  "invalid_token",
  "invalid_dpop_proof",
  "use_dpop_nonce",
  "unsupported_token_type",
  "access_denied",
  "server_error",
  "temporarily_unavailable"
])

export type Found =
  /** `asked` where the page is about more than what was asked for. */
  | { readonly _tag: "Page"; readonly page: Page; readonly asked: string | undefined }
  | { readonly _tag: "Several"; readonly codes: ReadonlyArray<string> }
  | { readonly _tag: "Unknown"; readonly meant: string | undefined }

/** `[tls-error]`, `TlsError`, `TLS_ERROR` and `tls error` are one. */
const codeOf = (text: string): string =>
  text.trim().replace(/^\[(.*)\]$/, "$1").replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase().replace(/[_\s-]+/g, "-")

export const find = (text: string, pages: Pages): Found => {
  const code = codeOf(text)
  const page = pages.get(code)
  if (page !== undefined) return { _tag: "Page", page, asked: undefined }
  const name = text.trim().toLowerCase()
  const ofOAuth = pages.get("oauth-error")
  if (oauth.has(name) && ofOAuth !== undefined) return { _tag: "Page", page: ofOAuth, asked: name }
  // a code of the system, a field: whatever a page speaks of
  const mentioning = Array.from(pages.values()).filter(({ markdown }) => markdown.toLowerCase().includes(`\`${name}\``))
  if (name !== "" && mentioning.length === 1) return { _tag: "Page", page: mentioning[0]!, asked: text.trim() }
  const meant = Spelling.meant(code, Array.from(pages.keys()))
  return mentioning.length > 1 && name !== "" && meant === undefined
    ? { _tag: "Several", codes: mentioning.map(({ code }) => code) }
    : { _tag: "Unknown", meant }
}

/** All codes, by what they are codes of. */
export const groups = (pages: Pages): ReadonlyArray<{ readonly name: string; readonly pages: ReadonlyArray<Page> }> => {
  const errors: ReadonlyArray<string> = TokenError.codes
  const anomalies: ReadonlyArray<string> = TokenEvent.anomalyCodes
  const of = (codes: ReadonlyArray<string>) =>
    codes.flatMap((code) => {
      const page = pages.get(code)
      return page === undefined ? [] : [page]
    })
  const others = Array.from(pages.keys()).filter((code) => !errors.includes(code) && !anomalies.includes(code))
  return [
    { name: "Errors", pages: of(errors) },
    { name: "Anomalies in events and in the log", pages: of(anomalies) },
    { name: "Findings of `effect-bearer doctor`", pages: of(others) }
  ].filter(({ pages }) => pages.length > 0)
}
