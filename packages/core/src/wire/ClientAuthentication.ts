/**
 * How a client authenticates to the token endpoint (RFC 6749 §2.3). The choice is explicit: nothing is guessed, and
 * when the server refuses the client, the error names the alternatives.
 *
 * A method is a function of the client and the endpoint to headers and form parameters, evaluated on *every* attempt.
 * Methods with signed assertions or certificates are built with {@link make} in the same way as those here.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { CompileError, PlainSecret } from "../values/compileError.js"
import * as TokenError from "../values/TokenError.js"
import * as clientIdentity from "./clientIdentity.js"
import * as credential from "./credential.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~effect-bearer/ClientAuthentication"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~effect-bearer/ClientAuthentication"

/**
 * The client that asks, and the endpoint it asks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Context {
  readonly clientId: string
  readonly endpoint: URL
  /** The issuer identifier, if the endpoint was found by discovery. */
  readonly issuer?: string | undefined
}

/**
 * Names and values, in order; a name may come more than once. A `Redacted` value is a secret: it is removed from every
 * text of the server's response.
 *
 * @since 0.1.0
 * @category models
 */
export type Parameters = ReadonlyArray<readonly [name: string, value: string | Redacted.Redacted]>

/**
 * What is added to one token request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Credentials {
  readonly headers: Parameters
  /** Parameters of the form body. */
  readonly parameters: Parameters
  /** Further secrets that a server might repeat in its response. No error shows them. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** A remark about unusual credentials, shown when the server refuses them. */
  readonly hint: Option.Option<string>
  /**
   * The secret that these credentials were made from. When the server refuses the client, it is compared with
   * {@link ClientAuthentication.current}: if the secret has changed, the request is sent once more with the new one.
   * Without `madeFrom` nothing is compared.
   */
  readonly madeFrom?: Redacted.Redacted | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ClientAuthentication {
  readonly [TypeId]: TypeId
  /** The name in the OAuth registry, for example `"client_secret_basic"`. */
  readonly method: string
  /** Evaluated on every attempt. */
  readonly credentials: (context: Context) => Effect.Effect<Credentials, TokenError.RequestError>
  /** Finds settings that can never work, before any network call. It must not evaluate a secret that is an effect. */
  readonly check: (context: Context) => Effect.Effect<void, TokenError.RequestError>
  /**
   * The current secret, if there is one. When it is not `Equal` to the previous one, the credentials have changed, and
   * a remembered refusal no longer counts.
   */
  readonly current: Effect.Effect<Option.Option<Redacted.Redacted>, TokenError.RequestError>
  /** What to try when the server refuses the client. */
  readonly advice: string
}

/**
 * A secret, or an effect that yields it. The effect runs on every attempt, so a rotated secret takes effect on the next
 * token request. A refusal that could be about the client makes the library read it once more, and if it has changed
 * since, the request is sent again. If it fails with one of the library's own errors (a vault that does not answer is a
 * `TransportError`), that error is passed on; any other failure becomes `InvalidConfiguration`, and its contents are
 * not shown, because they might hold the secret.
 *
 * @since 0.1.0
 * @category models
 */
export type Secret = Redacted.Redacted | Effect.Effect<Redacted.Redacted, unknown>

