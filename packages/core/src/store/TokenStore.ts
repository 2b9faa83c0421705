/**
 * Where processes put the tokens they share, so that a whole fleet asks the authorization server once per lifecycle.
 * Provide one of the layers and `TokenSource.layer` uses it; or put `TokenSource.shared` in a pipeline of your own.
 *
 * | layer | who shares | lives as long as |
 * |---|---|---|
 * | {@link layerMemory} | the sources of one process | the layer |
 * | {@link layerFile} | the processes of one machine | its directory |
 * | {@link layerKeyValueStore} | whoever has that `KeyValueStore`; exactly one fetches only within one process | its entries |
 * | `RedisTokenStore.layer` of `@effect-bearer/redis` | everybody who reaches that Redis | Redis |
 *
 * {@link encrypted} seals the tokens in any of them.
 *
 * A program works without the store: while it is slow, down or damaged, each process works alone.
 *
 * @since 0.1.0
 */

import type * as FileSystem from "@effect/platform/FileSystem"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { AccessToken } from "../values/AccessToken.js"
import * as Settings from "../values/Settings.js"
import type { InvalidConfiguration } from "../values/TokenError.js"
import * as tokenStore from "./contract.js"
import * as fileStore from "./file/fileStore.js"
import * as keyValueStore from "./keyValueStore.js"
import * as memoryStore from "./memoryStore.js"
import * as sealedKeys from "./sealed/keys.js"
import * as sealedStore from "./sealed/sealedStore.js"
import * as storedToken from "./storedToken.js"

/**
 * The right to fetch the token of one key, for a while.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease extends tokenStore.Lease {}

/**
 * The operations of a store. Its users make the keys, which hold no secret. Every operation is atomic, also against
 * other processes; none of them waits for a lease.
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
} from "./contract.js"

/**
 * A store in memory: for tests, and for sources of one process that are built separately and ask for the same tokens.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<tokenStore.TokenStore> = Layer.effect(tokenStore.TokenStore, memoryStore.make)

/**
 * A store in a directory, for the processes of one machine that run as the same user: several workers, or a command
 * line that is called again and again. At any time one process fetches a token; if it dies, its lease ends with its
 * time, and another takes over.
 *
 * **Details**
 *
 * The directory is created with mode 700 if it is missing, and is best used for nothing else; every file has mode 600.
 * A file appears whole or not at all. A file that is damaged, that others may read, that belongs to another user or
 * that is a link counts as missing, and the next token replaces it. Files of tokens and leases whose time is over are
 * deleted, a few with every token that is stored.
 *
 * Fails with `InvalidConfiguration` if the directory can't be created or written to, is not a directory, can be written
 * to or replaced by other users, belongs to another user or lies below a directory of another user (root may own
 * either, but a process of root cannot use the directory of another user), or is on a file system without hard links
 * (FAT). A group that may write to a directory above is trusted: many systems give each user a group. If the platform
 * has no owners and modes, as Windows, they are not checked.
 *
 * **Gotchas**
 *
 * Tokens are in the clear: add {@link encrypted}, with a key from elsewhere, if the disk is backed up or shared. The
 * clocks of several machines differ and network file systems keep no promises: for a fleet use Redis.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { TokenStore } from "effect-bearer"
 *
 * export const StoreLive = TokenStore.layerFile({ directory: "/var/lib/my-app/tokens" }).pipe(
 *   Layer.provide(NodeContext.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (options: {
  /** Relative to the working directory at the moment the layer is built. */
  readonly directory: string
}): Layer.Layer<tokenStore.TokenStore, InvalidConfiguration, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(tokenStore.TokenStore, fileStore.make(options))

/**
 * A store over any `KeyValueStore` of `@effect/platform`: the local storage of a browser, a table, one of your own.
 *
 * **Details**
 *
 * Each key takes two entries, which begin with `effect-bearer.`: the token, and the lease, which stays for ever because
 * a `KeyValueStore` can't list its keys. A failure of the `KeyValueStore` is a `StoreError`; an entry that can't be
 * read counts as missing and is overwritten.
 *
 * **Gotchas**
 *
 * A `KeyValueStore` cannot compare and set. Between the users of one layer the leases are exclusive; two processes that
 * ask in the same moment can both get one, and then both fetch a token. Usually the token of the later lease stays, but
 * a write in the same moment may be lost. So for processes of one machine prefer {@link layerFile}, for a fleet Redis.
 * A write that the `KeyValueStore` carries out late, after it was given up, can replace a newer token by an older one. The
 * process that wrote the newer one notices that when it reads, and writes it again; until then others are given the older
 * one, so do not keep a rotating refresh token of a fleet in such a store.
 *
 * Changes by other processes are not announced; a waiting process notices them by looking from time to time.
 *
 * The `KeyValueStore` decides who may read the entries. The one of `@effect/platform` over a file system writes files
 * that other users of the machine can read, unless the umask forbids it: use {@link layerFile}, or {@link encrypted}.
 *
 * @example
 * ```ts
 * import { KeyValueStore } from "@effect/platform"
 * import { Layer } from "effect"
 * import { TokenStore } from "effect-bearer"
 *
 * export const StoreLive = TokenStore.layerKeyValueStore.pipe(
 *   Layer.provide(KeyValueStore.layerStorage(() => globalThis.sessionStorage))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerKeyValueStore: Layer.Layer<tokenStore.TokenStore, never, KeyValueStore.KeyValueStore> = Layer.effect(
  tokenStore.TokenStore,
  keyValueStore.make
)

/**
 * A key for {@link encrypted}: 32 random bytes, as hexadecimal digits, base64 or base64url, or as bytes.
 *
 * @since 0.1.0
 * @category models
 */
