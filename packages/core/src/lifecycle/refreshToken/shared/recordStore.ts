// The steps that a shared refresh token takes in its store: read or write the record, take or give back the lease.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lease, Service, StoreError } from "../../../store/contract.js"
import { sealedType } from "../../../store/storedToken.js"
import type * as TokenError from "../../../values/TokenError.js"
import * as storeCall from "../../sharing/storeCall.js"
import type { Stored } from "../contract.js"
import { unanswered, unreadable } from "./errors.js"
import { decode, encode } from "./form.js"
import type { Settings } from "./options.js"

export type Failing<A> = Effect.Effect<A, TokenError.RequestError>

export interface RecordStore {
  readonly read: Failing<Option.Option<Stored>>
  /** `false` if the lease is over, and nothing was written. */
  readonly put: (stored: Stored, lease: Lease) => Failing<boolean>
  /** `None` if another process holds the lease. */
  readonly acquire: Failing<Option.Option<Lease>>
  readonly release: (held: { readonly lease: Lease }) => Effect.Effect<void>
}

export const make = (service: Service, { key, lease: leaseTime, retention, timeout }: Settings): RecordStore => {
  const failing = <A>(operation: StoreError["operation"], call: Effect.Effect<A, StoreError>): Failing<A> =>
    Effect.mapError(
      call,
      ({ detail, reason }) =>
        reason === "unreadable"
          ? unreadable(key, detail)
          : unanswered(`it could not ${operation} (${reason}: ${detail}), and no refresh token is used without it`)
    )

  const ask = <A>(
    operation: StoreError["operation"],
    f: (store: Service) => Effect.Effect<A, StoreError>
  ): Failing<A> => failing(operation, storeCall.run(operation, () => f(service), timeout))

  const read: Failing<Option.Option<Stored>> = Effect.flatMap(
    ask("get", (store) => storeCall.get(store, key)),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: (token) =>
        Effect.mapBoth(decode(token), {
          onFailure: () =>
            unreadable(
              key,
              token.tokenType === sealedType
                ? "it is sealed, and this process has no key"
                : "it is no record of a refresh token"
            ),
          onSuccess: Option.some
        })
    })
  )

  const put = (stored: Stored, lease: Lease): Failing<boolean> =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => ask("put", (store) => storeCall.put(store, encode(stored, now, retention), lease, [stored.token]))
    )

  const acquire = failing("acquire", storeCall.acquire(service, key, leaseTime, timeout))

  // the lease ends by itself if this fails
  const release = ({ lease }: { readonly lease: Lease }): Effect.Effect<void> =>
    Effect.ignore(ask("release", (store) => store.release(lease)))

  return { read, put, acquire, release }
}
