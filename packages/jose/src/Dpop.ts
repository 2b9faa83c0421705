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
 * had one of `ClientAssertion`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as BearerAuth from "effect-bearer/BearerAuth"
import * as Challenge from "effect-bearer/Challenge"
import * as Concealment from "effect-bearer/Concealment"
import * as Secret from "effect-bearer/Secret"
import * as Settings from "effect-bearer/Settings"
import * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import * as assertions from "./internal/assertions.js"
import * as http from "./internal/http.js"
import * as keys from "./internal/key.js"
import type * as SigningKey from "./SigningKey.js"

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
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The key that tokens are bound to, or an effect that yields it, run once. Default: a new pair that cannot be
   * extracted and ends with the process. Give one where tokens outlive the process or are shared between several
   * (`TokenSource.shared`): they are of no use without the key. Of a `CryptoKey` both halves are needed.
   */
  readonly key?:
    | SigningKey.SigningKey
    | KeyPair
    | Effect.Effect<SigningKey.Material | KeyPair, unknown>
    | undefined
  /** Default `"ES256"`, which every server knows, or what the key is for. */
  readonly alg?: SigningKey.Algorithm | undefined
  /** `iat` lies this far in the past, for servers whose clock is behind this machine's. Default 0. */
  readonly backdate?: Duration.DurationInput | undefined
  /** Whether a `Stream` body may be sent a second time, as the option of `BearerAuth`. Default `false`. */
  readonly replayStreams?: boolean | undefined
}

