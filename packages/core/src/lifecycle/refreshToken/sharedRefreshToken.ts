// A rotating refresh token that several processes share, under a lock in the store.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TokenStore } from "../../store/contract.js"
import * as random from "../../values/random.js"
import type * as TokenError from "../../values/TokenError.js"
import type { SharedOptions, Store } from "./contract.js"
import { settle } from "./shared/options.js"
import * as recordStore from "./shared/recordStore.js"
import * as turnsOf from "./shared/turns.js"
import type { Session } from "./shared/writes.js"
import * as writesOf from "./shared/writes.js"

export const make = (options: SharedOptions): Effect.Effect<Store, TokenError.InvalidConfiguration, TokenStore> =>
  Effect.gen(function*() {
    const settings = yield* settle(options)
    const service = yield* TokenStore
    const records = recordStore.make(service, settings)
    const turns = turnsOf.make(service, records, settings)
    const { deadline, inTurn, take } = turns
    const { catchUp, payDebt, write } = writesOf.make(records, turns)
    const Current = Context.GenericTag<Session>(`effect-bearer/RefreshToken/${random.randomId()}`)

    const locked: Store["locked"] = (effect) =>
      Effect.flatMap(deadline, (deadline) =>
        Effect.uninterruptibleMask((restore) =>
          inTurn(
            deadline,
            restore,
            Effect.gen(function*() {
              yield* payDebt(deadline, restore)
              const session: Session = { lease: yield* take(deadline, restore), known: undefined, owes: false }
              const exit = yield* Effect.exit(restore(Effect.provideService(effect, Current, session)))
              if (session.owes) yield* Effect.forkDaemon(catchUp)
              else yield* records.release(session)
              return yield* exit
            })
          )
        ))

    const save: Store["save"] = (stored, over) =>
      Effect.flatMap(
        Effect.serviceOption(Current),
        (session) =>
          Option.isNone(session) ?
            locked(save(stored, over)) :
            Effect.flatMap(
              deadline,
              (deadline) =>
                Effect.uninterruptibleMask((restore) => write(session.value, stored, over, deadline, restore))
            )
      )

    return {
      load: Effect.flatMap(Effect.serviceOption(Current), (session) =>
        Effect.tap(records.read, (stored) => {
          if (Option.isSome(session)) session.value.known = stored
        })),
      save,
      locked
    }
  })
