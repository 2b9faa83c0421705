// The client that adds proofs, and sends a request once more with the nonce that the server wants.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as BearerAuth from "effect-bearer/BearerAuth"
import * as Concealment from "effect-bearer/Concealment"
import type * as TokenError from "effect-bearer/TokenError"
import * as assertions from "../internal/assertions.js"
import * as http from "../internal/http.js"
import { parse } from "../internal/urls.js"
import { execute, header } from "./execute.js"
import { failure, relativeUrl, strayed, withResponse } from "./failures.js"
import type { Nonces } from "./nonces.js"
import { nonceIn } from "./nonces.js"
import * as refusals from "./refusals.js"

/** `Authorization: DPoP <token>`; the scheme is compared without regard to case. */
const tokenIn = (request: HttpClientRequest.HttpClientRequest): string | undefined =>
  /^dpop +([!-~]+)$/i.exec(request.headers["authorization"] ?? "")?.[1]

const isTokenRequest = (request: HttpClientRequest.HttpClientRequest): boolean =>
  request.method === "POST" && http.formOf(request)?.has("grant_type") === true

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

/** What one call knows about itself from one attempt to the next. */
interface Call {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly target: URL
  readonly token: string | undefined
  readonly isRetry: boolean
}

export const decorate = <E, R>(
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
    return Effect.matchCauseEffect(execute(self, request), {
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
      return Effect.fail(strayed(call.request, arrived.origin))
    }
    const kind = refusals.kindOf(response, nonce, call.token !== undefined)
    if (kind === "other" || call.isRetry || !BearerAuth.isReplayable(call.request.body, replayStreams)) {
      return outcome(response)
    }
    if (kind === "challenge") return Effect.zipRight(http.drain(response), again(call, response, outcome))
    return Effect.flatMap(
      http.peek(response),
      ({ response, text }) => refusals.isNonceError(text) ? again(call, response, outcome) : outcome(response)
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
