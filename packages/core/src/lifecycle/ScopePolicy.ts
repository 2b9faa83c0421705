/**
 * What to do when the scopes granted are not those requested, and when too much is requested.
 *
 * @since 0.1.0
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as scopeNames from "../values/scopeNames.js"
import * as Scopes from "../values/Scopes.js"
import * as TokenError from "../values/TokenError.js"
import { TokenEvent } from "../values/TokenEvent.js"
import * as TokenRequest from "../values/TokenRequest.js"
import * as pipeline from "./pipeline.js"
import * as source from "./source.js"

/**
 * The settings of {@link enforce}; all optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<
  Missing extends "report" | "fail" = "report" | "fail",
  OverBroad extends "allow" | "report" | "reject" = "allow" | "report" | "reject"
> {
  /**
   * When a token comes without a scope that is demanded: publish `ScopeDrift` and hand it out all the same
   * (`"report"`, the default), or publish and fail with `ScopeNotGranted` (`"fail"`).
   */
  readonly missing?: Missing | undefined
  /**
   * What is demanded, if it is not simply everything requested. `*` stands for one or more characters: `analytics:*` is
   * met by any one granted scope that starts with `analytics:`. A regular expression is met by any granted scope in
   * which it is found.
   */
  readonly required?: Scopes.Input | ReadonlyArray<string | RegExp> | undefined
  /**
   * When a scope of `broad` is requested, or granted without having been requested: nothing (`"allow"`), publish
   * `OverBroadScope` (`"report"`, the default), or fail with `InvalidConfiguration` (`"reject"`): before any request
   * is sent if the scope is among those requested, and instead of handing out the token otherwise.
   */
  readonly overBroad?: OverBroad | undefined
  /**
   * Scopes that are too wide. Strings are compared as they are, without regard to case: a `*` stands for itself.
   * Default `*`, `*:*` and `admin:*`.
   */
  readonly broad?: ReadonlyArray<string | RegExp> | undefined
}

/**
 * How {@link enforce} can fail with given options.
 *
 * @since 0.1.0
 * @category models
 */
export type Failure<Missing, OverBroad> =
  | (Missing extends "fail" ? TokenError.ScopeNotGranted : never)
  | (OverBroad extends "reject" ? TokenError.InvalidConfiguration : never)

/**
 * How the scopes granted differ from those requested.
 *
 * @since 0.1.0
 * @category models
 */
export interface Comparison {
  /** Requested and not granted, renamed ones included. */
  readonly missing: Scopes.Scopes
  /** Granted and not requested, renamed ones included. */
  readonly extra: Scopes.Scopes
  /** Missing ones that seem to be there under another spelling: in case or in punctuation only. */
  readonly renamed: ReadonlyArray<{ readonly requested: string; readonly granted: string }>
}

