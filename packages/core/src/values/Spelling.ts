/**
 * Finds the name that a misspelt one may stand for. Errors in the packages of the library show it.
 *
 * @since 0.1.0
 */

/** Letters to add, remove, change, or swap with their neighbour, to get from `a` to `b`. */
const distance = (a: string, b: string): number => {
  let before: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (same ? 0 : 1),
        swapped ? before[j - 2]! + 1 : Infinity
      ))
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/**
 * The candidates that differ least from `text`, if they differ by at most `limit` letters. A long text is not compared,
 * and neither are very many candidates.
 *
 * @since 0.1.0
 * @category combinators
 */
export const nearest = (text: string, candidates: ReadonlyArray<string>, limit: number): ReadonlyArray<string> => {
  if (text.length > 64 || candidates.length > 1000) return []
  const measured = candidates
    // each additional letter is at least one step
    .filter((candidate) => Math.abs(candidate.length - text.length) <= limit)
    .map((candidate) => [candidate, distance(text, candidate)] as const)
  const best = Math.min(...measured.map(([, steps]) => steps))
  return best > limit ? [] : measured.filter(([, steps]) => steps === best).map(([candidate]) => candidate)
}

/** One common spelling for `clientId`, `client_id` and `client-id`. */
const plain = (name: string): string => name.toLowerCase().replace(/[-_ .]/g, "")

/**
 * The one name that `name` may have meant. Case, hyphens, underscores, dots and spaces do not count, and the longer the
 * name, the more letters may differ: three at the most.
 *
 * @example
 * ```ts
 * import { meant } from "effect-bearer/Spelling"
 *
 * meant("client_id", ["clientId", "scopes"]) // "clientId"
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const meant = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  if (name.length > 64) return undefined
  const text = plain(name)
  const limit = Math.max(1, Math.min(3, Math.floor(text.length / 3)))
  const spellings = new Map<string, Array<string>>()
  for (const candidate of candidates) {
    if (candidate !== name) spellings.set(plain(candidate), [...(spellings.get(plain(candidate)) ?? []), candidate])
  }
  const found = nearest(text, Array.from(spellings.keys()), limit).flatMap((spelling) => spellings.get(spelling)!)
  return found.length === 1 ? found[0] : undefined
}
