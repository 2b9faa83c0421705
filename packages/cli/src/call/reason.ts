/** Why the system would not do something with a file, and nothing of the file. */
import type * as PlatformError from "@effect/platform/Error"

export const reasonOf = (error: PlatformError.PlatformError): string =>
  error._tag === "SystemError" ? error.reason : "wrong name"
