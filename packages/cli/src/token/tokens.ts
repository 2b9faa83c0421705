/**
 * The source of a profile's tokens as a command uses it: with the store of the configuration, or the user's own folder, so
 * that the next run finds what this one has got.
 */
import * as ProfileSource from "@effect-bearer/broker/ProfileSource"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as TokenError from "effect-bearer/TokenError"
import type * as TokenSource from "effect-bearer/TokenSource"
import * as TokenStore from "effect-bearer/TokenStore"
import type { Services } from "../services.js"
import type { Environment } from "../settings/places.js"
import { tokenFolder } from "../settings/places.js"
import type { Chosen } from "../settings/settings.js"
import * as removals from "./removals.js"

const services = Effect.context<Services>()

/** Opens the store; where the user's own folder cannot be used, says so and does without. */
const openStore = (
  chosen: Chosen,
  environment: Environment,
  say: (text: string) => Effect.Effect<void>
): Effect.Effect<
  Context.Context<TokenStore.TokenStore> | Context.Context<never>,
  TokenError.InvalidConfiguration,
  Services | Scope.Scope
> =>
  chosen.store === undefined
    ? Layer.build(TokenStore.layerFile({ directory: tokenFolder(environment) })).pipe(
      Effect.catchAll((error) =>
        Effect.as(say(`The token is not kept for the next run. ${error.message}`), Context.empty())
      )
    )
    : Layer.build(ProfileSource.layerStore(chosen.store))

/** The source of the tokens of `chosen`. */
export const open = (
  chosen: Chosen,
  options: {
    readonly environment: Environment
    readonly say: (text: string) => Effect.Effect<void>
    readonly renewAhead?: boolean | undefined
    /** Called for each token that was kept and is removed from the store. */
    readonly onRemoved?: (() => void) | undefined
  }
): Effect.Effect<TokenSource.With<TokenError.TokenError>, TokenError.InvalidConfiguration, Services | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* services
    const opened = yield* openStore(chosen, options.environment, options.say)
    const { onRemoved } = options
    const store = onRemoved === undefined ? opened : Option.match(Context.getOption(opened, TokenStore.TokenStore), {
      onNone: () => opened,
      onSome: (store) => Context.make(TokenStore.TokenStore, removals.watch(store, onRemoved))
    })
    return yield* ProfileSource.make(chosen.name, chosen.profile, { renewAhead: options.renewAhead ?? false }).pipe(
      Effect.provide(Context.merge(context, store))
    )
  })
