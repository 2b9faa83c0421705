/** Names that a misspelt one may have meant. */
import * as Spelling from "effect-bearer/Spelling"

export const didYouMean = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const found = Spelling.meant(name, candidates)
  return found === undefined ? undefined : `Did you mean "${found}"?`
}
