/** What the program ends with when it did not do what it was asked to. */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as TokenError from "effect-bearer/TokenError"

/** The exit codes, which scripts rely on. */
export const exitCodes = {
  /** Done. */
  fine: 0,
  /** Not done, for another reason than these. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The server answered, and refused. */
  refused: 3,
  /** No answer, or "not now". */
  unreachable: 4,
  /** `doctor` found something. */
  findings: 5
} as const

export type ExitCode = typeof exitCodes[keyof typeof exitCodes]

/** A failure of the command line itself. */
export class Failure extends Data.TaggedError("Failure")<{
  readonly exit: ExitCode
  /** What `effect-bearer explain` knows it by, if it has a page. */
  readonly code?: string | undefined
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

export const usage = (detail: string): Failure => new Failure({ exit: exitCodes.usage, detail })
export const failed = (detail: string): Failure => new Failure({ exit: exitCodes.failed, detail })

/** How a failure ends the program: exit code and message. */
export interface Ending {
  readonly exit: ExitCode
  readonly code: string | undefined
  readonly message: string
  /** The page that helps, where it is not that of `code`. */
  readonly page?: string | undefined
}

const exitOf = (error: TokenError.TokenError): ExitCode => {
  switch (error._tag) {
    case "TransportError":
    case "EndpointTimeout":
    case "EndpointUnavailable":
    case "RateLimited":
    case "FailedElsewhere":
    case "TlsError":
    case "CircuitOpen":
      return exitCodes.unreachable
    case "OAuthError":
    case "RejectedByEndpoint":
    case "ScopeNotGranted":
    case "AuthenticationRequired":
      return exitCodes.refused
    case "InvalidConfiguration":
      return exitCodes.usage
    case "MalformedResponse":
      return exitCodes.failed
    case "RetriesExhausted":
      return exitOf(error.last)
  }
}

/** If an error stands for another one, the page of that other one says what to do. */
const pageOf = (error: TokenError.TokenError): string =>
  error._tag === "RetriesExhausted" ? pageOf(error.last) : TokenError.codeOf(error)

/** Messages of the library show nothing secret; of any other error nothing is known but its kind. */
export const endingOf = (error: unknown): Ending => {
  if (error instanceof Failure) return { exit: error.exit, code: error.code, message: error.message }
  if (TokenError.isTokenError(error)) {
    return { exit: exitOf(error), code: TokenError.codeOf(error), message: error.message, page: pageOf(error) }
  }
  if (Predicate.isTagged(error, "ConfigurationProblems") && error instanceof Error) {
    return { exit: exitCodes.usage, code: "invalid-configuration", message: error.message }
  }
  const kind = Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? error._tag : "unknown error"
  return { exit: exitCodes.failed, code: undefined, message: `Something failed that should not (${kind}).` }
}
