// The options that the token, introspection and revocation endpoints have in common.
import * as Effect from "effect/Effect"
import * as TokenError from "../values/TokenError.js"
import * as ClientAuthentication from "./ClientAuthentication.js"
import * as checks from "./endpointChecks.js"
import type * as OwnRequest from "./OwnRequest.js"
import * as ServerMetadata from "./ServerMetadata.js"

/** What the options of every endpoint have in common. */
export interface Options {
  readonly clientId: string
  readonly authentication: ClientAuthentication.ClientAuthentication
  /** One limit for the whole exchange, or each by itself. Default 10 seconds in total. */
  readonly timeout?: checks.Given
  /** Permits `http` to hosts that are not loopback. The secret then travels readable. Default `false`. */
  readonly allowInsecure?: boolean | undefined
}

/** Options that have been checked. */
export interface Settled {
  /** The option that holds the URL. */
  readonly field: string
  readonly location: URL | ServerMetadata.EndpointLocation
  readonly timeout: OwnRequest.Timeouts
}

/**
 * Checks everything that can be checked without the network, and reports all problems at once, so that a user need not
 * repair one field per start.
 */
export const settle = (
  options: Options,
  { example, field, value, what }: {
    readonly field: string
    readonly what: string
    readonly example: string
    readonly value: string | URL | ServerMetadata.EndpointLocation
  }
): Effect.Effect<Settled, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const problems: Array<checks.Problem> = [...clientId(options.clientId)]
    const check = (value: string | URL, what: string, example: string) =>
      checks.url(value, {
        field,
        what,
        example,
        allowInsecure: options.allowInsecure,
        harm: "send the client's secret readable"
      }, problems)
    const [location, context] = ServerMetadata.isEndpointLocation(value)
      ? [value, {
        clientId: options.clientId,
        endpoint: check(ServerMetadata.issuerOf(value), "an issuer", "https://login.example.com"),
        issuer: ServerMetadata.issuerOf(value)
      }] as const
      : fixed(options.clientId, check(value, what, example))
    const timeout = checks.timeouts(options.timeout, problems)
    // the context has the client id of the options, even a wrong one: the method only checks the secret
    yield* checkOf(options.authentication, context).pipe(
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
    yield* checks.report(problems)
    return { field, location, timeout }
  })

/** A program without types can leave the method out. */
const checkOf = (method: ClientAuthentication.ClientAuthentication, context: ClientAuthentication.Context) =>
  ClientAuthentication.isClientAuthentication(method) ? method.check(context) : Effect.fail(
    new TokenError.InvalidConfiguration({
      fields: ["authentication"],
      detail:
        "this is no ClientAuthentication: make one with ClientAuthentication.basic(secret), post(secret) or another " +
        "of its constructors; a client without a secret has ClientAuthentication.none"
    })
  )

const fixed = (clientId: string, url: URL): readonly [URL, ClientAuthentication.Context] => [
  url,
  { clientId, endpoint: url }
]

const clientId = (value: unknown): ReadonlyArray<checks.Problem> =>
  typeof value !== "string" || value.trim() === ""
    ? [{ field: "clientId", detail: "the client id is blank" }]
    : value !== value.trim()
    ? [{ field: "clientId", detail: "the client id starts or ends with white space" }]
    : []
