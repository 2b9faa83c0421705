/** The port that a command line names. */
import * as Either from "effect/Either"
import type { Failure } from "../output/failure.js"
import { usage } from "../output/failure.js"

export const portOf = (text: string | undefined): Either.Either<number | undefined, Failure> => {
  if (text === undefined) return Either.right(undefined)
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
    ? Either.right(Number(text))
    : Either.left(usage("--port is a number from 0 to 65535."))
}