/**
 * Any other way to authenticate a client.
 *
 * **Gotchas.** `identity` says what in the credentials, beside the client id, decides whose tokens the server gives: a
 * tenant that is sent as a parameter, for example; `""` if there is nothing. Sources with different identities have
 * different keys in a shared `TokenStore`. It must not be secret. Without it nobody can tell, so a source that shares
 * its tokens has to be given `shared: { namespace }`.
 *
 * @example
 * ```ts
 * import { ClientAuthentication } from "effect-bearer"
 * import { Effect, Option, Redacted } from "effect"
 *
 * declare const sign: (audience: string) => Effect.Effect<string>
 *
 * const assertion = ClientAuthentication.make({
 *   method: "private_key_jwt",
 *   identity: "", // the assertion says who the client is, and nothing else
 *   credentials: ({ endpoint }) =>
 *     Effect.map(sign(endpoint.href), (jwt) => ({
 *       headers: [],
 *       parameters: [
 *         ["client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
 *         ["client_assertion", Redacted.make(jwt)]
 *       ],
 *       secrets: [],
 *       hint: Option.none()
 *     }))
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options:
    & Pick<ClientAuthentication, "method" | "credentials">
    & Partial<Pick<ClientAuthentication, "check" | "current" | "advice">>
    & { readonly identity?: string | undefined }
): ClientAuthentication => {
  const self: ClientAuthentication = {
    [TypeId]: TypeId,
    method: options.method,
    credentials: options.credentials,
    check: options.check ?? (() => Effect.void),
    current: options.current ?? Effect.succeedNone,
    advice: options.advice ?? ""
  }
  return options.identity === undefined ? self : clientIdentity.mark(self, options.identity)
}

/**
 * `client_secret_basic` as RFC 6749 §2.3.1 defines it: id and secret are form-encoded, then sent in a Basic header.
 * The default of most servers. Form encoding leaves letters, digits and `- . _ *` as they are, so ordinary
 * credentials look the same as with {@link basicRaw}.
 *
 * @example
 * ```ts
 * import { ClientAuthentication } from "effect-bearer"
 * import { Config, Redacted } from "effect"
 *
 * const fixed = ClientAuthentication.basic(Redacted.make("s3cr3t"))
 * const rotating = ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const basic = (secret: Secret | CompileError<PlainSecret>): ClientAuthentication =>
  fromSecret("client_secret_basic", secret, {
    advice: "Credentials were sent form-encoded in a Basic header: if they are right, the server may want them in " +
      "the body (ClientAuthentication.post) or not encoded (ClientAuthentication.basicRaw).",
    credentials: ({ clientId }, secret) => header(formEncode(clientId), formEncode(secret))
  })

/**
 * The same header with id and secret as they are, UTF-8. Many servers take them so; it makes a difference only where
 * the id or the secret has characters other than letters, digits and `- . _ *`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const basicRaw = (secret: Secret | CompileError<PlainSecret>): ClientAuthentication =>
  fromSecret("client_secret_basic", secret, {
    advice: "Credentials were sent not encoded in a Basic header: if they are right, the server may want them " +
      "form-encoded (ClientAuthentication.basic) or in the body (ClientAuthentication.post).",
    check: ({ clientId }) =>
      clientId.includes(":")
        ? Effect.fail(
          new TokenError.InvalidConfiguration({
            fields: ["clientId"],
            detail:
              "a client id with a colon cannot be sent raw in a Basic header: use ClientAuthentication.post if the server " +
              "takes id and secret in the body, as most do that do not decode the header, or ClientAuthentication.basic"
          })
        )
        : Effect.void,
    credentials: ({ clientId }, secret) => header(clientId, secret)
  })

/**
 * `client_secret_post`: id and secret travel in the form body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const post = (secret: Secret | CompileError<PlainSecret>): ClientAuthentication =>
  fromSecret("client_secret_post", secret, {
    advice: "Credentials were sent in the body: if they are right, the server may want them in a Basic header " +
      "(ClientAuthentication.basic, or basicRaw).",
    credentials: ({ clientId }, secret) => ({
      headers: [],
      parameters: [["client_id", clientId], ["client_secret", Redacted.make(secret)]],
      secrets: []
    })
  })

/**
 * No secret, only the client id: public clients, and clients the server knows by other means.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: ClientAuthentication = make({
  method: "none",
  identity: "",
  advice: "No secret was sent: if this client has one, use ClientAuthentication.basic or ClientAuthentication.post.",
  credentials: ({ clientId }) =>
    Effect.succeed({ headers: [], parameters: [["client_id", clientId]], secrets: [], hint: Option.none() })
})

/**
 * `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705): the certificate shown in the TLS handshake says who
 * the client is, so the request holds the client id and no secret. The certificate belongs to the agent of the
 * `HttpClient`. A token may then be bound to it, so call the API through the same client.
 *
 * Servers often have a URL of its own for this, on another host or port: `mtls_endpoint_aliases` in their metadata.
 *
 * @example
 * ```ts
 * import { NodeHttpClient, Undici } from "@effect/platform-node"
 * import { ClientAuthentication, TokenSource } from "effect-bearer"
 * import { Config, Effect, Layer, Redacted } from "effect"
 *
 * const Dispatcher = Layer.scoped(
 *   NodeHttpClient.Dispatcher,
 *   Effect.gen(function*() {
 *     const cert = yield* Config.string("CLIENT_CERTIFICATE") // PEM, with its chain
 *     const key = yield* Config.redacted("CLIENT_KEY") // PEM
 *     return yield* Effect.acquireRelease(
 *       Effect.sync(() => new Undici.Agent({ connect: { cert, key: Redacted.value(key) } })),
 *       (agent) => Effect.promise(() => agent.destroy())
 *     )
 *   })
 * )
 *
 * const Tokens = TokenSource.layer({
 *   tokenEndpoint: "https://mtls.login.example.com/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.mtls
 * }).pipe(Layer.provide(NodeHttpClient.layerUndiciWithoutDispatcher), Layer.provide(Dispatcher))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const mtls: ClientAuthentication = make({
  method: "tls_client_auth",
  identity: "",
  advice:
    "No secret was sent: the server looks at the certificate of the TLS connection. Check that the HttpClient's " +
    "agent shows one, that it is the one registered and still valid, and that the URL is the server's mTLS endpoint.",
  credentials: ({ clientId }) =>
    Effect.succeed({ headers: [], parameters: [["client_id", clientId]], secrets: [], hint: Option.none() })
})

/**
 * @since 0.1.0
 * @category guards
 */
