/** Names that a misspelt one may have meant. */

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

/** One spelling of `clientId`, `client_id` and `client-id`. */
const plain = (name: string): string => name.toLowerCase().replace(/[-_ .]/g, "")

/** The one candidate that is nearest to `name`, if it is near at all. */
export const nearest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  if (name.length > 64 || candidates.length > 1000) return undefined
  const text = plain(name)
  const limit = Math.max(1, Math.min(3, Math.floor(text.length / 3)))
  const measured = candidates
    .filter((candidate) => candidate !== name && Math.abs(candidate.length - text.length) <= 8)
    .map((candidate) => [candidate, distance(text, plain(candidate))] as const)
  const best = Math.min(...measured.map(([, steps]) => steps))
  const found = best > limit ? [] : measured.filter(([, steps]) => steps === best)
  return found.length === 1 ? found[0]![0] : undefined
}

export const didYouMean = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const found = nearest(name, candidates)
  return found === undefined ? undefined : `Did you mean "${found}"?`
}