/**
 * Both halves of a key, as Web Crypto generates them.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyPair {
  readonly privateKey: jose.CryptoKey
  readonly publicKey: jose.CryptoKey
}

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

// ---------------------------------------------------------------------------------------------------------------
// the key
// ---------------------------------------------------------------------------------------------------------------

interface Pair {
  readonly key: jose.CryptoKey
  readonly alg: SigningKey.Algorithm
  readonly publicJwk: jose.JWK
}

const invalid = (field: string, detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: [`dpop.${field}`], detail })

const load = ({ alg, key }: Options): Effect.Effect<Pair, TokenError.InvalidConfiguration> => {
  if (key === undefined) return generate(alg ?? "ES256")
  const material = Effect.isEffect(key)
    ? Effect.catchAll(
      Secret.guarded(key, { field: "dpop.key", name: "the DPoP key" }),
      // a proof that cannot be made is no matter of the token endpoint
      (error) => error._tag === "InvalidConfiguration" ? Effect.fail(error) : Effect.fail(invalid("key", error.message))
    )
    : Effect.succeed(key)
  return Effect.flatMap(material, (material) => {
    if (!isKeyPair(material)) return fromPrivate(material, alg)
    return Effect.zipWith(
      keys.load(material.privateKey, { field: "dpop", alg, extractable: false }),
      publicMembers(material.publicKey),
      ({ alg, key }, publicJwk): Pair => ({ key, alg, publicJwk })
    )
  })
}

const generate = (alg: SigningKey.Algorithm): Effect.Effect<Pair, TokenError.InvalidConfiguration> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => jose.generateKeyPair(alg, { extractable: false }),
      catch: () => invalid("alg", "a key for this algorithm cannot be generated here")
    }),
    ({ privateKey, publicKey }) =>
      Effect.zipWith(
        keys.load(privateKey, { field: "dpop", alg, extractable: false }),
        publicMembers(publicKey),
        ({ alg, key }, publicJwk): Pair => ({ key, alg, publicJwk })
      )
  )

const fromPrivate = (material: unknown, alg: SigningKey.Algorithm | undefined) =>
  Effect.gen(function*() {
    const { alg: settled, key } = yield* keys.load(material, { field: "dpop", alg, extractable: true })
    if (!key.extractable) {
      return yield* invalid("key", "the public half of this CryptoKey cannot be found: give both halves")
    }
    const publicJwk = yield* publicMembers(key)
    // what was read from text can stay readable nowhere else
    const locked = keys.isCryptoKey(material)
      ? { key }
      : yield* keys.load(material, { field: "dpop", alg, extractable: false })
    return { key: locked.key, alg: settled, publicJwk }
  })

const publicMembers = (key: jose.CryptoKey): Effect.Effect<jose.JWK, TokenError.InvalidConfiguration> =>
  Effect.map(
    Effect.tryPromise({
      try: () => jose.exportJWK(key),
      catch: () => invalid("key", "the public half of the key cannot be exported")
    }),
    ({ crv, e, kty, n, x, y }): jose.JWK =>
      kty === "RSA"
        ? { kty, n: n!, e: e! }
        : kty === "EC"
        ? { kty, crv: crv!, x: x!, y: y! }
        : { kty: kty!, crv: crv!, x: x! }
  )

const isKeyPair = (u: unknown): u is KeyPair =>
  Predicate.hasProperty(u, "privateKey") && Predicate.hasProperty(u, "publicKey") && keys.isCryptoKey(u.privateKey) &&
  keys.isCryptoKey(u.publicKey)

// ---------------------------------------------------------------------------------------------------------------
// proofs and nonces
// ---------------------------------------------------------------------------------------------------------------

/** Characters of a nonce (RFC 9449 §8.1), and no more of them than a header should hold. */
const legalNonce = /^[!#-[\]-~]{1,1024}$/

/** Origins whose nonce is kept; who uses more meets `use_dpop_nonce` once more. */
const capacity = 256

class Nonces {
  private readonly byOrigin = new Map<string, string>()

  get(origin: string): string | undefined {
    return this.byOrigin.get(origin)
  }

  set(origin: string, nonce: string): void {
    // the map is in order of use: what was heard of least recently goes first
    this.byOrigin.delete(origin)
    this.byOrigin.set(origin, nonce)
    if (this.byOrigin.size > capacity) {
      for (const oldest of this.byOrigin.keys()) {
        this.byOrigin.delete(oldest)
        break
      }
    }
  }
}

const nonceIn = (response: HttpClientResponse.HttpClientResponse): string | undefined => {
  const nonce = response.headers["dpop-nonce"]
  return nonce !== undefined && legalNonce.test(nonce) ? nonce : undefined
}

const parse = (url: string | URL): URL | undefined => {
  const text = String(url)
  return URL.canParse(text) ? new URL(text) : undefined
}

const sha256 = (text: string): Promise<string> =>
  crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)).then((hash) =>
    Encoding.encodeBase64Url(new Uint8Array(hash))
  )

/** `Authorization: DPoP <token>`; the scheme is compared without regard to case. */
const tokenIn = (request: HttpClientRequest.HttpClientRequest): string | undefined =>
  /^dpop +([!-~]+)$/i.exec(request.headers["authorization"] ?? "")?.[1]

const isTokenRequest = (request: HttpClientRequest.HttpClientRequest): boolean =>
  request.method === "POST" && http.formOf(request)?.has("grant_type") === true

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

// ---------------------------------------------------------------------------------------------------------------
// the client
// ---------------------------------------------------------------------------------------------------------------

interface Means {
  readonly nonces: Nonces
  readonly replayStreams: boolean
  readonly sign: (
    method: string,
    url: URL,
    token: string | undefined,
    nonce: string | undefined
  ) => Effect.Effect<string, TokenError.InvalidConfiguration>
}

/**
 * A proof is no secret, but it can be used for as long as the server takes it for fresh. So it is shown nowhere.
 */
const header = "dpop"

/** What one call knows about itself from one attempt to the next. */
interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly target: URL
  readonly token: string | undefined
  readonly isRetry: boolean
}

