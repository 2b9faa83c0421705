/** What a probe hands back, and what all of them together amount to. */
import type { Finding } from "./findings.js"

/** One thing that was looked at. */
export interface Check {
  /** What it was, in a few words. */
  readonly check: string
  readonly outcome: "ok" | "found" | "skipped"
  /** What was seen; of one that was skipped, why. */
  readonly detail: string
}

/** Where requests go. */
export const places = ["vault", "metadata", "token", "introspection", "revocation", "api"] as const

export type Place = typeof places[number]

/** How many of what: connections carry nothing but a handshake. */
export type Counts = Readonly<Record<Place | "connections", number>>

export interface Report {
  readonly profile: string
  readonly from: string
  /** First things first. */
  readonly findings: ReadonlyArray<Finding>
  readonly checks: ReadonlyArray<Check>
  /** What was sent. */
  readonly requests: Counts
}

/** What one probe saw. */
export interface Seen {
  readonly checks: ReadonlyArray<Check>
  readonly findings: ReadonlyArray<Finding>
}

export const ok = (check: string, detail = ""): Seen => ({
  checks: [{ check, outcome: "ok", detail }],
  findings: []
})

export const skipped = (check: string, detail: string): Seen => ({
  checks: [{ check, outcome: "skipped", detail }],
  findings: []
})

export const found = (check: string, findings: ReadonlyArray<Finding>, detail = ""): Seen => ({
  checks: [{ check, outcome: findings.length === 0 ? "ok" : "found", detail }],
  findings
})

export const join = (...all: ReadonlyArray<Seen>): Seen => ({
  checks: all.flatMap(({ checks }) => checks),
  findings: all.flatMap(({ findings }) => findings)
})
