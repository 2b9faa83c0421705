import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { InvalidConfiguration } from "../TokenError.js"
import type { TokenRequest } from "../TokenRequest.js"
import * as Origins from "./origins.js"

/** What an override is for. */
export interface Target {
  /** The origins whose requests it concerns. */
  readonly origins: ReadonlyArray<string | URL>
}

/**
 * A setting for the calls of one effect.
 *
 * **The rule.** An override belongs to the origins that it names or, where it names none, to the one client that it
 * made a difference to first. To every other client it does not exist.
 */
export interface Override {
  readonly what: TokenRequest | "skip"
  readonly origins: Either.Either<Origins.Origins, InvalidConfiguration> | undefined
  /** The client that took an override without origins. */
  owner: Client | undefined
  /** The override around this one: each is for its own client. */
  readonly outer: Override | undefined
}

/** A client with a bearer, as overrides know it. */
export interface Client {
  readonly origins: ReadonlyArray<string>
}

class PerCall extends Context.Reference<PerCall>()("effect-bearer/BearerAuth/PerCall", {
  defaultValue: (): Override | undefined => undefined
}) {}

/** The innermost override. The default is undefined, so the map itself answers: Context.get would build a default. */
export const current = (context: Context.Context<never>): Override | undefined => context.unsafeMap.get(PerCall.key)

/** Applies to the calls of `self`, every time it is run to one client anew. */
export const provide = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  what: TokenRequest | "skip",
  target: Target | undefined
): Effect.Effect<A, E, R> => {
  const origins = target === undefined ? undefined : Origins.makeSelection(target.origins)
  return Effect.mapInputContext(self, (context: Context.Context<R>) =>
    Context.add(context, PerCall, {
      what,
      origins,
      owner: undefined,
      outer: current(context as Context.Context<never>)
    }) as Context.Context<R>)
}

/** The clients inside a client that was skipped are part of it: they add no token of theirs. */
export const skipInside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, PerCall, {
    what: "skip",
    origins: Either.right(everywhere),
    owner: undefined,
    outer: undefined
  })

const everywhere: Origins.Origins = { list: [], check: () => "allowed" }

/** What an override means for one call. */
export interface Found {
  readonly what: TokenRequest | "skip" | undefined
  /** An override without origins that another client had taken before. */
  readonly taken: Override | undefined
}

const nothing: Found = { what: undefined, taken: undefined }

/**
 * The innermost override that concerns a call of `client` to `url`. `bearing`: the call would carry a token;
 * otherwise only `skip` makes a difference.
 */
export const find = (
  first: Override,
  client: Client,
  url: string,
  bearing: boolean
): Either.Either<Found, InvalidConfiguration> => {
  let taken: Override | undefined
  for (let override: Override | undefined = first; override !== undefined; override = override.outer) {
    if (!bearing && override.what !== "skip") continue
    if (override.origins !== undefined) {
      if (Either.isLeft(override.origins)) return Either.left(override.origins.left)
      if (override.origins.right.check(url) !== "allowed") continue
    } else {
      override.owner ??= client
      if (override.owner !== client) {
        taken ??= override
        continue
      }
    }
    return Either.right({ what: override.what, taken })
  }
  return Either.right(taken === undefined ? nothing : { what: undefined, taken })
}

/** What to tell who calls a second client under an override without origins. */
export const explain = (taken: Override, client: Client): string =>
  `an override by BearerAuth.${taken.what === "skip" ? "skip" : "withRequest"} was taken by the client for ` +
  `${taken.owner?.origins.join(", ")}, which was called first, so the client for ${client.origins.join(", ")} ` +
  "ignores it. Where an effect calls several clients, name the origins that the override is for."
