// Reads of the title of an HTML page what may be shown.
import * as plainWords from "../plainWords.js"

/**
 * The title of an HTML page tells a login page from a proxy's. But it is text, and a page of a success may hold a token
 * anywhere: so of a title only plain words are shown.
 */

/** As far into a page as a title is looked for. */
const head = 8192

/** Of a title. */
const limit = 80

/** The words of the title that may be shown; empty when there is no title. */
export const shown = (html: string): string => {
  const start = /<title\b[^<>]{0,200}>/i.exec(html.slice(0, head))
  if (start === null) return ""
  const rest = html.slice(start.index + start[0].length, start.index + start[0].length + 400)
  const end = rest.search(/<\s*\/\s*title/i)
  const words = (end < 0 ? rest : rest.slice(0, end)).trim().split(/\s+/).filter((word) => word !== "")
  return words.map((word) => isPlain(word) ? word : "…").join(" ").replace(/…(?: …)+/g, "…").slice(0, limit)
}

const isPlain = (word: string): boolean => {
  const bare = word.replace(/^[("'«“]?/, "").replace(/[)"'»”.,:;!?…]{0,3}$/, "")
  return /^(?:[A-Z]?[a-z]*|[A-Z]+|\d{1,3}|[|–—-])$/.test(bare) && plainWords.has(bare)
}
