// Errors of the file system: which file is missing or there already, and what of an error may be shown.
import type { PlatformError } from "@effect/platform/Error"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

export const has = (reason: "NotFound" | "AlreadyExists") => (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === reason

export const isMissing = has("NotFound")

/** `None` if the file is missing. */
export const orNone = <A>(effect: Effect.Effect<A, PlatformError>): Effect.Effect<Option.Option<A>, PlatformError> =>
  Effect.catchIf(Effect.asSome(effect), isMissing, () => Effect.succeedNone)

/** The reason of an error in a few words: the code of the system, such as ENOSPC, and no content of a file. */
export const trouble = (error: PlatformError): string => {
  const reason = error._tag === "SystemError"
    ? /^E[A-Z0-9]+(?=:)/.exec(error.description ?? "")?.[0] ?? error.reason
    : error._tag
  return `${reason} in ${error.method}`
}

export const isPlatformError = (error: unknown): error is PlatformError =>
  typeof error === "object" && error !== null && "_tag" in error &&
  (error._tag === "SystemError" || error._tag === "BadArgument")
