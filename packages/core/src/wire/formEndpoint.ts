// One request with a form body to an endpoint of an authorization server.
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as TokenError from "../values/TokenError.js"
import type * as ClientAuthentication from "./ClientAuthentication.js"
import type { Options, Settled } from "./endpointOptions.js"
import * as refusal from "./endpointRefusal.js"
import * as neverSent from "./neverSent.js"
import * as OwnRequest from "./OwnRequest.js"
import * as refusalCodes from "./refusalCodes.js"
import { traced } from "./requestSpan.js"
import * as ServerMetadata from "./ServerMetadata.js"
import type { Reply } from "./TokenResponse.js"

/** The request that a reply belongs to. */
export interface Answered {
  readonly endpoint: string
  readonly sentAt: number
  readonly receivedAt: number
  /** The secrets of the request, which no error may show. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  readonly hint: Option.Option<string>
  readonly authenticationAdvice: string
}

export interface Call<A> {
  /** Name of the span. */
  readonly span: string
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** The form without the client's own parameters; evaluated on every attempt. */
  readonly parameters: (
    context: ClientAuthentication.Context
  ) => Effect.Effect<ClientAuthentication.Parameters, TokenError.RequestError>
  readonly read: (reply: Reply, context: Answered) => Effect.Effect<A, TokenError.RequestError>
}

/** An endpoint to which an authenticated client posts forms: token, introspection and revocation. */
export interface FormEndpoint {
  /** Origin and path; for an endpoint that has not been looked up yet, the issuer. */
  readonly endpoint: string
  readonly post: <A>(call: Call<A>) => Effect.Effect<A, TokenError.RequestError>
}

interface Prepared {
  readonly url: URL
  readonly endpoint: string
  readonly parameters: ClientAuthentication.Parameters
  readonly credentials: ClientAuthentication.Credentials
}

export const make = (
  { allowInsecure, authentication, clientId, timeout: given }: Options,
  { field, location, timeout }: Settled
): Effect.Effect<FormEndpoint, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const send = yield* OwnRequest.make
    const target = ServerMetadata.isEndpointLocation(location)
      ? yield* discovered(location, { allowInsecure, timeout: given })
      : fixed(location)
    const name = display(target.known)

    const prepare = <A>(
      call: Call<A>,
      waitsFor: (what: string) => void
    ): Effect.Effect<Prepared, TokenError.RequestError> =>
      Effect.gen(function*() {
        waitsFor("The metadata of the server")
        const url = yield* target.url
        const context: ClientAuthentication.Context = { clientId, endpoint: url, issuer: target.issuer }
        waitsFor("What the parameters of the request are read from")
        const parameters = yield* call.parameters(context)
        waitsFor("What the secret or key of this client is read from")
        const credentials = yield* authentication.credentials(context)
        return { url, endpoint: display(url), parameters, credentials }
      })

    const attempt = <A>(call: Call<A>, { credentials, endpoint, parameters, url }: Prepared) =>
      Effect.gen(function*() {
        const secrets = [
          ...credentials.secrets,
          ...[...credentials.headers, ...credentials.parameters, ...parameters].flatMap(([, value]) =>
            Redacted.isRedacted(value) ? [value] : []
          )
        ]
        const { receivedAt, reply, sentAt } = yield* send({
          request: HttpClientRequest.post(url).pipe(
            HttpClientRequest.setHeaders(credentials.headers.map(reveal)),
            HttpClientRequest.bodyUrlParams([...parameters, ...credentials.parameters].map(reveal))
          ),
          endpoint,
          field,
          // the total limit began when the credentials were read, see below
          timeout: { ...timeout, total: Option.none() },
          secrets
        })
        return yield* call.read(reply, {
          endpoint,
          sentAt,
          receivedAt,
          secrets,
          hint: credentials.hint,
          authenticationAdvice: authentication.advice
        })
      })

    /** Whether the secret has changed. If it cannot be read, that is not reported: there is an error already. */
    const hasChanged = ({ madeFrom }: ClientAuthentication.Credentials): Effect.Effect<boolean> =>
      madeFrom === undefined ? Effect.succeed(false) : Effect.match(authentication.current, {
        onFailure: () => false,
        onSuccess: (current) => Option.isSome(current) && !Equal.equals(current.value, madeFrom)
      })

    return {
      endpoint: name,
      post: (call) =>
        Effect.suspend(() => {
          let sent = false
          let waitingFor: string | undefined
          const ready = prepare(call, (what) => {
            waitingFor = what
          })
          const once = (prepared: Prepared) =>
            Effect.suspend(() => {
              sent = true
              waitingFor = undefined
              return attempt(call, prepared)
            })
          return Effect.flatMap(ready, (first) =>
            Effect.catchIf(once(first), (error) => refusalCodes.concernsClient(error, grantType(first)), (refused) =>
              Effect.flatMap(
                hasChanged(first.credentials),
                (changed) =>
                  changed ? Effect.flatMap(ready, once) : Effect.fail(refused)
              ))).pipe(
              OwnRequest.deadline("total", timeout.total, name),
              Effect.mapError((error) =>
                waitingFor === undefined ? error : notAsked(error, name, waitingFor)
              ),
              Effect.tapError((error) => {
                if (!sent || refusal.isAboutNonce(error)) {
                  neverSent.mark(error)
                }
                return pointsElsewhere(error) ? target.forget : Effect.void
              }),
              traced(call.span, target.known, call.attributes)
            )
        })
    }
  })

/** The limit of the request is over, but the endpoint was never asked: the error names what was waited for. */
const notAsked = (
  error: TokenError.RequestError,
  endpoint: string,
  waitedFor: string
): TokenError.RequestError =>
  error._tag === "EndpointTimeout" && error.endpoint === endpoint
    ? new TokenError.EndpointTimeout({
      endpoint: `${waitedFor} (${endpoint} was not asked yet)`,
      phase: error.phase,
      limit: error.limit
    })
    : error

interface Target {
  readonly url: Effect.Effect<URL, TokenError.RequestError>
  /** The endpoint, or the issuer in whose metadata it will be looked up. */
  readonly known: URL
  readonly issuer: string | undefined
  readonly forget: Effect.Effect<void>
}

const fixed = (url: URL): Target => ({
  url: Effect.succeed(url),
  known: url,
  issuer: undefined,
  forget: Effect.void
})

const discovered = (location: ServerMetadata.EndpointLocation, options: ServerMetadata.Options) => {
  const issuer = ServerMetadata.issuerOf(location)
  return Effect.map(
    ServerMetadata.locate(location, options),
    (located): Target => ({ ...located, issuer, known: new URL(issuer) })
  )
}

/** Without the query, which may hold a secret. */
const display = (url: URL): string => `${url.origin}${url.pathname}`

const reveal = ([name, value]: ClientAuthentication.Parameters[number]): readonly [string, string] => [
  name,
  Redacted.isRedacted(value) ? Redacted.value(value) : value
]

const grantType = ({ parameters }: Prepared): string | undefined => {
  const value = parameters.find(([name]) => name === "grant_type")?.[1]
  return Predicate.isString(value) ? value : undefined
}

/** Whether the error fits an endpoint that has moved. */
const pointsElsewhere = (error: TokenError.RequestError): boolean =>
  error._tag === "TransportError" || error._tag === "TlsError" || error._tag === "EndpointTimeout" ||
  error._tag === "RejectedByEndpoint" || error._tag === "MalformedResponse"
