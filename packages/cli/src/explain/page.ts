/** A page about an error: its parts, and the markdown that it is written in. */

export interface Page {
  readonly code: string
  /** One sentence. */
  readonly summary: string
  /** Markdown, as the two below. Empty where the page has no such section. */
  readonly means: string
  readonly why: string
  readonly todo: string
  /** All of it. */
  readonly markdown: string
}

const sectionsOf = (markdown: string): ReadonlyArray<readonly [heading: string, text: string]> =>
  `\n${markdown}`.split(/\n## +/).slice(1).map((section) => {
    const end = section.indexOf("\n")
    return end < 0 ? [section.trim(), ""] : [section.slice(0, end).trim(), section.slice(end + 1).trim()]
  })

/** What stands between the title and the first section, its first paragraph. */
const summaryOf = (markdown: string): string => {
  const [head = ""] = `\n${markdown}`.split(/\n## +/)
  return head.split(/\n\s*\n/).map((block) => block.trim()).find((block) => block !== "" && !block.startsWith("#"))
    ?.replace(/\s*\n\s*/g, " ") ?? ""
}

export const parse = (code: string, markdown: string): Page => {
  const sections = sectionsOf(markdown)
  const section = (heading: RegExp) => sections.find(([name]) => heading.test(name))?.[1] ?? ""
  return {
    code,
    summary: summaryOf(markdown),
    means: section(/mean/i),
    why: section(/why|cause/i),
    todo: section(/to do|fix/i),
    markdown: markdown.trim()
  }
}
