// The keys of a server: fetched, kept for a while, fetched anew for an unknown name.
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Clocks from "effect-bearer/Clocks"
import type * as OwnRequest from "effect-bearer/OwnRequest"
import * as SharedWork from "effect-bearer/SharedWork"
import type * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"

/**
 * The keys of one issuer, and when they are fetched.
 *
 * **The rule.** A fetch is shared work: who began it may be gone, and whoever waits for it takes it over when it is
 * overdue. How long a set, a failure and a cool-down last is measured by the steady clock, so setting the time makes
 * none of them last; the wall clock can only end a set sooner, after the machine slept.
 */
export interface Keyring {
  /** A set to begin with. */
  readonly current: Effect.Effect<Keys, Unavailable, Sender>
  /** A newer set, after a token whose key is not in `seen`; none if one was fetched a moment ago. */
  readonly newer: (seen: Keys) => Effect.Effect<Keys | undefined, Unavailable, Sender>
}

export type FindKey = ReturnType<typeof jose.createLocalJWKSet>

export interface Keys {
  readonly find: FindKey
  readonly age: Clocks.Period
  /** Epoch milliseconds. */
  readonly fetchedAt: number
}

/** What the caller fetches with. */
export class Sender extends Context.Tag("@effect-bearer/jose/internal/Sender")<Sender, OwnRequest.Send>() {}

/** Why there are no keys. */
export class Unavailable {
  readonly _tag = "Unavailable"
  constructor(readonly detail: string) {}
}

/** Times in milliseconds. */
export interface Settings {
  readonly url: URL
  /** Origin and path: a query may hold anything. */
  readonly endpoint: string
  readonly timeout: number
  readonly maxAge: number
  readonly maxStale: number
  readonly cooldown: number
}

/** Enough not to storm a server that is down, and short enough not to prolong its outage. */
const pause = 1000

/** What the runtime may need beyond the timeout before a fetch is taken for lost. */
const grace = 5000

export const make = (settings: Settings): Keyring => {
  const { cooldown, maxAge, maxStale, timeout } = settings
  let keys: Keys | undefined
  let failed: { readonly pause: Clocks.Period; readonly error: Unavailable } | undefined
  /** While this lasts after a failure, an old set is used without asking. */
  let rest: Clocks.Period | undefined

  const isWithin = ({ age, fetchedAt }: Keys, length: number, now: Clocks.Now): boolean =>
    now.steady - age.began < length && now.wall - fetchedAt < length

  const fetch = SharedWork.make(
    Effect.gen(function*() {
      // if the server failed before, callers for whom the old set is good enough do not wait for this
      if (failed !== undefined) rest = Clocks.period(yield* Clocks.now, timeout + grace)
      const find = yield* Effect.tapError(fetchSet(settings), (error) =>
        Effect.map(Clocks.now, (now) => {
          failed = { pause: Clocks.period(now, Math.min(cooldown, pause)), error }
          rest = Clocks.period(now, cooldown)
        }))
      const now = yield* Clocks.now
      failed = rest = undefined
      return keys = { find, age: Clocks.period(now, maxAge), fetchedAt: now.wall }
    }),
    { overdueAfter: timeout + grace }
  )

  /** Not again while the last failure is fresh. */
  const refresh = (now: Clocks.Now): Effect.Effect<Keys, Unavailable, Sender> =>
    failed === undefined || Clocks.isOver(failed.pause, now) ? fetch : Effect.fail(failed.error)

  return {
    current: Effect.flatMap(Clocks.now, (now) => {
      if (keys === undefined || !isWithin(keys, maxAge + maxStale, now)) return refresh(now)
      const old = keys
      if (isWithin(old, maxAge, now)) return Effect.succeed(old)
      return rest !== undefined && !Clocks.isOver(rest, now)
        ? Effect.succeed(old)
        : Effect.orElseSucceed(refresh(now), () => old)
    }),
    newer: (seen) =>
      Effect.flatMap(
        Clocks.now,
        (now): Effect.Effect<Keys | undefined, Unavailable, Sender> =>
          keys !== undefined && keys !== seen
            ? Effect.succeed(keys)
            : now.steady - seen.age.began < cooldown
            ? Effect.succeed(undefined)
            : refresh(now)
      )
  }
}

const fetchSet = ({ endpoint, timeout, url }: Settings): Effect.Effect<FindKey, Unavailable, Sender> =>
  Effect.flatMap(Sender, (send) =>
    send({
      request: HttpClientRequest.get(url, { headers: { accept: "application/jwk-set+json, application/json" } }),
      endpoint,
      field: "jwksUri",
      timeout: Duration.millis(timeout)
    })).pipe(
      Effect.mapError((error) => new Unavailable(reasonOf(error))),
      Effect.flatMap(({ reply }) =>
        reply.status !== 200
          ? Effect.fail(new Unavailable(`it answered ${reply.status}`))
          : reply.overflow
          ? Effect.fail(new Unavailable("the answer is larger than 1 MiB"))
          : Effect.try({
            try: () => jose.createLocalJWKSet(JSON.parse(new TextDecoder().decode(reply.body)) as jose.JSONWebKeySet),
            catch: () => new Unavailable("the answer is no JWK set")
          })
      ),
      Effect.withSpan("Jwks.fetch", {
        kind: "client",
        captureStackTrace: false,
        attributes: { "server.address": url.hostname }
      })
    )

const reasonOf = (error: TokenError.RequestError): string => {
  switch (error._tag) {
    case "EndpointTimeout":
      return "it took too long"
    case "TransportError":
      return error.code._tag === "Some" ? `no answer (${error.code.value})` : "no answer"
    default:
      // says what to do, and holds nothing of the request; the full stop comes from whoever embeds it
      return error.message.replace(/\.(?= \[[a-z-]+\]$)/, "")
  }
}