const decorate = <E, R>(
  self: HttpClient.HttpClient.With<E, R>,
  { nonces, replayStreams, sign }: Means
): HttpClient.HttpClient.With<E | HttpClientError.RequestError, R> => {
  type Result = Effect.Effect<HttpClientResponse.HttpClientResponse, E | HttpClientError.RequestError, R>

  const remember = (response: HttpClientResponse.HttpClientResponse, origin: string | undefined): void => {
    const nonce = nonceIn(response)
    const from = parse(response.request.url)?.origin ?? origin
    if (nonce !== undefined && from !== undefined) nonces.set(from, nonce)
  }

  const start = (request: HttpClientRequest.HttpClientRequest): Result =>
    Effect.suspend(() => {
      const token = tokenIn(request)
      if (header in request.headers || (token === undefined && !isTokenRequest(request))) {
        return observed(self.execute(request), (response) => remember(response, parse(request.url)?.origin))
      }
      const target = parse(request.url)
      return target === undefined
        ? Effect.fail(relativeUrl(request))
        : attempt({ request, target, token, isRetry: false })
    })

  const attempt = (call: Call): Result =>
    Effect.suspend(() => {
      const nonce = nonces.get(call.target.origin)
      return Effect.flatMap(
        Effect.mapError(
          sign(call.request.method, call.target, call.token, nonce),
          (error) => failure(call.request, "Encode", error.message)
        ),
        (proof) => send(call, proof, nonce)
      )
    })

  const send = (call: Call, proof: string, nonce: string | undefined): Result => {
    const request = HttpClientRequest.setHeader(call.request, header, proof)
    Concealment.request(request, header)
    const sent = { name: header, value: Redacted.make(proof) }
    return Effect.matchCauseEffect(execute(request), {
      onSuccess: (response) => judge(call, proof, nonce, Concealment.response(response, sent), Effect.succeed),
      onFailure: (shown) => {
        const cause = Concealment.cause(shown, sent)
        const found = Cause.failureOption(cause)
        if (Option.isNone(found) || !HttpClientError.isHttpClientError(found.value)) return Effect.failCause(cause)
        const error = found.value
        if (error._tag === "RequestError") return Effect.failCause(cause)
        // an inner filterStatus makes an error of a 400 or a 401
        return judge(
          call,
          proof,
          nonce,
          error.response,
          (response) =>
            response === error.response ? Effect.failCause(cause) : Effect.fail(withResponse(error, response) as E)
        )
      }
    })
  }

  /** A redirect that fetch followed by itself would carry the proof along, to where it proves nothing. */
  const execute = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.contextWithEffect((context: Context.Context<R>) => {
      const given: RequestInit = Option.getOrElse(Context.getOption(context, FetchHttpClient.RequestInit), () => ({}))
      return Effect.locallyWith(
        Effect.mapInputContext(
          self.execute(request),
          (context: Context.Context<R>) =>
            Context.add(context, FetchHttpClient.RequestInit, {
              ...given,
              redirect: given.redirect === "error" ? "error" : "manual"
            })
        ),
        Headers.currentRedactedNames,
        (names) => names.includes(header) ? names : [...names, header]
      )
    })

  /** `outcome` is what the caller would have seen: the response, or the error that was made of it. */
  const judge = (
    call: Call,
    proof: string,
    nonce: string | undefined,
    response: HttpClientResponse.HttpClientResponse,
    outcome: (response: HttpClientResponse.HttpClientResponse) => Result
  ): Result => {
    remember(response, call.target.origin)
    const arrived = parse(response.request.url)
    if (
      arrived !== undefined && arrived.origin !== call.target.origin && response.request.headers[header] === proof
    ) {
      return Effect.fail(failure(
        call.request,
        "Encode",
        `the inner client took the DPoP proof to ${arrived.origin}. Apply followRedirects after withDpop.`
      ))
    }
    const next = nonceIn(response)
    // the same nonce again would be refused again
    if (next === undefined || next === nonce || (response.status !== 400 && response.status !== 401)) {
      return outcome(response)
    }
    const canRetry = !call.isRetry && BearerAuth.isReplayable(call.request.body, replayStreams)
    if (isChallenge(response)) {
      return canRetry ? Effect.zipRight(http.drain(response), again(call, response, outcome)) : outcome(response)
    }
    if (call.token !== undefined || !canRetry) return outcome(response)
    return Effect.flatMap(
      http.peek(response),
      ({ response, text }) => isNonceError(text) ? again(call, response, outcome) : outcome(response)
    )
  }

  const again = (
    call: Call,
    response: HttpClientResponse.HttpClientResponse,
    outcome: (response: HttpClientResponse.HttpClientResponse) => Result
  ): Result =>
    Effect.matchEffect(withNewAssertion(call.request), {
      onFailure: () => outcome(response),
      onSuccess: (request) => attempt({ ...call, request, isRetry: true })
    })

  return HttpClient.makeWith<never, never, E | HttpClientError.RequestError, R>(
    Effect.flatMap(start),
    Effect.succeed
  )
}

