/** Markdown for a terminal: as much of it as the pages about errors use. */
import type { Style } from "../output/terminal.js"
import { paint } from "../output/terminal.js"

type Block =
  | { readonly _tag: "Heading"; readonly level: number; readonly text: string }
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Item"; readonly marker: string; readonly indent: number; readonly text: string }
  | { readonly _tag: "Row"; readonly cells: ReadonlyArray<string>; readonly isHead: boolean }
  | { readonly _tag: "Code"; readonly lines: ReadonlyArray<string> }
  | { readonly _tag: "Space" }

const cellsOf = (line: string): ReadonlyArray<string> =>
  line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"))

const blocksOf = (markdown: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  const lines = markdown.split("\n")
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!
    const fence = /^(\s*)(```+|~~~+)/.exec(line)
    if (fence !== null) {
      const code: Array<string> = []
      while (++index < lines.length && !lines[index]!.trim().startsWith(fence[2]!)) {
        code.push(
          lines[index]!.startsWith(fence[1]!) ? lines[index]!.slice(fence[1]!.length) : lines[index]!.trimStart()
        )
      }
      blocks.push({ _tag: "Code", lines: code })
      continue
    }
    const heading = /^(#{1,6}) +(.*)$/.exec(line)
    const item = /^(\s*)([-*]|\d{1,3}\.) +(.*)$/.exec(line)
    const last = blocks.at(-1)
    if (line.trim() === "") blocks.push({ _tag: "Space" })
    else if (/^<!--.*-->$/.test(line.trim())) continue
    else if (heading !== null) blocks.push({ _tag: "Heading", level: heading[1]!.length, text: heading[2]! })
    else if (item !== null) {
      blocks.push({
        _tag: "Item",
        indent: Math.min(8, item[1]!.length),
        marker: item[2] === "*" || item[2] === "-" ? "•" : item[2]!,
        text: item[3]!
      })
    } else if (line.trimStart().startsWith("|")) {
      if (/^[\s|:-]+$/.test(line)) {
        if (last?._tag === "Row") blocks[blocks.length - 1] = { ...last, isHead: true }
      } else blocks.push({ _tag: "Row", cells: cellsOf(line), isHead: false })
    } else if (last?._tag === "Text" || last?._tag === "Item") {
      blocks[blocks.length - 1] = { ...last, text: `${last.text} ${line.trim()}` }
    } else blocks.push({ _tag: "Text", text: line.trim() })
  }
  return blocks
}

interface Piece {
  readonly text: string
  readonly colour: "bold" | "cyan" | undefined
}

/** Links lose their target, which is another page here; code and bold text become colours. */
const piecesOf = (text: string): ReadonlyArray<Piece> => {
  const linked = text.replace(
    /\[([^\]]+)\]\(([^)\s]+)\)/g,
    (_, label: string, target: string) => /^https?:/.test(target) ? `${label} <${target}>` : label
  )
  return linked.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter((part) => part !== "").map((part) =>
    part.startsWith("`") && part.endsWith("`") && part.length > 2
      ? { text: part.slice(1, -1), colour: "cyan" }
      : part.startsWith("**") && part.endsWith("**") && part.length > 4
      ? { text: part.slice(2, -2), colour: "bold" }
      : { text: part, colour: undefined }
  )
}

/** Where there are no colours, code keeps its marks. */
const visible = ({ colour, text }: Piece, style: Style): string =>
  colour === "cyan" && !style.colour ? `\`${text}\`` : text

interface Word {
  readonly length: number
  readonly shown: string
}

/** Words as they are painted; one word may be made of several pieces. */
const wordsOf = (text: string, style: Style): ReadonlyArray<Word> => {
  const words: Array<Word> = []
  let open: Word | undefined
  for (const piece of piecesOf(text)) {
    visible(piece, style).split(/( +)/).forEach((part) => {
      if (part === "") return
      if (part.trim() === "") {
        if (open !== undefined) words.push(open)
        open = undefined
        return
      }
      const shown = piece.colour === undefined ? part : paint(style, piece.colour, part)
      open = { length: (open?.length ?? 0) + Array.from(part).length, shown: (open?.shown ?? "") + shown }
    })
  }
  return open === undefined ? words : [...words, open]
}

const wrap = (text: string, style: Style, width: number, first: string, next: string): string => {
  const lines: Array<string> = []
  let line = first
  let length = first.length
  let isEmpty = true
  for (const word of wordsOf(text, style)) {
    if (!isEmpty && length + 1 + word.length > width) {
      lines.push(line)
      line = next
      length = next.length
      isEmpty = true
    }
    line += isEmpty ? word.shown : ` ${word.shown}`
    length += word.length + (isEmpty ? 0 : 1)
    isEmpty = false
  }
  return [...lines, line].join("\n")
}

/** The widest that text is still easy to read. */
const widest = 100

export const terminal = (markdown: string, style: Style): string => {
  const width = Math.min(style.columns, widest)
  const plain = { ...style, colour: false }
  const drawn = blocksOf(markdown).map((block): string | undefined => {
    switch (block._tag) {
      case "Space":
        return ""
      case "Heading":
        return wrap(block.text, plain, width, "", "").split("\n")
          .map((line) => paint(style, block.level === 1 ? "cyan" : "bold", line)).join("\n")
      case "Text":
        return wrap(block.text, style, width, "", "")
      case "Item": {
        const indent = " ".repeat(block.indent)
        const first = `${indent}${block.marker.padStart(3)} `
        return wrap(block.text, style, width, first, " ".repeat(first.length))
      }
      // a table is read row by row: the first cell, and the others below it
      case "Row": {
        if (block.isHead) return undefined
        const [name = "", ...others] = block.cells
        return [
          wrap(name, style, width, "  ", "    "),
          ...others.filter((cell) => cell !== "").map((cell) => wrap(cell, style, width, "      ", "      "))
        ].join("\n")
      }
      case "Code":
        return block.lines.map((line) => `    ${line}`).join("\n")
    }
  })
  return drawn.filter((text) => text !== undefined).join("\n").replace(/\n{3,}/g, "\n\n").trim()
}
