// Spends the stored refresh token, under the lock of its store; if it cannot be spent, the fallback takes its place.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../../values/AccessToken.js"
import * as Clocks from "../../values/Clocks.js"
import * as TokenError from "../../values/TokenError.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import * as adopting from "./adopt.js"
import type { Store, Stored } from "./contract.js"
import { toTheEnd, within } from "./exchange.js"
import * as expiry from "./expiry.js"
import * as ledger from "./ledger.js"
import { first, newLogin, objection, unmarked } from "./record.js"
import { mayHaveBeenTaken } from "./whetherTaken.js"

type Answer = Effect.Effect<AccessToken, TokenError.RequestError>

export interface Means {
  /** The refresh token to begin with. */
  readonly configured: Redacted.Redacted | undefined
  readonly store: Store
  readonly rotation: "auto" | "always" | "never"
  readonly refresh: (token: Redacted.Redacted, request: TokenRequest.TokenRequest) => Answer
  readonly fallback: ((request: TokenRequest.TokenRequest) => Answer) | undefined
  /** Limit of `refresh` and of `fallback` in milliseconds. */
  readonly timeout: number
}

export const make = (
  { configured, fallback, refresh, rotation, store, timeout }: Means
): (request: TokenRequest.TokenRequest) => Answer => {
  const record = ledger.make(store)
  const life = expiry.makeWatch()
  const adopt = adopting.make(store, record, life)
  // A store may lose the list of logins, so what this process has sent is not left to the store: it is never sent anew.
  let hasSent = false
  const unsent = () => hasSent ? undefined : configured

  const authenticate = (
    request: TokenRequest.TokenRequest,
    reason: string,
    over: Option.Option<Stored>
  ): Answer =>
    fallback === undefined
      ? Effect.fail(new TokenError.AuthenticationRequired({ reason }))
      : Effect.flatMap(
        within(timeout, Effect.suspend(() => fallback(request)), adopt.late(undefined, over)),
        (token) => adopt.now(token, undefined, over)
      )

  /** What follows a refresh token that cannot be used: that of a new login, which is new only once, or the fallback. */
  const goOn = (
    unusable: Stored,
    over: Option.Option<Stored>,
    request: TokenRequest.TokenRequest,
    reason: string,
    isSecondLook: boolean
  ): Answer => {
    const next = newLogin(unusable, unsent())
    return next === undefined ? authenticate(request, reason, over) : spend(next, over, request, isSecondLook)
  }

  /** `over` is the record in the store: that of `stored`, unless `stored` is the configured refresh token. */
  const spend = (
    stored: Stored,
    over: Option.Option<Stored>,
    request: TokenRequest.TokenRequest,
    isSecondLook: boolean
  ): Answer =>
    Effect.gen(function*() {
      const refused = objection(stored, life.hasExpired(stored, yield* Clocks.now), rotation)
      if (refused !== undefined) return yield* goOn(stored, over, request, refused, isSecondLook)
      const marked = Option.some(yield* record.mark(stored, over))
      if (configured !== undefined && Equal.equals(stored.token, configured)) hasSent = true
      const exit = yield* Effect.either(
        within(timeout, Effect.suspend(() => refresh(stored.token, request)), adopt.late(stored, marked))
      )
      if (Either.isRight(exit)) return yield* adopt.now(exit.right, stored, marked)
      const error = exit.left
      if (TokenError.hasCode(error, "invalid_grant")) {
        // Another process that does not use the lock may have been faster; then its refresh token is in the store.
        const current = yield* record.read
        if (!isSecondLook && Option.isSome(current) && !Equal.equals(current.value.token, stored.token)) {
          return yield* spend(current.value, current, request, true)
        }
        const dead = unmarked({ ...stored, state: "dead" })
        yield* record.save(dead, marked)
        return yield* goOn(dead, Option.some(dead), request, "the server no longer accepts the refresh token", true)
      }
      if (!mayHaveBeenTaken(error)) yield* record.save(unmarked(stored), marked)
      return yield* Effect.fail(error)
    })

  return (request) =>
    // Waiting for the lock can be interrupted, the steps after it cannot.
    store.locked(toTheEnd(Effect.flatMap(record.load, (there) =>
      Option.match(
        Option.orElse(there, () => first(unsent(), record.lastKnown())),
        {
          onNone: () =>
            authenticate(request, hasSent ? "the refresh token was used up" : "there is no refresh token yet", there),
          onSome: (stored) => spend(stored, there, request, false)
        }
      ))))
}
