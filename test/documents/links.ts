/** Links in Markdown: relative ones are good in the repository only, and npm shows a README without it. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { join, posix } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Where the repository is for everybody. */
export const repository = "https://github.com/effect-bearer/effect-bearer"

const isRelative = (target: string) => !/^(?:[a-z]+:|#|\/)/i.test(target)

/** The targets of all links and pictures; code is no link. */
export const targetsOf = (markdown: string): ReadonlyArray<string> => {
  const text = markdown.replace(/^(`{3,})[^]*?^\1/gm, "").replace(/`[^`\n]*`/g, "code")
  return Array.from(text.matchAll(/\]\(([^()\s]+)\)/g), ([, target]) => target!)
}

/** The same text, with links that lead somewhere from everywhere; `folder` is that of the document. */
export const absolute = (markdown: string, folder: string): string =>
  markdown.replace(/\]\(([^()\s]+)\)/g, (link, target: string) => {
    if (!isRelative(target)) return link
    const [file = "", anchor] = target.split("#")
    const path = posix.normalize(posix.join(folder, file))
    const isFolder = existsSync(join(root, path)) && statSync(join(root, path)).isDirectory()
    return `](${repository}/${isFolder ? "tree" : "blob"}/main/${path}${anchor === undefined ? "" : `#${anchor}`})`
  })

/** The anchors of headings, as GitHub makes them: call it for each heading of a page, in their order. */
export const anchors = (): (heading: string) => string => {
  const seen = new Map<string, number>()
  return (heading) => {
    const anchor = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-")
    const times = seen.get(anchor) ?? 0
    seen.set(anchor, times + 1)
    return times === 0 ? anchor : `${anchor}-${times}`
  }
}

const anchorsOf = (markdown: string): ReadonlySet<string> => {
  const anchor = anchors()
  const headings = markdown.replace(/^(`{3,})[^]*?^\1/gm, "").matchAll(/^#+ +(.+)$/gm)
  return new Set(Array.from(headings, ([, heading]) => anchor(heading!)))
}

/** A file of the repository and a heading in it, if that is what a link leads to. */
const placeOf = (target: string, folder: string): { readonly path: string; readonly anchor: string } | undefined => {
  const [, own, anchorOfOwn = ""] =
    /^https:\/\/github\.com\/effect-bearer\/effect-bearer\/(?:blob|tree)\/main\/([^#]+)#?(.*)$/
      .exec(target) ?? []
  if (own !== undefined) return { path: own, anchor: anchorOfOwn }
  if (!isRelative(target)) return undefined
  const [file = "", anchor = ""] = target.split("#")
  return { path: posix.normalize(posix.join(folder, file)), anchor }
}

/** What is wrong with the links of a document that lead to the repository. */
export const deadLinks = (file: string, markdown: string): ReadonlyArray<string> =>
  targetsOf(markdown).filter((target) => {
    if (target.startsWith("#")) return !anchorsOf(markdown).has(target.slice(1))
    const place = placeOf(target, posix.dirname(file))
    if (place === undefined) return false
    const path = join(root, place.path)
    if (!existsSync(path)) return true
    if (place.anchor === "" || place.anchor === "readme" || statSync(path).isDirectory()) return false
    return !anchorsOf(readFileSync(path, "utf8")).has(place.anchor)
  })

export const relativeLinks = (markdown: string): ReadonlyArray<string> => targetsOf(markdown).filter(isRelative)
