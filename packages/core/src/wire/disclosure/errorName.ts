// The name of an error that is not the library's own, if it may be shown.
import * as Predicate from "effect/Predicate"
import * as credentialLike from "./credentialLike.js"

export const errorName = (error: unknown, otherwise = "an unknown failure"): string => {
  const name = nameIn(error)
  return name !== undefined && credentialLike.isName(name) ? name : otherwise
}

const nameIn = (error: unknown): string | undefined => {
  try {
    const name = Predicate.hasProperty(error, "_tag") ? error._tag : error instanceof Error ? error.name : undefined
    return typeof name === "string" ? name : undefined
  } catch {
    return undefined
  }
}
