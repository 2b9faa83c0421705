import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Options, Timeouts } from "../TokenEndpoint.js"
import * as TokenError from "../TokenError.js"

/** Options that have been checked. */
export interface Settled {
  readonly url: URL
  /** Origin and path: a query may hold anything. */
  readonly endpoint: string
  readonly timeout: {
    readonly total: Option.Option<Duration.Duration>
    readonly connect: Option.Option<Duration.Duration>
    readonly read: Duration.Duration
  }
}

interface Problem {
  readonly field: string
  readonly detail: string
}

/** All that can be found out without the network, at once: nobody likes to repair one field per start. */
export const settle = (options: Options): Effect.Effect<Settled, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const problems: Array<Problem> = [...clientId(options.clientId)]
    const url = endpoint(options, problems)
    const timeout = timeouts(options.timeout, problems)
    // the client id of a context is that of the options, right or wrong: the method looks at the secret
    yield* options.authentication.check({ clientId: options.clientId, endpoint: url }).pipe(
      Effect.catchAll((error) =>
        Effect.sync(() => {
          if (error._tag !== "InvalidConfiguration") {
            return void problems.push({ field: "authentication", detail: error.message })
          }
          for (const field of error.fields) {
            problems.push({ field, detail: error.detail })
          }
        })
      )
    )
    if (problems.length > 0) {
      return yield* new TokenError.InvalidConfiguration({
        fields: Array.from(new Set(problems.map((problem) => problem.field))),
        detail: Array.from(new Set(problems.map((problem) => problem.detail))).join("; ")
      })
    }
    return { url, endpoint: `${url.origin}${url.pathname}`, timeout }
  })

const clientId = (value: unknown): ReadonlyArray<Problem> =>
  typeof value !== "string" || value.trim() === ""
    ? [{ field: "clientId", detail: "the client id is blank" }]
    : value !== value.trim()
    ? [{ field: "clientId", detail: "the client id starts or ends with white space" }]
    : []

const endpoint = (options: Options, problems: Array<Problem>): URL => {
  const problem = (detail: string) => void problems.push({ field: "tokenEndpoint", detail })
  const text = String(options.tokenEndpoint).trim()
  if (!URL.canParse(text)) {
    // not shown: it may be a secret that got into the wrong variable
    problem(text === "" ? "the URL is blank" : "this is no absolute URL such as https://login.example.com/oauth/token")
    return new URL("https://invalid.invalid")
  }
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    problem(`the scheme must be https, not ${url.protocol.slice(0, -1).slice(0, 20)}`)
  } else if (url.protocol === "http:" && options.allowInsecure !== true && !isLoopback(url.hostname)) {
    problem("http would send the client's secret readable: use https, or set allowInsecure")
  }
  if (url.username !== "" || url.password !== "") {
    problem("a user name or password in the URL is not used: give clientId and authentication")
  }
  if (url.hash !== "") problem("a token endpoint has no fragment (RFC 6749 §3.2)")
  return url
}

/** The URL parser has already written addresses in one form: `127.1` is `127.0.0.1` here. */
const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" ||
  /^127\.\d+\.\d+\.\d+$/.test(hostname)

const isTimeouts = (timeout: Exclude<Options["timeout"], undefined>): timeout is Timeouts =>
  typeof timeout === "object" && !Array.isArray(timeout) && !Duration.isDuration(timeout)

const timeouts = (timeout: Options["timeout"], problems: Array<Problem>): Settled["timeout"] => {
  const given: Timeouts = timeout === undefined ? {} : isTimeouts(timeout) ? timeout : { total: timeout }
  const decode = (name: keyof Timeouts, fallback: Duration.DurationInput): Duration.Duration => {
    const duration = Option.filter(
      Duration.decodeUnknown(given[name] ?? fallback),
      (duration) => Duration.greaterThan(duration, Duration.zero)
    )
    if (Option.isNone(duration)) {
      problems.push({
        field: name === "total" && !(timeout !== undefined && isTimeouts(timeout)) ? "timeout" : `timeout.${name}`,
        detail: "a timeout must be a duration above zero"
      })
    }
    return Option.getOrElse(duration, () => Duration.infinity)
  }
  const finite = (duration: Duration.Duration) => Option.liftPredicate(duration, Duration.isFinite)
  return {
    total: finite(decode("total", "10 seconds")),
    connect: finite(decode("connect", Duration.infinity)),
    read: decode("read", "10 seconds")
  }
}
