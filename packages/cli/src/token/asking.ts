/**
 * What git and Bazel say on standard input: what the token is for. A token goes to the profile's own APIs alone, where
 * the profile names any, and never over plain HTTP to another machine.
 */
import * as Either from "effect/Either"
import { isLoopback } from "effect-bearer/Loopback"
import type { Failure } from "../output/failure.js"
import { failed } from "../output/failure.js"

/** The question of a program. */
export interface Question {
  /** The origin that the token would be sent to; `undefined` where nothing was asked. */
  readonly origin: string | undefined
  /** The token that the program has, where it says so. */
  readonly credential: string | undefined
}

const nothing: Question = { origin: undefined, credential: undefined }

/** `key=value` lines, as git-credential(1) has them. */
export const git = (input: string): Either.Either<Question, Failure> => {
  const fields = new Map<string, string>()
  for (const line of input.split("\n")) {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line
    if (text === "") break
    const equals = text.indexOf("=")
    if (equals < 0) return Either.left(failed("Standard input is not what git sends: a line has no \"=\"."))
    fields.set(text.slice(0, equals), text.slice(equals + 1))
  }
  const url = fields.get("url")
  const protocol = fields.get("protocol")
  const host = fields.get("host")
  const credential = fields.get("credential") ?? fields.get("password")
  if (url === undefined && protocol === undefined && host === undefined) return Either.right({ ...nothing, credential })
  return origin(url ?? `${protocol ?? "https"}://${host ?? ""}`, credential)
}

/** `{"uri": …}`, as Bazel's credential helpers have it. */
export const bazel = (input: string): Either.Either<Question, Failure> => {
  const wrong = failed("Standard input is not what Bazel sends: a JSON object with \"uri\", an absolute URL.")
  if (input.trim() === "") return Either.left(wrong)
  try {
    const parsed: unknown = JSON.parse(input)
    const uri = typeof parsed === "object" && parsed !== null && "uri" in parsed ? parsed.uri : undefined
    return typeof uri === "string" ? origin(uri, undefined) : Either.left(wrong)
  } catch {
    return Either.left(wrong)
  }
}

const origin = (text: string, credential: string | undefined): Either.Either<Question, Failure> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && url.host !== "" && url.origin !== "null"
    ? Either.right({ origin: url.origin, credential })
    : Either.left(failed("Standard input names no URL with a host that a token could be sent to."))
}

/** Why the token is not for this origin, or `undefined`. */
export const objection = (asked: string | undefined, origins: ReadonlyArray<string>): string | undefined => {
  if (asked === undefined) return undefined
  const { hostname, protocol } = new URL(asked)
  if (protocol !== "https:" && !isLoopback(hostname)) {
    return `${asked} is not asked over TLS: a token would be readable on its way.`
  }
  return origins.length === 0 || origins.some((one) => new URL(one).origin === asked)
    ? undefined
    : `${asked} is none of the profile's origins: ${origins.join(", ")}.`
}
