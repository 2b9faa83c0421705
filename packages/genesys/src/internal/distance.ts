/** How many letters have to be added, removed, changed, or swapped with their neighbour, to get from `a` to `b`. */
export const distance = (a: string, b: string): number => {
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

/** The candidates at the smallest distance, if that is at most `limit`. */
export const nearest = (text: string, candidates: ReadonlyArray<string>, limit: number): ReadonlyArray<string> => {
  if (text.length > 60) return []
  const measured = candidates.map((candidate) => [candidate, distance(text, candidate)] as const)
  const best = Math.min(...measured.map(([, steps]) => steps))
  return best > limit ? [] : measured.filter(([, steps]) => steps === best).map(([candidate]) => candidate)
}
