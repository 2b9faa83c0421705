/** The life of a token as people like to see it: a bar, and times both relative and absolute. */
import type { Style } from "./terminal.js"
import { paint } from "./terminal.js"

const units: ReadonlyArray<readonly [millis: number, name: string]> = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"]
]

/** Two units at the most, as `1 h 5 min`. */
export const duration = (millis: number): string => {
  const whole = Math.max(0, Math.floor(Math.abs(millis) / 1000)) * 1000
  const first = units.findIndex(([unit]) => whole >= unit)
  if (first < 0) return "0 s"
  const [unit, name] = units[first]!
  const count = Math.floor(whole / unit)
  const next = units[first + 1]
  const rest = next === undefined ? 0 : Math.floor((whole - count * unit) / next[0])
  return next === undefined || rest === 0 ? `${count} ${name}` : `${count} ${name} ${rest} ${next[1]}`
}

/** A moment: relative, then absolute, as `in 55 min (2026-11-28T12:00:00Z)`. */
export const moment = (at: number, now: number): string => {
  const shown = Math.abs(at) <= 8.64e15 ? new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z") : "out of range"
  const distance = at - now
  const relative = Math.abs(distance) < 1000
    ? "now"
    : distance > 0
    ? `in ${duration(distance)}`
    : `${duration(distance)} ago`
  return `${relative} (${shown})`
}

/** How much is left of a life, from 0 to 1, as a bar. */
export const bar = (left: number, style: Style, width = 24): string => {
  const share = Number.isFinite(left) ? Math.min(1, Math.max(0, left)) : 0
  const full = share === 0 ? 0 : Math.max(1, Math.round(share * width))
  const colour = share > 0.5 ? "green" : share > 0.2 ? "yellow" : "red"
  return `${paint(style, colour, "█".repeat(full))}${paint(style, "dim", "░".repeat(width - full))} ${
    Math.round(share * 100)
  } %`
}
