/** `effect-bearer token`: gets a token, from the store if it has one, and prints it. */
import { resolve } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as AccessToken from "effect-bearer/AccessToken"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenRequest from "effect-bearer/TokenRequest"
import * as TokenSource from "effect-bearer/TokenSource"
import * as input from "../input/input.js"
import { failed, type Failure, usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import { orAsk } from "../settings/hiddenSecret.js"
import type { Environment } from "../settings/places.js"
import { tokenFolder } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import * as asking from "./asking.js"
import * as formats from "./formats.js"
import * as requests from "./request.js"
import * as tokens from "./tokens.js"

export interface Options extends settings.Wanted {
  readonly format?: string | undefined
  readonly minTtl?: string | undefined
  readonly scope?: ReadonlyArray<string> | undefined
  readonly audience?: ReadonlyArray<string> | undefined
  readonly resource?: ReadonlyArray<string> | undefined
  readonly json: boolean
  readonly quiet: boolean
  /** What git and Bazel add: `get`, `store`, `erase`. */
  readonly operation?: string | undefined
}

const formatOf = ({ format, json }: Options): Either.Either<formats.Format, Failure> => {
  const name = format ?? (json ? "json" : "raw")
  return formats.isFormat(name)
    ? Either.right(name)
    : Either.left(usage(`There is no such format. These are: ${formats.names.join(", ")}.`))
}

/** Seconds as a number, or a time with its unit. */
export const timeOf = (option: string, text: string): Either.Either<Duration.Duration, Failure> => {
  const [, amount, unit = "s"] = /^\s*(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|min|h|d)?\s*$/.exec(text) ?? []
  const millis = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[unit]
  return amount === undefined || millis === undefined
    ? Either.left(usage(`${option} is a number of seconds, or a time such as 90s, 5m or 1h.`))
    : Either.right(Duration.millis(Number(amount) * millis))
}

export const run = (
  options: Options,
  environment: Environment
): Effect.Effect<void, settings.Problem | TokenError.TokenError, Services> =>
  Effect.gen(function*() {
    const format = yield* formatOf(options)
    const operation = yield* operationOf(format, options.operation)
    const least = options.minTtl === undefined ? undefined : yield* timeOf("--min-ttl", options.minTtl)
    const question = formats.asks(format)
      ? yield* Effect.flatMap(input.text(65_536), asking[format])
      : { origin: undefined, credential: undefined }
    // git tells what worked: it was ours already
    if (operation === "store") return
    const say = terminal.sayer(options.quiet)
    const chosen = yield* settings.choose(options, environment, input.canAsk())
    const objection = asking.objection(question.origin, chosen.profile.origins)
    // whoever asks goes on without a token: other helpers may know one
    if (objection !== undefined) return yield* Effect.fail(failed(`No token is given: ${objection}`))
    const request = requests.of(options)
    const obtain = Effect.flatMap(Effect.tap(tokens.open(chosen, { environment, say }), tellWaits(say)), (source) =>
      operation === "erase"
        ? Effect.as(reject(source, request, question.credential), undefined)
        : Effect.flatMap(
          least === undefined ? source.get(request) : TokenSource.getWithRemaining(least, request)(source),
          (token) =>
            Effect.map(TokenSource.status(source, request), ({ remaining }) => ({ token, remaining }))
        ))
    const got = yield* orAsk(chosen, Effect.scoped(obtain))
    if (got === undefined) {
      return
    }
    const { remaining, token } = got
    const text = yield* formats.render(
      format,
      {
        token: Redacted.value(token.value),
        type: token.tokenType,
        scopes: token.scopes,
        expiresAt: Option.getOrUndefined(token.expiresAt),
        remaining: Option.getOrUndefined(Option.map(remaining, (left) =>
          Math.floor(Duration.toSeconds(left)))),
        profile: chosen.name
      },
      environment
    )
    yield* terminal.answer(text)
    yield* Effect.sync(() => keep(chosen, token, text, options, environment))
  })

/** What a start of this program prints again by itself: `scripts/lastAnswer.cjs`. Nothing where it is not bundled. */
const keepAnswer = (globalThis as { [key: symbol]: unknown })[Symbol.for("@effect-bearer/cli/lastAnswer")]

/** Tokens of the user's own folder alone: another store changes without being looked at. */
const keep = (
  chosen: settings.Chosen,
  token: AccessToken.AccessToken,
  text: string,
  wanted: settings.Wanted,
  environment: Environment
): void => {
  if (typeof keepAnswer !== "function" || chosen.store !== undefined || Option.isNone(token.expiresAt)) return
  const expiresAt = token.expiresAt.value
  // well before it would be handed out no more
  const until = expiresAt - Math.max(60_000, (expiresAt - token.issuedAt) / 5)
  keepAnswer(text, until, {
    folder: resolve(tokenFolder(environment)),
    files: settings.candidates(wanted, environment).map((file) => resolve(file))
  })
}

/** A person who waits for longer than a moment is told what for. */
const tellWaits = (say: (text: string) => Effect.Effect<void>) => (source: TokenSource.With<TokenError.TokenError>) =>
  Effect.flatMap(
    TokenSource.subscribe(source),
    (events) =>
      Effect.forkScoped(Stream.runForEach(events, (event) =>
        event._tag === "RetryScheduled" && event.delay >= 2000
          ? say(`Trying again in ${Math.ceil(event.delay / 1000)} s: ${event.message}`)
          : Effect.void))
  )

const operationOf = (format: formats.Format, operation: string | undefined): Either.Either<string, Failure> => {
  const known = format === "git" ? ["get", "store", "erase"] : format === "bazel" ? ["get"] : []
  return operation === undefined
    ? Either.right("get")
    : known.includes(operation)
    ? Either.right(operation)
    : format === "git"
    // git-credential(1): operations that are not known are ignored
    ? Either.right("store")
    : Either.left(usage(`"token" takes no such argument${known.length === 0 ? "" : ` but ${known.join(", ")}`}.`))
}

/** git was refused with this token: the next one is another. */
const reject = (
  source: TokenSource.With<TokenError.TokenError>,
  request: TokenRequest.TokenRequest | undefined,
  credential: string | undefined
) =>
  credential === undefined
    ? Effect.void
    : source.invalidate(AccessToken.make({ value: Redacted.make(credential), issuedAt: 0 }), request)