export type KeyMaterial = Redacted.Redacted<string> | Redacted.Redacted<Uint8Array>

/**
 * A key with a name. The name is stored beside every token that is sealed with the key.
 *
 * @since 0.1.0
 * @category models
 */
export interface NamedKey {
  /** 1 to 64 letters, digits, `-` or `_`. */
  readonly id: string
  readonly key: KeyMaterial
}

/**
 * The keys of a store while a new key replaces an old one. A key without a name is named by the first 8 hexadecimal
 * digits of its SHA-256.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyRing {
  /** The key that seals every token that is stored from now on. */
  readonly current: KeyMaterial | NamedKey
  /** Keys that open tokens that were sealed before. Default: none. */
  readonly previous?: ReadonlyArray<KeyMaterial | NamedKey> | undefined
}

/**
 * The forms in which {@link encrypted} takes keys.
 *
 * @since 0.1.0
 * @category models
 */
export type Keys = KeyMaterial | NamedKey | KeyRing

/**
 * The result of {@link encrypted}: it seals the layer of a store, or a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Encrypted<E, R> {
  <A extends tokenStore.Service | Layer.Layer<tokenStore.TokenStore, unknown, unknown>>(
    store: A
  ): A extends Layer.Layer<infer _, infer E2, infer R2>
    ? Layer.Layer<tokenStore.TokenStore, InvalidConfiguration | E | E2, R | R2>
    : Effect.Effect<tokenStore.Service, InvalidConfiguration | E, R>
}

/**
 * Seals every token a store keeps (AES-256-GCM, by WebCrypto), so that a person who can read the store, or a copy of
 * it, gets no token. The keys may come from an effect, such as a `Config` or a `Secret`; it is run once, when the layer
 * is built.
 *
 * **Details**
 *
 * Only the times of a token stay readable, because stores need them; they are inside the envelope as well, and the
 * times outside can shorten a token's life but never lengthen it. A store may move a token's times later to fit the
 * clock of the machine that reads it, by five minutes at most: machines whose clocks differ by more do not share sealed
 * tokens. An envelope is bound to its place: it does not open under another key of the store. An envelope that was
 * changed, moved or given other times, or whose key is not known, is a `StoreError` of reason `"unreadable"`; a source
 * publishes an event and goes on as if there were no token.
 *
 * A person who can write to a store can still remove tokens, put earlier ones back, and hold leases: that costs token
 * requests, and may spend a refresh token twice.
 *
 * A process without the key cannot read sealed tokens, and a process with the key does not read tokens that are not
 * sealed: while some processes have the key and others do not, each kind replaces the tokens of the other. So turn
 * sealing on, or off, everywhere at once, or change the prefix of the store at the same time. A refresh token that
 * `RefreshToken.shared` keeps there is not replaced, because it may be the only one: if it is unreadable, the error is
 * an `InvalidConfiguration`. Carry it over first: `load` it through the store without the change, and `save` it through
 * the store with the change.
 *
 * To change the key of a fleet: add the new one to `previous` everywhere, then make it `current` and the old one
 * `previous`, and when the longest-lived token has expired, drop the old one.
 *
 * An effect that yields the keys is run while the layer is built, and has no limit of time but its own.
 *
 * Fails with `InvalidConfiguration`, which shows nothing of a key, for a key that can't be decoded or is not 32 bytes
 * long, for an id of other characters, and for two keys of the same id.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Config, Layer } from "effect"
 * import { TokenStore } from "effect-bearer"
 *
 * // openssl rand -base64 32
 * export const StoreLive = TokenStore.layerFile({ directory: "/var/lib/my-app/tokens" }).pipe(
 *   TokenStore.encrypted(Config.redacted("TOKEN_STORE_KEY")),
 *   Layer.provide(NodeContext.layer)
 * )
 *
 * export const rotating = TokenStore.encrypted(
 *   Config.all({
 *     current: Config.redacted("TOKEN_STORE_KEY"),
 *     previous: Config.all([Config.redacted("TOKEN_STORE_KEY_OLD")])
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const encrypted = <E = never, R = never>(keys: Keys | Effect.Effect<Keys, E, R>): Encrypted<E, R> => {
  const ring = Effect.flatMap(
    Effect.isEffect(keys) ? Settings.readable(keys, "keys") : Effect.succeed(keys),
    sealedKeys.make
  )
  const sealed = (store: tokenStore.Service) => Effect.map(ring, (keys) => sealedStore.make(store, keys))
  const seal = (self: tokenStore.Service | Layer.Layer<tokenStore.TokenStore>) =>
    "get" in self
      ? sealed(self)
      : Layer.provide(Layer.effect(tokenStore.TokenStore, Effect.flatMap(tokenStore.TokenStore, sealed)), self)
  return seal as Encrypted<E, R>
}

/**
 * A new random key for {@link encrypted}, in base64url.
 *
 * @example
 * ```ts
 * import { Console, Effect, Redacted } from "effect"
 * import { TokenStore } from "effect-bearer"
 *
 * // run once, and keep what it prints where your secrets are
 * export const program = Effect.flatMap(TokenStore.generateKey, (key) => Console.log(Redacted.value(key)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const generateKey: Effect.Effect<Redacted.Redacted> = sealedKeys.generate

/**
 * The text form of a token at rest, for stores of your own. It holds the token in the clear, and leaves its refresh
 * token out: refresh tokens have a store of their own. Members of `extra` that JSON cannot hold (a circle, a big integer,
 * thousands of levels) are left out as well.
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
 * The inverse of {@link encodeToken}; on the left the problem with the text, without showing any of the text.
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
