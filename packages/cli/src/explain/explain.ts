/** What `explain` says, given the pages. */
import * as Effect from "effect/Effect"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"
import type { Style } from "../output/terminal.js"
import { paint } from "../output/terminal.js"
import type { Found, Pages } from "./find.js"
import { find, groups } from "./find.js"
import { parse } from "./page.js"
import * as render from "./render.js"

export const read = (pages: Readonly<Record<string, string>>): Pages =>
  new Map(Object.entries(pages).map(([code, markdown]) => [code, parse(code, markdown)]))

const drawn = (markdown: string, style: Style): string => style.isTerminal ? render.terminal(markdown, style) : markdown

export const list = (pages: Pages, style: Style): string =>
  drawn(
    groups(pages).map(({ name, pages }) =>
      `## ${name}\n\n${pages.map(({ code, summary }) => `- \`${code}\`: ${summary}`).join("\n")}`
    ).join("\n\n"),
    style
  )

export const listObject = (pages: Pages): string =>
  JSON.stringify(
    groups(pages).flatMap(({ name, pages }) =>
      pages.map(({ code, summary }) => ({ code, summary, group: name.replaceAll("`", "") }))
    )
  )

/** What was asked for is not repeated: it may be anything. */
const unknown = (found: Exclude<Found, { readonly _tag: "Page" }>): Failure =>
  usage(
    found._tag === "Several"
      ? `There is no page of this name. These pages speak of it: ${found.codes.join(", ")}.`
      : `There is no page of this name. ${found.meant === undefined ? "" : `Did you mean "${found.meant}"? `}` +
        "`effect-bearer explain` lists all."
  )

export const page = (
  text: string,
  pages: Pages,
  { json, style }: { readonly json: boolean; readonly style: Style }
): Effect.Effect<string, Failure> => {
  const found = find(text, pages)
  if (found._tag !== "Page") return Effect.fail(unknown(found))
  const { code, markdown, means, summary, todo, why } = found.page
  if (json) return Effect.succeed(JSON.stringify({ code, summary, means, why, todo }))
  const about = found.asked === undefined
    ? ""
    : `${style.isTerminal ? found.asked : `\`${found.asked}\``} is described on this page:`
  return Effect.succeed(
    `${about === "" ? "" : `${style.isTerminal ? paint(style, "yellow", about) : about}\n\n`}${drawn(markdown, style)}`
  )
}
