/** `effect-bearer call`: one request with the token of the profile; body and answer are streams. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpMethod } from "@effect/platform/HttpMethod"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BearerAuth from "effect-bearer/BearerAuth"
import type * as TokenError from "effect-bearer/TokenError"
import * as input from "../input/input.js"
import { exitCodes, Failure } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import { orAsk } from "../settings/hiddenSecret.js"
import type { Environment } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import { timeOf } from "../token/print.js"
import * as tokens from "../token/tokens.js"
import { version } from "../version.js"
import * as body_ from "./body.js"
import * as request_ from "./request.js"
import * as sinks from "./sink.js"
import * as told from "./told.js"

export interface Options extends settings.Wanted {
  readonly method: string
  readonly url: string
  readonly header: ReadonlyArray<string>
  readonly data: ReadonlyArray<string>
  readonly output: string | undefined
  readonly include: boolean
  readonly fail: boolean
  readonly timeout: string | undefined
  readonly origin: ReadonlyArray<string>
  readonly json: boolean
  readonly quiet: boolean
}

export const run = (
  options: Options,
  environment: Environment
): Effect.Effect<void, settings.Problem | TokenError.TokenError, Services> =>
  Effect.gen(function*() {
    const method = yield* request_.methodOf(options.method)
    const headers = yield* request_.headersOf(options.header)
    const data = yield* request_.dataOf(options.data)
    const limit = options.timeout === undefined ? undefined : yield* timeOf("--timeout", options.timeout)
    const chosen = yield* settings.choose(options, environment, input.canAsk())
    const target = yield* request_.targetOf(options.url, {
      name: chosen.name,
      from: chosen.from,
      origins: chosen.profile.origins,
      more: options.origin
    })
    const body = yield* body_.open(data)
    const request = HttpClientRequest.make(method as HttpMethod)(target.url).pipe(
      HttpClientRequest.setHeaders({ accept: "*/*", "user-agent": `effect-bearer/${version}` }),
      body.body._tag === "Empty" ? (self) => self : HttpClientRequest.setBody(body.body),
      HttpClientRequest.setHeaders(headers)
    )
    const say = terminal.sayer(options.quiet || options.json)
    const send = Effect.gen(function*() {
      const source = yield* tokens.open(chosen, { environment, say })
      const client = BearerAuth.withBearer(plain(yield* HttpClient.HttpClient), source, {
        origins: [target.origin],
        onOtherOrigin: "fail",
        replayStreams: body.replays
      })
      return yield* client.execute(request).pipe(
        Effect.catchIf(
          HttpClientError.isHttpClientError,
          (error) => Effect.fail(body.failure() ?? told.broken(error, target.origin, undefined))
        ),
        Effect.flatMap((response) => receive(response, target.origin, options))
      )
    })
    const response = yield* orAsk(chosen, within(Effect.scoped(send), limit, target.origin))
    const remark = told.remark(response, { url: target.url, replays: body.replays })
    if (remark === undefined) return
    if (options.fail && response.status >= 400) return yield* Effect.fail(told.refusal(response.status, remark))
    yield* say(remark)
  })

/** Headers of a trace are not the caller's. */
const plain = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.withTracerDisabledWhen(client, () => true)

type Response = Effect.Effect.Success<ReturnType<HttpClient.HttpClient["execute"]>>

/** Nobody reads the answer any longer. */
const unread = { _tag: "Unread" } as const

/** Passes the answer on, until it ends or its reader has gone. */
const receive = (response: Response, origin: string, { include, output }: Options) => {
  const pass = (sink: sinks.Sink) =>
    Effect.gen(function*() {
      if (include && !(yield* sink(new TextEncoder().encode(told.head(response))))) return
      let received = 0
      // not `runForEachWhile`, which keeps everything in memory until its end
      yield* Stream.runForEach(response.stream, (chunk) => {
        received += chunk.length
        return Effect.flatMap(sink(chunk), (isRead) => isRead ? Effect.void : Effect.fail(unread))
      }).pipe(
        Effect.catchTags({
          ResponseError: (error) => Effect.fail(told.broken(error, origin, received)),
          Unread: () => Effect.void
        })
      )
    })
  return Effect.as(
    output === undefined || output === "-" ? Effect.flatMap(sinks.output, pass) : sinks.file(output, pass),
    response
  )
}

const within = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  limit: Duration.Duration | undefined,
  origin: string
): Effect.Effect<A, E | Failure, R> =>
  limit === undefined ? self : Effect.timeoutFail(self, {
    duration: limit,
    onTimeout: () =>
      new Failure({
        exit: exitCodes.unreachable,
        code: "endpoint-timeout",
        detail: `The call of ${origin} took longer than ${Duration.format(limit)}.`
      })
  })