/**
 * Scopes that {@link enforce} holds to be too wide by default.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultBroad: ReadonlyArray<string> = ["*", "*:*", "admin:*"]

/**
 * Compares what was requested with what was granted. A granted wildcard, such as `analytics:*`, covers what it
 * matches.
 *
 * **Example** (A renamed scope)
 *
 * ```ts
 * import { ScopePolicy, Scopes } from "effect-bearer"
 *
 * // renamed: [{ requested: "users:read", granted: "Users.Read" }]
 * ScopePolicy.compare(Scopes.make("users:read billing:read"), Scopes.make("Users.Read billing:read"))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const compare = (requested: Scopes.Scopes, granted: Scopes.Scopes): Comparison => {
  const patterns = granted.filter((scope) => scope.includes("*"))
  const missing = Scopes.make(
    Scopes.missing(requested, granted).filter((scope) => !patterns.some((have) => scopeNames.covers(have, scope)))
  )
  return {
    missing,
    extra: Scopes.missing(granted, requested),
    renamed: scopeNames.renamed(missing, requested, granted)
  }
}

/**
 * Compares the scopes of every token with those requested, and looks for requests that are too wide. By default it only
 * tells of what it finds; `missing: "fail"` and `overBroad: "reject"` fail. In a pipeline its name is
 * `TokenSource.enforceScopes`.
 *
 * **Details**
 *
 * Put it before `TokenSource.cached`: it looks at tokens when they are fetched, not when they are served. A failure
 * names the missing scopes, and those of them that were only renamed. With `required`, other requested scopes that are
 * missing are reported and do not fail. Without requested or required scopes there is nothing to compare: the server
 * decided.
 *
 * **Example** (Nothing but analytics matters)
 *
 * ```ts
 * import type { TokenError, TokenSource } from "effect-bearer"
 * import { ScopePolicy } from "effect-bearer"
 *
 * declare const tokens: TokenSource.With<TokenError.OAuthError>
 *
 * //      ┌─── TokenSource.With<OAuthError | ScopeNotGranted>
 * //      ▼
 * const checked = tokens.pipe(ScopePolicy.enforce({ missing: "fail", required: "analytics:*" }))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const enforce = <
  Missing extends "report" | "fail" = "report",
  OverBroad extends "allow" | "report" | "reject" = "report"
>(
  options: Options<Missing, OverBroad> = {}
): <S extends pipeline.Input>(
  self: S
) => pipeline.Mapped<S, source.With<pipeline.ErrorOf<S> | Failure<Missing, OverBroad>>> => {
  const demanded = options.required === undefined ? undefined : demands(options.required)
  const tooWide = broadIn(options.broad ?? defaultBroad)
  const overBroad: "allow" | "report" | "reject" = options.overBroad ?? "report"

  const enforced = <E>(self: source.With<E>): source.With<E | Failure<Missing, OverBroad>> => {
    const { defaults } = source.hooks(self)
    const tell = source.telling(self)

    return source.mapRequests(self, (effect, request) => {
      const { scopes: requested } = TokenRequest.withDefaults(request, defaults)
      const wide = overBroad === "allow" ? Scopes.empty : tooWide(requested)
      const before: Effect.Effect<void, TokenError.InvalidConfiguration> = wide.length === 0
        ? Effect.void
        : overBroad === "reject"
        ? Effect.fail(tooBroad(wide, "was asked for. Ask for the scopes that are needed."))
        : tell(request, (common) => TokenEvent.OverBroadScope({ ...common, scopes: wide }))

      const checked = Effect.tap(effect, ({ scopes: granted }): Effect.Effect<void, Failure<"fail", "reject">> => {
        const drift = compare(requested, granted).missing
        const lacking = demanded === undefined
          ? drift
          : names(demanded.filter((demand) => !granted.some(demand.isMetBy)).map((demand) => demand.name))
        const unasked = overBroad === "allow" ? Scopes.empty : Scopes.missing(tooWide(granted), wide)
        const missing = names([...drift, ...lacking])

        const report = Effect.zipRight(
          unasked.length === 0
            ? Effect.void
            : tell(request, (common) => TokenEvent.OverBroadScope({ ...common, scopes: unasked })),
          missing.length === 0
            ? Effect.void
            : tell(request, (common) => TokenEvent.ScopeDrift({ ...common, requested, granted, missing }))
        )
        if (overBroad === "reject" && unasked.length > 0) {
          return Effect.zipRight(
            report,
            Effect.fail(
              tooBroad(unasked, "was granted without being asked for. Take it from the client at the server.")
            )
          )
        }
        return options.missing === "fail" && lacking.length > 0
          ? Effect.zipRight(
            report,
            Effect.fail(
              new TokenError.ScopeNotGranted({
                requested,
                granted,
                missing: lacking,
                renamed: scopeNames.renamed(lacking, requested, granted)
              })
            )
          )
          : report
      })

      return Effect.zipRight(before, checked) as Effect.Effect<
        Effect.Effect.Success<typeof effect>,
        E | Failure<Missing, OverBroad>
      >
    })
  }
  return (self) => pipeline.map(self, enforced)
}

const tooBroad = (scopes: Scopes.Scopes, what: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({
    fields: ["scopes"],
    detail: `${scopes.join(", ")} is wider than the scope policy allows and ${what}`
  })

/** Like `Scopes.make`, but nothing is split: the source of an expression may hold a comma. */
const names = (values: ReadonlyArray<string>): Scopes.Scopes => Data.array(Array.from(new Set(values)).sort())

interface Demand {
  readonly name: string
  readonly isMetBy: (scope: string) => boolean
}

const demands = (required: Scopes.Input | ReadonlyArray<string | RegExp>): ReadonlyArray<Demand> => {
  const all: ReadonlyArray<string | RegExp> = typeof required === "string" ? [required] : Array.from(required)
  return [
    ...Scopes.make(all.filter((entry) => typeof entry === "string")).map((pattern) => ({
      name: pattern,
      isMetBy: (scope: string) => scopeNames.covers(pattern, scope)
    })),
    ...all.filter((entry) => typeof entry !== "string").map((expression) => ({
      name: String(expression),
      isMetBy: (scope: string) => scope.search(expression) !== -1
    }))
  ]
}

const broadIn = (broad: ReadonlyArray<string | RegExp>) => {
  const literal = new Set(broad.filter((entry) => typeof entry === "string").map((entry) => entry.toLowerCase()))
  const patterns = broad.filter((entry) => typeof entry !== "string")
  return (scopes: Scopes.Scopes): Scopes.Scopes =>
    Scopes.make(scopes.filter((scope) =>
      // `search`, unlike `test`, keeps no state in the expression
      literal.has(scope.toLowerCase()) || patterns.some((pattern) => scope.search(pattern) !== -1)
    ))
}
