// Recognises that a runtime does not permit something, as Deno does without its --allow-… options, and Node.js with --permission.
import * as Predicate from "effect/Predicate"

/** What the error says: names, codes and messages, from the outermost error to the innermost. */
export interface Said {
  readonly names: ReadonlyArray<string>
  readonly codes: ReadonlyArray<string>
  readonly messages: ReadonlyArray<string>
}

const option = /--allow-(?:env|net|read|write|run|sys|ffi|import|fs-read|fs-write)\b/

/**
 * The option that would permit it, such as `--allow-env`, or `otherwise` if the error names none; `undefined` if the
 * error is of another kind. `PermissionDenied` alone is also a refusal of the operating system, which may pass.
 */
export const missing = ({ codes, messages, names }: Said, otherwise: string): string | undefined => {
  const named = messages.map((message) => option.exec(message)?.[0]).find((found) => found !== undefined)
  return names.includes("NotCapable") || codes.includes("ERR_ACCESS_DENIED") ||
      (names.includes("PermissionDenied") && named !== undefined)
    ? named ?? otherwise
    : undefined
}

/** Why something could not be read, to follow its name, if a permission is missing. */
export const denial = (error: unknown): string | undefined => {
  const allow = missing(saidBy(error), "the option for it")
  return allow === undefined
    ? undefined
    : `could not be read: the program lacks a permission of its runtime. Start it with ${allow}`
}

/** The same for what threw while it was read. */
export const unreadable = (defect: unknown): string =>
  denial(defect) ?? "could not be read: reading it died with an unexpected error"

const saidBy = (error: unknown): Said => {
  const texts = (name: string): ReadonlyArray<string> => {
    try {
      const value = Predicate.isRecord(error) || error instanceof Error
        ? (error as Record<string, unknown>)[name]
        : undefined
      return typeof value === "string" ? [value.slice(0, 2000)] : []
    } catch {
      return []
    }
  }
  return { names: texts("name"), codes: texts("code"), messages: texts("message") }
}
