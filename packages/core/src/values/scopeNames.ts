// Finds scopes that were granted under another spelling than they were asked for.
import * as Scopes from "./Scopes.js"

/** A scope that was asked for under one name and seems to have been granted under another. */
export interface Renamed {
  readonly requested: string
  readonly granted: string
}

/** The scopes of `missing` that seem to be granted under another spelling: they differ in case or punctuation only. */
export const renamed = (
  missing: Scopes.Scopes,
  requested: Scopes.Scopes,
  granted: Scopes.Scopes
): ReadonlyArray<Renamed> => {
  if (missing.length === 0) return []
  const extra = new Map<string, Array<string>>()
  for (const scope of Scopes.missing(granted, requested)) {
    const alike = extra.get(bare(scope))
    if (alike === undefined) extra.set(bare(scope), [scope])
    else alike.push(scope)
  }
  return missing.flatMap((scope) =>
    (extra.get(bare(scope)) ?? []).map((candidate) => ({ requested: scope, granted: candidate }))
  )
}

/** Whether a scope that may hold wildcards covers another scope. */
export const covers = (pattern: string, scope: string): boolean => {
  if (pattern === scope) return true
  if (!pattern.includes("*")) return false
  const [head = "", ...rest] = pattern.split("*")
  if (!scope.startsWith(head)) return false
  // every part after a wildcard has to occur as far left as possible, the last part at the very end
  let at = head.length
  for (const [index, part] of rest.entries()) {
    const from = at + 1
    const found = index === rest.length - 1 ? scope.length - part.length : scope.indexOf(part, from)
    if (found < from || !scope.startsWith(part, found)) return false
    at = found + part.length
  }
  return true
}

/** Longer texts are not searched for secrets, and are therefore not shown. */
const longestText = 16_384

/**
 * Hides secrets in scopes. Any number of scopes is kept in full. Several scopes are searched at a time, because a
 * secret may have been split at its spaces.
 */
export const hidden = (scopes: ReadonlyArray<string>, hide: (text: string) => string): Scopes.Scopes => {
  const parts: Array<string> = []
  let part = ""
  for (const scope of scopes) {
    if (part !== "" && part.length + scope.length >= longestText) {
      parts.push(part)
      part = ""
    }
    part = part === "" ? scope : `${part} ${scope}`
  }
  return Scopes.make([...parts, part].map(hide))
}

/** Letters and digits only, in lower case. */
const bare = (scope: string): string => scope.toLowerCase().replace(/[^\p{L}\p{N}*]/gu, "")
