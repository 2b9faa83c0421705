/**
 * Where processes put the tokens they share, so that a whole fleet asks the authorization server once per lifecycle.
 * Provide one of the layers and `TokenSource.layer` uses it; or put `TokenSource.shared` in a pipeline of your own.
 *
 * | layer | who shares | lives as long as |
 * |---|---|---|
 * | {@link layerMemory} | the sources of one process | the layer |
 * | `RedisTokenStore.layer` of `@effect-bearer/redis` | everybody who reaches that Redis | Redis |
 *
 * A store is a convenience, never a condition: while it is slow, down or damaged each process works alone.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { AccessToken } from "./AccessToken.js"
import * as memoryStore from "./internal/memoryStore.js"
import * as storedToken from "./internal/storedToken.js"
import * as tokenStore from "./internal/tokenStore.js"

/**
 * The right to fetch the token of one key, for a while.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease extends tokenStore.Lease {}

/**
 * What a store has to do. Keys are made by those who use it and hold no secret. Every operation is atomic, also
 * against other processes; none of them waits for a lease.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends tokenStore.Service {}

export {
  /**
   * A store could not do what it was asked to. Callers of a source never see it: the source works without the store.
   *
   * @since 0.1.0
   * @category errors
   */
  StoreError,
  /**
   * The store of the program, for sources that share their tokens with other processes.
   *
   * @since 0.1.0
   * @category tags
   */
  TokenStore
} from "./internal/tokenStore.js"

/**
 * A store in memory: for tests, and for sources of one process that are built apart and ask for the same.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<tokenStore.TokenStore> = Layer.effect(tokenStore.TokenStore, memoryStore.make)

/**
 * The text form of a token at rest, for stores of your own. It holds the token in the clear, and leaves its refresh
 * token out: that has a store of its own.
 *
 * @example
 * ```ts
 * import type { AccessToken } from "effect-bearer"
 * import { TokenStore } from "effect-bearer"
 *
 * const rows = new Map<string, string>()
 * export const write = (key: string, token: AccessToken.AccessToken) => rows.set(key, TokenStore.encodeToken(token))
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeToken: (token: AccessToken) => string = storedToken.encode

/**
 * The inverse of {@link encodeToken}; on the left what is wrong with the text, without showing any of it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { TokenStore } from "effect-bearer"
 *
 * export const read = (text: string) =>
 *   Effect.mapError(
 *     TokenStore.decodeToken(text),
 *     (detail) => new TokenStore.StoreError({ operation: "get", reason: "unreadable", detail })
 *   )
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const decodeToken: (text: string) => Either.Either<AccessToken, string> = storedToken.decode