export const isClientAuthentication = (u: unknown): u is ClientAuthentication => Predicate.hasProperty(u, TypeId)

/**
 * What in the credentials, beside the client id, decides whose tokens they get (see {@link make}): `""` for nothing,
 * `undefined` if nobody has said. A copy of a method with `credentials` of its own has none.
 *
 * @since 0.1.0
 * @category getters
 */
export const identityOf: (self: ClientAuthentication) => string | undefined = clientIdentity.of

const fromSecret = (
  method: string,
  secret: Secret | CompileError<PlainSecret>,
  options: {
    readonly advice: string
    readonly check?: ClientAuthentication["check"]
    readonly credentials: (context: Context, secret: string) => Omit<Credentials, "hint" | "madeFrom">
  }
): ClientAuthentication => {
  const { isPlain, read } = credential.make(secret as Secret, {
    field: "authentication.secret",
    name: "the client secret"
  })
  return make({
    method,
    identity: "",
    advice: options.advice,
    current: Effect.map(read, Option.some),
    check: (context) =>
      Effect.zipRight(options.check === undefined ? Effect.void : options.check(context), isPlain ? read : Effect.void),
    credentials: (context) =>
      Effect.map(read, (secret) => {
        const value = Redacted.value(secret)
        const credentials = options.credentials(context, value)
        return {
          ...credentials,
          madeFrom: secret,
          secrets: [secret, ...pairs(context.clientId, value), ...credentials.secrets],
          hint: value === value.trim() ? Option.none() : Option.some(
            "The secret starts or ends with white space: look for a space or a line break at the end of the variable."
          )
        }
      })
  })
}

/** Form encoding as in `URLSearchParams`: it does not encode `- . _ *`, because some servers do not decode them. */
const formEncode = (value: string): string => new URLSearchParams([["", value]]).toString().slice(1)

const header = (user: string, password: string): Omit<Credentials, "hint"> => {
  return {
    headers: [["authorization", Redacted.make(`Basic ${Encoding.encodeBase64(`${user}:${password}`)}`)]],
    parameters: [],
    secrets: []
  }
}

/** Basic credentials in both encodings, whichever was sent: a gateway may encode them again in its own way. */
const pairs = (clientId: string, secret: string): ReadonlyArray<Redacted.Redacted> =>
  [`${clientId}:${secret}`, `${formEncode(clientId)}:${formEncode(secret)}`].map((pair) =>
    Redacted.make(Encoding.encodeBase64(pair))
  )
