/** A report as a person reads it, and as a program does. */
import type { Style } from "../output/terminal.js"
import { paint } from "../output/terminal.js"
import type { Finding } from "./findings.js"
import type { Check, Report } from "./report.js"
import * as wording from "./wording.js"

const mark = ({ outcome }: Check, style: Style): string =>
  outcome === "ok"
    ? paint(style, "green", "✔")
    : outcome === "found"
    ? paint(style, "red", "✖")
    : paint(style, "dim", "–")

/** Checks that were skipped one after the other for the same reason, as one. */
const grouped = (checks: ReadonlyArray<Check>): ReadonlyArray<Check> => {
  const groups: Array<Check> = []
  for (const check of checks) {
    const last = groups.at(-1)
    if (last?.outcome === "skipped" && check.outcome === "skipped" && last.detail === check.detail) {
      groups[groups.length - 1] = { ...last, check: `${last.check}, ${check.check}` }
    } else groups.push(check)
  }
  return groups
}

const line = (check: Check, style: Style): string => {
  const detail = check.outcome === "found" || check.detail === "" ? "" : paint(style, "dim", `: ${check.detail}`)
  return `${mark(check, style)} ${check.check}${detail}`
}

/** Breaks a paragraph at blanks, and begins each line of it with `indent`. */
const wrapped = (text: string, columns: number, indent: string): string => {
  const lines: Array<string> = []
  let current = ""
  for (const word of text.split(" ")) {
    if (current !== "" && indent.length + current.length + 1 + word.length > columns) {
      lines.push(current)
      current = word
    } else current = current === "" ? word : `${current} ${word}`
  }
  return [...lines, current].map((line) => `${indent}${line}`).join("\n")
}

const paragraph = ({ code, evidence, fix, title }: Finding, index: number, style: Style): string => {
  const number = `${index + 1}. `
  const indent = " ".repeat(number.length)
  return [
    `${number}${paint(style, "bold", title)}`,
    wrapped(evidence, style.columns, indent),
    wrapped(`Fix: ${fix}`, style.columns, indent),
    `${indent}${paint(style, "cyan", `[${code}]`)}`
  ].join("\n")
}

export const text = (report: Report, style: Style): string => {
  const { checks, findings } = report
  const count = findings.length === 0
    ? "Nothing was found."
    : `${wording.count(findings.length, "finding")}${findings.length > 1 ? ", first things first" : ""}:`
  return [
    grouped(checks).map((check) => line(check, style)).join("\n"),
    count,
    ...findings.map((finding, index) => paragraph(finding, index, style)),
    ...findings.length === 0 ? [] : [`More about one: effect-bearer explain ${findings[0]!.code}`]
  ].join("\n\n")
}

export const json = (report: Report): string => JSON.stringify(report)
