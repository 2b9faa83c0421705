/**
 * DPoP (RFC 9449): tokens bound to a key of this client. Whoever steals the token cannot use it without the key, which
 * never leaves the process.
 *
 * {@link make} holds the key and the servers' nonces, and decorates an `HttpClient`. Nothing else needs to know: the
 * token endpoint gets a client that adds proofs and hands out a token of type `DPoP`, `BearerAuth` sends such a token
 * under the scheme `DPoP`, and the decorated client beneath it adds the proof that belongs to that token.
 *
 * **What gets a proof**
 *
 * Requests with an `Authorization: DPoP` header, and token requests (a POST of a form with a `grant_type`). Others are
 * sent as they are: a proof tells every site that sees it that this is the same client. A request that has a `DPoP`
 * header already keeps it.
 *
 * **Order of combinators**
 *
 * - `base |> dpop.withDpop |> BearerAuth.withBearer(tokens, ...)`: right. The proof names the token, so the token must
 *   be there first.
 * - Outside of both: `mapRequest(prependUrl(...))`, `followRedirects`, `retry` and `retryTransient`. Every attempt and
 *   every hop needs a proof of its own. A redirect that is followed further inside takes the proof along: where that
 *   leads to another origin, the call fails. `fetch` is told not to follow any.
 *
 * **Nonces**
 *
 * A nonce is remembered from every response, by origin, and put into the next proof for that origin. A request refused
 * for want of one (`use_dpop_nonce`) is sent once more if its body can be sent twice, with a new client assertion if it
 * had one of `ClientAssertion`. Servers behind one balancer have to accept each other's nonces: where the second try is
 * refused like that as well, the token endpoint counts as unavailable (`EndpointUnavailable`), which a retry policy tries
 * again with the newest nonce, and the answer of an API is handed on.
 *
 * @since 0.1.0
 */

import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Settings from "effect-bearer/Settings"
import type * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import { decorate } from "./dpop/client.js"
import type { Options } from "./dpop/contract.js"
import type { Pair } from "./dpop/key.js"
import { invalid, load } from "./dpop/key.js"
import { Nonces } from "./dpop/nonces.js"
import { parse } from "./internal/urls.js"
import type * as SigningKey from "./SigningKey.js"

export type { KeyPair, Options } from "./dpop/contract.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: TypeId = "~@effect-bearer/jose/Dpop"

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = "~@effect-bearer/jose/Dpop"

/**
 * What one proof is for.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProofOptions {
  readonly method: string
  /** Absolute; query and fragment are left out of the proof. */
  readonly url: string | URL
  /** The access token the request carries, if it does. */
  readonly accessToken?: Redacted.Redacted | undefined
  /** Default: the one last heard of from that origin, if any. */
  readonly nonce?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Dpop {
  readonly [TypeId]: TypeId
  readonly alg: SigningKey.Algorithm
  /** The public half of the key, as every proof shows it. */
  readonly publicJwk: Readonly<jose.JWK>
  /** Its SHA-256 thumbprint (RFC 7638): the `jkt` in the `cnf` of a bound token. */
  readonly thumbprint: string
  /** A proof for a request that is not sent through a decorated client. */
  readonly proof: (options: ProofOptions) => Effect.Effect<Redacted.Redacted, TokenError.InvalidConfiguration>
  /** A client that adds proofs. All clients decorated by the same `Dpop` share its key and its nonces. */
  readonly withDpop: <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ) => HttpClient.HttpClient.With<E | HttpClientError.RequestError, R>
}

/**
 * Takes or generates the key.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Dpop } from "@effect-bearer/jose"
 * import { Effect, Redacted } from "effect"
 * import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
 *
 * const program = Effect.gen(function*() {
 *   const dpop = yield* Dpop.make()
 *   const base = dpop.withDpop(yield* HttpClient.HttpClient)
 *   const tokens = yield* TokenSource.clientCredentials({
 *     tokenEndpoint: "https://login.example.com/oauth/token",
 *     clientId: "reports",
 *     authentication: ClientAuthentication.basic(Redacted.make("s3cr3t"))
 *   }).pipe(
 *     Effect.flatMap(TokenSource.cached()),
 *     Effect.provideService(HttpClient.HttpClient, base)
 *   )
 *   const api = base.pipe(BearerAuth.withBearer(tokens, { origins: ["https://api.example.com"] }))
 *   return yield* api.get("https://api.example.com/users/me")
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Dpop, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    yield* Settings.report(Settings.problems(ranges, options, "dpop"))
    const pair = yield* load(options)
    return yield* fromPair(pair, {
      backdate: Math.floor(Settings.value(ranges.backdate, options.backdate) / 1000),
      replayStreams: options.replayStreams === true
    })
  })

const ranges = { backdate: Settings.duration(0, { most: "1 day" }) }

/**
 * @since 0.1.0
 * @category guards
 */
