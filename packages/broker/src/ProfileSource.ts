/**
 * The source of a profile by itself, for programs that use the configuration of a broker and are none: a command line, a
 * job. Tokens that such a program keeps in the store of the configuration are those of the brokers that share it.
 *
 * @since 0.1.0
 */

import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as ClientAuthentication from "effect-bearer/ClientAuthentication"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenSource from "effect-bearer/TokenSource"
import type * as TokenStore from "effect-bearer/TokenStore"
import type { Profile, SecretReference, Store } from "./BrokerConfig.js"
import * as secrets from "./config/secrets.js"
import * as source from "./profile/source.js"
import * as stores from "./profile/store.js"

type Services = FileSystem.FileSystem | HttpClient.HttpClient

/** The services are those of the program, whenever a secret is read. */
const reader: Effect.Effect<source.ReadSecret, never, Services> = Effect.map(
  Effect.context<Services>(),
  (context) => (reference: SecretReference) => Effect.provide(secrets.read(reference), context)
)

/**
 * The source of the profile `name`. It shares its tokens through the `TokenStore` of the context, if there is one, with
 * every broker that has a profile of this name with the same server, client and grant.
 *
 * @example
 * ```ts
 * import { NodeContext, NodeHttpClient } from "@effect/platform-node"
 * import { BrokerConfig, ProfileSource } from "@effect-bearer/broker"
 * import { Effect, Layer } from "effect"
 *
 * const token = Effect.gen(function*() {
 *   const config = yield* BrokerConfig.load("broker.yaml")
 *   const source = yield* ProfileSource.make("calls", config.profiles["calls"]!)
 *   return yield* source.get()
 * }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeContext.layer, NodeHttpClient.layerUndici)))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  name: string,
  profile: Profile,
  options: {
    /** Whether tokens are renewed ahead of need, as in a broker. Default `true`; a program that asks once needs it not. */
    readonly renewAhead?: boolean | undefined
  } = {}
): Effect.Effect<
  TokenSource.With<TokenError.TokenError>,
  TokenError.InvalidConfiguration,
  Services | Scope.Scope
> =>
  Effect.flatMap(reader, (read) => Effect.map(source.make(name, profile, read, options.renewAhead), ({ own }) => own))

/**
 * How the profile proves to its authorization server who it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const authentication = (
  profile: Profile
): Effect.Effect<ClientAuthentication.ClientAuthentication, TokenError.InvalidConfiguration, Services> =>
  Effect.flatMap(reader, (read) => source.authentication(profile, read))

/**
 * The store that a configuration names.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStore = (
  store: Store
): Layer.Layer<TokenStore.TokenStore, TokenError.InvalidConfiguration, Services | Path.Path> =>
  Layer.unwrapEffect(Effect.map(reader, (read) => stores.layer(store, read)))
