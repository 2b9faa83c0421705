// Settings for the calls inside one effect: another token request, or no token.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { InvalidConfiguration } from "../../values/TokenError.js"
import * as TokenError from "../../values/TokenError.js"
import type { TokenRequest } from "../../values/TokenRequest.js"
import * as Origins from "./origins.js"

/** The calls that an override applies to: those to some origins, or those of one client. */
export type Target =
  | {
    /** The override applies to requests to these origins. */
    readonly origins: ReadonlyArray<string | URL>
    readonly client?: undefined
  }
  | {
    /**
     * The override applies to requests of this client: the one that `BearerAuth.withBearer` returned, or the
     * `HttpClient` that `BearerAuth.layer` provides, before anything was put around it.
     */
    readonly client: object
    readonly origins?: undefined
  }

/**
 * A setting for the calls of one effect.
 *
 * **The rule.** An override belongs to the origins or to the client that it names. An override that names neither
 * belongs to the first client whose call it changes, but never to a client that has nothing to do with its audience and
 * resource if another client of the same source is for them. Every other client ignores the override.
 */
export interface Override {
  readonly what: TokenRequest | "skip"
  /** The named origins, or the problem with them. */
  readonly origins: Either.Either<Origins.Origins, InvalidConfiguration> | undefined
  /** The named client, or the client that took an override without a target. */
  owner: Client | undefined
  readonly named: boolean
  /** The override around this one, which may belong to another client. */
  readonly outer: Override | undefined
}

/** A client with a bearer, as overrides know it. */
export interface Client {
  readonly origins: ReadonlyArray<string>
  /** What the client's tokens are for: audience, resource and the origins themselves. */
  readonly purposes: ReadonlySet<string>
  /** The purposes of all clients of the same source, and the origins of those clients. */
  readonly known: Map<string, ReadonlyArray<string>>
}

const knownOf = new WeakMap<object, Map<string, ReadonlyArray<string>>>()
const clients = new WeakMap<object, Client>()

/**
 * How many purposes are remembered: a program has a few, and a program that generates audiences must not fill the
 * memory.
 */
const mostPurposes = 1000

/** A client of `source` whose own calls are for the audience and resource of `own`. */
export const makeClient = (
  source: object,
  origins: ReadonlyArray<string>,
  own: TokenRequest
): Client => {
  let known = knownOf.get(source)
  if (known === undefined) knownOf.set(source, known = new Map())
  const purposes = new Set([...purposesOf(own), ...origins])
  for (const purpose of purposes) {
    if (!known.has(purpose) && known.size < mostPurposes) known.set(purpose, origins)
  }
  return { origins, purposes, known }
}

/** Lets an override name the client by the `HttpClient` that the program has. */
export const register = <A extends object>(httpClient: A, client: Client): A => {
  clients.set(httpClient, client)
  return httpClient
}

/** Audience and resource as they are, and the origins of those values that are URLs (RFC 8707 §2). */
const purposesOf = (request: TokenRequest): ReadonlyArray<string> =>
  [...request.audience, ...request.resource].flatMap((name) => {
    const origin = Origins.originOf(name)
    return origin === undefined || origin === "null" ? [name] : [name, origin]
  })

/** The origins that an override without a target must be meant for, if `client` has nothing to do with them. */
const isForOthers = (
  what: Override["what"],
  { known, origins, purposes }: Client
): ReadonlyArray<string> | undefined => {
  if (what === "skip") return undefined
  const wanted = purposesOf(what)
  if (wanted.some((purpose) => purposes.has(purpose))) return undefined
  return wanted.map((purpose) => known.get(purpose)).find((others) =>
    others !== undefined && !others.some((origin) => origins.includes(origin))
  )
}

class PerCall extends Context.Reference<PerCall>()("effect-bearer/BearerAuth/PerCall", {
  defaultValue: (): Override | undefined => undefined
}) {}

/** The innermost override. The default is undefined, so the map itself answers: Context.get would build a default. */
export const current = (context: Context.Context<never>): Override | undefined => context.unsafeMap.get(PerCall.key)

/** Applies the override to the calls of `self`. Each run of `self` chooses the client anew. */
export const provide = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  what: TokenRequest | "skip",
  target: Target | undefined
): Effect.Effect<A, E, R> => {
  const { origins, owner } = settle(target)
  return Effect.mapInputContext(self, (context: Context.Context<R>) =>
    Context.add(context, PerCall, {
      what,
      origins,
      owner,
      named: owner !== undefined,
      outer: current(context as Context.Context<never>)
    }) as Context.Context<R>)
}

const settle = (target: Target | undefined): Pick<Override, "origins" | "owner"> => {
  if (target === undefined) return { origins: undefined, owner: undefined }
  if (target.client === undefined) return { origins: Origins.makeSelection(target.origins), owner: undefined }
  const owner = clients.get(target.client)
  return owner !== undefined && target.origins === undefined
    ? { origins: undefined, owner }
    : { origins: Either.left(misnamed), owner: undefined }
}

const misnamed = new TokenError.InvalidConfiguration({
  fields: ["client"],
  detail:
    "an override names either origins, or a client as BearerAuth.withBearer or BearerAuth.layer gave it, before " +
    "anything was put around it."
})

/** Clients inside a skipped client count as part of it: they add no token either. */
export const skipInside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, PerCall, {
    what: "skip",
    origins: Either.right(everywhere),
    owner: undefined,
    named: false,
    outer: undefined
  })

const everywhere: Origins.Origins = { list: [], check: () => "allowed" }

/** What an override means for one call. */
export interface Found {
  readonly what: TokenRequest | "skip" | undefined
  /** Why this client ignores an override without a target, if that override belongs to another client. */
  readonly taken: string | undefined
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
  let taken: string | undefined
  for (let override: Override | undefined = first; override !== undefined; override = override.outer) {
    if (!bearing && override.what !== "skip") continue
    if (override.origins !== undefined) {
      if (Either.isLeft(override.origins)) return Either.left(override.origins.left)
      if (override.origins.right.check(url) !== "allowed") continue
    } else {
      const others = override.owner === undefined ? isForOthers(override.what, client) : undefined
      if (others !== undefined) {
        taken ??= explain(override, client, `has the audience or the resource of the client for ${others.join(", ")}`)
        continue
      }
      override.owner ??= client
      if (override.owner !== client) {
        if (!override.named) {
          taken ??= explain(
            override,
            client,
            `was taken by the client for ${override.owner.origins.join(", ")}, which was called first`
          )
        }
        continue
      }
    }
    return Either.right({ what: override.what, taken })
  }
  return Either.right(taken === undefined ? nothing : { what: undefined, taken })
}

/** The warning for a program that calls a second client under an override without a target. */
const explain = (override: Override, client: Client, reason: string): string =>
  `an override by BearerAuth.${override.what === "skip" ? "skip" : "withRequest"} ${reason}, so the client for ` +
  `${client.origins.join(", ")} ignores it. Where an effect calls several clients, name the origins that the ` +
  "override is for."