const observed = <E, R>(
  effect: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  look: (response: HttpClientResponse.HttpClientResponse) => void
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.tapBoth(effect, {
    onSuccess: (response) => Effect.sync(() => look(response)),
    onFailure: (error) =>
      Effect.sync(() => {
        if (HttpClientError.isHttpClientError(error) && error._tag === "ResponseError") look(error.response)
      })
  })

/** What a resource server says that wants a nonce (RFC 9449 §9); its 401 says nothing against the token. */
const isChallenge = (response: HttpClientResponse.HttpClientResponse): boolean =>
  response.status === 401 &&
  Challenge.parse(response.headers["www-authenticate"] ?? "").some(({ parameters, scheme }) =>
    scheme.toLowerCase() === "dpop" && isNonceCode(parameters.error)
  )

/** Codes are compared without case, as everywhere. */
const isNonceCode = (code: unknown): boolean =>
  typeof code === "string" && code.trim().toLowerCase() === "use_dpop_nonce"

/** What an authorization server says (RFC 9449 §8). */
const isNonceError = (text: string): boolean => {
  try {
    const body: unknown = JSON.parse(text)
    return Predicate.hasProperty(body, "error") && isNonceCode(body.error)
  } catch {
    return false
  }
}

/** The request with another client assertion in place of the one that was used, if that was one of ours. */
const withNewAssertion = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientRequest.HttpClientRequest, TokenError.RequestError> => {
  const form = http.formOf(request)
  const used = form?.get("client_assertion")
  const again = used === null || used === undefined ? undefined : assertions.againFor(used)
  if (form === undefined || again === undefined) return Effect.succeed(request)
  return Effect.map(again, (assertion) => {
    form.set("client_assertion", assertion)
    assertions.remember(assertion, again)
    return HttpClientRequest.bodyUrlParams(request, Array.from(form))
  })
}

const withResponse = (
  error: HttpClientError.ResponseError,
  response: HttpClientResponse.HttpClientResponse
): HttpClientError.ResponseError =>
  new HttpClientError.ResponseError({
    request: error.request,
    response,
    reason: error.reason,
    cause: error.cause,
    ...error.description === undefined ? {} : { description: error.description }
  })

/** An error that names the call and holds nothing of it: neither headers nor body nor query. */
const failure = (
  request: HttpClientRequest.HttpClientRequest,
  reason: "Encode" | "InvalidUrl",
  description: string
): HttpClientError.RequestError =>
  new HttpClientError.RequestError({
    request: HttpClientRequest.make(request.method)(withoutQuery(request.url)),
    reason,
    description
  })

const relativeUrl = (request: HttpClientRequest.HttpClientRequest): HttpClientError.RequestError =>
  failure(
    request,
    "InvalidUrl",
    "a proof needs an absolute URL. Apply withDpop before mapRequest(prependUrl(...))."
  )

const withoutQuery = (url: string): string => {
  const target = parse(url)
  return target === undefined ? url.replace(/[?#].*$/s, "") : target.origin + target.pathname
}
