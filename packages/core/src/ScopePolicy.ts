/**
 * What to do when the scopes granted are not those requested, and when too much is requested.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as source from "./internal/source.js"
import * as Scopes from "./Scopes.js"
import * as TokenError from "./TokenError.js"
import { TokenEvent } from "./TokenEvent.js"
import * as TokenRequest from "./TokenRequest.js"

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
   * What is demanded, if it is not simply everything requested. `*` stands for one or more characters:
   * `analytics:*` is met by any one granted scope that starts with `analytics:`.
   */
  readonly required?: Scopes.Input | undefined
  /**
   * When a scope of `broad` is requested: nothing (`"allow"`), publish `OverBroadScope` (`"report"`, the default),
   * or fail with `InvalidConfiguration` before any request is sent (`"reject"`).
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
  const missing = Scopes.make(requested.filter((scope) => !granted.some((have) => covers(have, scope))))
  const extra = Scopes.missing(granted, requested)
  return {
    missing,
    extra,
    renamed: missing.flatMap((scope) =>
      extra
        .filter((candidate) => bare(candidate) === bare(scope))
        .map((candidate) => ({ requested: scope, granted: candidate }))
    )
  }
}

/**
 * Compares the scopes of every token with those requested, and looks for requests that are too wide.
 *
 * **Details**
 *
 * Put it before `TokenSource.cached`: it looks at tokens when they are fetched, not when they are served. A failure
 * names what is missing; `compare(error.requested, error.granted)` tells what was merely renamed. With `required`,
 * other requested scopes that are missing are reported and do not fail. Without requested or required scopes there is
 * nothing to compare: the server decided.
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
): <E>(self: source.With<E>) => source.With<E | Failure<Missing, OverBroad>> => {
  const required = options.required === undefined ? undefined : Scopes.make(options.required)
  const tooWide = broadIn(options.broad ?? defaultBroad)
  const overBroad: "allow" | "report" | "reject" = options.overBroad ?? "report"

  return <E>(self: source.With<E>): source.With<E | Failure<Missing, OverBroad>> => {
    const { defaults, publish } = source.hooks(self)

    return source.mapRequests(self, (effect, request) => {
      const { scopes: requested } = TokenRequest.withDefaults(request, defaults)
      const tell = (event: (common: { readonly key: string; readonly at: number }) => TokenEvent) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => publish(event({ key: TokenRequest.hash(request), at })))

      const wide = overBroad === "allow" ? Scopes.empty : tooWide(requested)
      const before: Effect.Effect<void, TokenError.InvalidConfiguration> = wide.length === 0
        ? Effect.void
        : overBroad === "reject"
        ? Effect.fail(
          new TokenError.InvalidConfiguration({
            fields: ["scopes"],
            detail: `${wide.join(", ")} is wider than the scope policy allows. Ask for the scopes that are needed.`
          })
        )
        : tell((common) => TokenEvent.OverBroadScope({ ...common, scopes: wide }))

      const checked = Effect.tap(effect, ({ scopes: granted }): Effect.Effect<void, TokenError.ScopeNotGranted> => {
        const drift = compare(requested, granted).missing
        const lacking = required === undefined
          ? drift
          : Scopes.make(required.filter((pattern) => !granted.some((have) => covers(pattern, have))))
        const unasked = overBroad === "allow" ? Scopes.empty : Scopes.missing(tooWide(granted), wide)
        const missing = Scopes.make([...drift, ...lacking])

        const report = Effect.zipRight(
          unasked.length === 0
            ? Effect.void
            : tell((common) => TokenEvent.OverBroadScope({ ...common, scopes: unasked })),
          missing.length === 0
            ? Effect.void
            : tell((common) => TokenEvent.ScopeDrift({ ...common, requested, granted, missing }))
        )
        return options.missing === "fail" && lacking.length > 0
          ? Effect.zipRight(
            report,
            Effect.fail(new TokenError.ScopeNotGranted({ requested, granted, missing: lacking }))
          )
          : report
      })

      return Effect.zipRight(before, checked) as Effect.Effect<
        Effect.Effect.Success<typeof effect>,
        E | Failure<Missing, OverBroad>
      >
    })
  }
}

/** Whether a scope that may hold wildcards stands for another. */
const covers = (pattern: string, scope: string): boolean => {
  if (pattern === scope) return true
  if (!pattern.includes("*")) return false
  const [head = "", ...rest] = pattern.split("*")
  if (!scope.startsWith(head)) return false
  // every part after a wildcard is looked for as far left as it can be, the last one at the very end
  let at = head.length
  for (const [index, part] of rest.entries()) {
    const from = at + 1
    const found = index === rest.length - 1 ? scope.length - part.length : scope.indexOf(part, from)
    if (found < from || !scope.startsWith(part, found)) return false
    at = found + part.length
  }
  return true
}

/** Letters and digits only, in lower case. */
const bare = (scope: string): string => scope.toLowerCase().replace(/[^\p{L}\p{N}*]/gu, "")

const broadIn = (broad: ReadonlyArray<string | RegExp>) => {
  const literal = new Set(broad.filter((entry) => typeof entry === "string").map((entry) => entry.toLowerCase()))
  const patterns = broad.filter((entry) => typeof entry !== "string")
  return (scopes: Scopes.Scopes): Scopes.Scopes =>
    Scopes.make(scopes.filter((scope) =>
      // `search`, unlike `test`, keeps no state in the expression
      literal.has(scope.toLowerCase()) || patterns.some((pattern) => scope.search(pattern) !== -1)
    ))
}
