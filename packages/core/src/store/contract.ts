// The interface of a store of tokens, with its tag.
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type { AccessToken } from "../values/AccessToken.js"

// Published, with its documentation, by TokenStore. It is a file of its own because a source looks the tag up whether
// or not there is a store, and should not have to load the code of the stores.

/**
 * The right to fetch the token of one key, for a while.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  readonly key: string
  /** Distinguishes this holder from any other. */
  readonly owner: string
  /** Fencing number: greater than that of every lease on this key before it. */
  readonly fence: number
}

/**
 * The operations of a store. Its users make the keys, which hold no secret. Every operation is atomic, also against
 * other processes; none of them waits for a lease.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The stored token, unless its lifetime is over. A value that cannot be read is a `StoreError` of reason
   * `"unreadable"`.
   */
  readonly get: (key: string) => Effect.Effect<Option.Option<AccessToken>, StoreError>
  /**
   * Stores a token under the lease's key and announces it. It is refused, with `false`, once a later lease on the key
   * was granted, even if that lease has ended too: a late holder overwrites nothing.
   */
  readonly put: (token: AccessToken, lease: Lease) => Effect.Effect<boolean, StoreError>
  /** A lease on the key, unless another holder has one. It ends by itself after `ttl`. */
  readonly acquire: (key: string, ttl: Duration.DurationInput) => Effect.Effect<Option.Option<Lease>, StoreError>
  /** Ends a lease and announces it; does nothing if another holder has the lease by now. */
  readonly release: (lease: Lease) => Effect.Effect<void, StoreError>
  /** Removes the stored token if it is `token`. */
  readonly remove: (key: string, token: AccessToken) => Effect.Effect<void, StoreError>
  /**
   * The keys whose token or lease has changed, from the running of the stream on. A message may be lost, so a waiting
   * process also looks from time to time.
   */
  readonly changes: Stream.Stream<string>
}

/**
 * The store of the program, for sources that share their tokens with other processes.
 *
 * @since 0.1.0
 * @category tags
 */
export class TokenStore extends Context.Tag("effect-bearer/TokenStore")<TokenStore, Service>() {}

const storeErrorId = "~effect-bearer/StoreError"

/**
 * Recognises the error by its mark, not by its class: the store may come from another copy of the package. An error
 * without the mark is not the library's own, and nothing of it is shown.
 */
export const isStoreError = (u: unknown): u is StoreError => Predicate.hasProperty(u, storeErrorId)

/**
 * A store could not do what it was asked to. Callers of a source never see it: the source works without the store.
 *
 * @since 0.1.0
 * @category errors
 */
export class StoreError extends Data.TaggedError("StoreError")<{
  readonly operation: "get" | "put" | "acquire" | "release" | "remove"
  /**
   * - `unavailable`: no answer, or a refusal: down, full, read-only, no permission
   * - `timeout`: no answer in time
   * - `unreadable`: what is stored is damaged, of an unknown version, or sealed with an unknown key
   */
  readonly reason: "unavailable" | "timeout" | "unreadable"
  /** The reason in words, without secrets. */
  readonly detail: string
}> {
  /** @internal */
  get [storeErrorId](): typeof storeErrorId {
    return storeErrorId
  }
  override get message(): string {
    return `The token store could not ${this.operation} (${this.reason}): ${this.detail}`
  }
}
