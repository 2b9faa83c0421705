// Reads the part of an HTML page's title that may be shown.
import * as plainWords from "../plainWords.js"

/**
 * The title of an HTML page tells a login page from a proxy's. But a title is text, and a page with a 2xx status may
 * hold a token anywhere, so only the plain words of a title are shown.
 */

/** How far into a page a title is searched for, in characters. */
const head = 8192

/** How many characters of a title are shown. */
const limit = 80

/** The words of the title that may be shown; empty when there is no title. */
export const shown = (html: string): string => {
  const start = /<title\b[^<>]{0,200}>/i.exec(html.slice(0, head))
  if (start === null) return ""
  const rest = html.slice(start.index + start[0].length, start.index + start[0].length + 400)
  const end = rest.search(/<\s*\/\s*title/i)
  const words = (end < 0 ? rest : rest.slice(0, end)).trim().split(/\s+/).filter((word) => word !== "")
  const isSpelled = spelled(words)
  return words.map((word, index) => isPlain(word) && !isSpelled(index) ? word : "…").join(" ").replace(/…(?: …)+/g, "…")
    .slice(0, limit)
}

/** So many letters or numbers in a row are a text that a machine spelled, and no title. */
const longestRow = 4

const spelled = (words: ReadonlyArray<string>) => {
  const rows: Array<number> = []
  let row = 0
  words.forEach((word, index) => {
    row = word.replace(/[^\p{L}\p{N}]/gu, "").length <= 1 || /\d/.test(word) ? row + 1 : 0
    rows.push(row)
    if (row === longestRow + 1) rows.fill(row, index - longestRow)
  })
  return (index: number) => rows[index]! > longestRow
}

const isPlain = (word: string): boolean => {
  const bare = word.replace(/^[("'«“]?/, "").replace(/[)"'»”.,:;!?…]{0,3}$/, "")
  return /^(?:[A-Z]?[a-z]*|[A-Z]+|\d{1,3}|[|–—-])$/.test(bare) && plainWords.has(bare)
}