export const isDpop = (u: unknown): u is Dpop => Predicate.hasProperty(u, TypeId)

/**
 * Provides the decorated `HttpClient` to everything above it, from the plain one below: to the token source and to the
 * API alike, which is what binds the token and proves it with one and the same key. Made from options or from a `Dpop`.
 *
 * @example
 * ```ts
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Dpop } from "@effect-bearer/jose"
 * import { Config, Layer } from "effect"
 * import { BearerAuth, ClientAuthentication, TokenSource } from "effect-bearer"
 *
 * const Tokens = TokenSource.layer({
 *   tokenEndpoint: "https://login.example.com/oauth/token",
 *   clientId: "reports",
 *   authentication: ClientAuthentication.basic(Config.redacted("CLIENT_SECRET"))
 * })
 *
 * const Api = BearerAuth.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide(Tokens),
 *   Layer.provide(Dpop.layer()),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const me = HttpClient.get("https://api.example.com/users/me")
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options | Dpop = {}
): Layer.Layer<HttpClient.HttpClient, TokenError.InvalidConfiguration, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.zipWith(
      HttpClient.HttpClient,
      isDpop(options) ? Effect.succeed(options) : make(options),
      (client, dpop) => dpop.withDpop(client)
    )
  )

const sha256 = (text: string): Promise<string> =>
  crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)).then((hash) =>
    Encoding.encodeBase64Url(new Uint8Array(hash))
  )

interface Settings {
  /** Seconds. */
  readonly backdate: number
  readonly replayStreams: boolean
}

const fromPair = (
  { alg, key, publicJwk }: Pair,
  settings: Settings
): Effect.Effect<Dpop, TokenError.InvalidConfiguration> =>
  Effect.gen(function*() {
    const thumbprint = yield* Effect.tryPromise({
      try: () => jose.calculateJwkThumbprint(publicJwk),
      catch: () => invalid("key", "the key has no thumbprint")
    })
    const nonces = new Nonces()

    // a token is sent many times: its hash is made once
    let hashed: { readonly token: string; readonly ath: string } | undefined
    const hashOf = async (token: string): Promise<string> => {
      if (hashed?.token !== token) hashed = { token, ath: await sha256(token) }
      return hashed.ath
    }

    const sign = (method: string, url: URL, token: string | undefined, nonce: string | undefined) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.tryPromise({
          try: async () =>
            new jose.SignJWT({
              jti: crypto.randomUUID(),
              htm: method,
              htu: url.origin + url.pathname,
              iat: Math.floor(now / 1000) - settings.backdate,
              ...nonce === undefined ? {} : { nonce },
              ...token === undefined ? {} : { ath: await hashOf(token) }
            }).setProtectedHeader({ typ: "dpop+jwt", alg, jwk: publicJwk }).sign(key),
          catch: () => invalid("key", "the proof could not be signed")
        }))

    const self: Dpop = {
      [TypeId]: TypeId,
      alg,
      publicJwk,
      thumbprint,
      proof: ({ accessToken, method, nonce, url }) => {
        const target = parse(url)
        return target === undefined
          ? Effect.fail(invalid("url", "a proof is for an absolute URL"))
          : Effect.map(
            sign(
              method,
              target,
              accessToken === undefined ? undefined : Redacted.value(accessToken),
              nonce ?? nonces.get(target.origin)
            ),
            (proof) => Redacted.make(proof)
          )
      },
      withDpop: (client) => decorate(client, { nonces, sign, replayStreams: settings.replayStreams })
    }
    return self
  })
