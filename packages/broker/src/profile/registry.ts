/**
 * The profiles that run, each with its sources in a scope of its own.
 *
 * **The rule.** A new configuration takes the place of the old one as a whole, in one step, or not at all. A profile that
 * has not changed keeps its sources and their tokens; one that has gone ends when nobody uses it any more.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TokenError from "effect-bearer/TokenError"
import type { Config } from "../BrokerConfig.js"
import { Profile } from "../BrokerConfig.js"
import type { ReadSecret, Sources } from "./source.js"
import * as source from "./source.js"

/** A profile and its sources. */
export interface Running extends Sources {
  readonly name: string
  readonly config: Profile
  /** Its sources end with it, when no request uses them any more. */
  readonly scope: Scope.CloseableScope
  /** What the profile does by itself, such as writing its file, ends with it: at once when another takes its place. */
  readonly inForce: Scope.CloseableScope
  /** The configuration as text: two that are equal are the same profile. */
  readonly text: string
}

export interface Registry {
  readonly get: (name: string) => Running | undefined
  readonly all: () => ReadonlyArray<Running>
  /**
   * Puts the profiles of a configuration in place of the present ones, and does `swap` in the same step; gives those that
   * are new.
   */
  readonly apply: (
    config: Config,
    readSecret: ReadSecret,
    swap?: () => void
  ) => Effect.Effect<ReadonlyArray<Running>, TokenError.InvalidConfiguration>
}

/** How long a request may still use a removed profile: its wait, and the token request under way. */
const patience = (profile: Profile): Duration.Duration =>
  Duration.sum(Duration.sum(profile.wait, profile.timeout), Duration.seconds(1))

/**
 * What a profile does by itself may hang, such as writing its file: then neither the next configuration nor the end of the
 * broker waits for its end.
 */
const longestEnd = Duration.seconds(5)

/** Does something for as long as the scope is open. */
export const during = <R>(
  scope: Scope.Scope,
  work: Effect.Effect<unknown, never, R>
): Effect.Effect<void, never, R> =>
  Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(work)), (fiber) =>
    Scope.addFinalizer(
      scope,
      Effect.timeoutOption(Effect.interruptible(Effect.disconnect(Fiber.interrupt(fiber))), longestEnd)
    )))

const textOf = Schema.encodeSync(Schema.parseJson(Profile))

export const make: Effect.Effect<Registry, never, HttpClient.HttpClient | Scope.Scope> = Effect.gen(function*() {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<HttpClient.HttpClient>()
  const lock = yield* Effect.makeSemaphore(1)
  let running: ReadonlyMap<string, Running> = new Map()

  const begin = (name: string, config: Profile, text: string, readSecret: ReadSecret) =>
    Effect.gen(function*() {
      const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const sources = yield* source.make(name, config, readSecret).pipe(
        // in this order: the context has a scope of its own, in which a source would live as long as the broker
        Scope.extend(own),
        Effect.provide(context),
        Effect.annotateLogs("profile", name),
        Effect.tagMetrics("source", name),
        Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))),
        Effect.mapError((error) =>
          new TokenError.InvalidConfiguration({
            fields: error.fields.map((field) => `profiles.${name}.${field}`),
            detail: error.detail
          })
        )
      )
      const inForce = yield* Scope.fork(own, ExecutionStrategy.sequential)
      return { ...sources, name, config, scope: own, inForce, text }
    })

  return {
    get: (name) => running.get(name),
    all: () => Array.from(running.values()),
    apply: (config, readSecret, swap = () => {}) =>
      Effect.gen(function*() {
        const next = new Map<string, Running>()
        const fresh: Array<Running> = []
        for (const [name, profile] of Object.entries(config.profiles)) {
          const text = textOf(profile)
          const present = running.get(name)
          if (present?.text === text) {
            next.set(name, present)
            continue
          }
          const started = yield* begin(name, profile, text, readSecret).pipe(
            // all or none
            Effect.onError((cause) =>
              Effect.forEach(fresh, (other) => Scope.close(other.scope, Exit.failCause(cause)), { discard: true })
            )
          )
          next.set(name, started)
          fresh.push(started)
        }
        const gone = Array.from(running.values()).filter((profile) => next.get(profile.name) !== profile)
        running = next
        swap()
        for (const profile of gone) {
          yield* Scope.close(profile.inForce, Exit.void).pipe(Effect.disconnect, Effect.timeoutOption(longestEnd))
          yield* Scope.close(profile.scope, Exit.void).pipe(
            Effect.delay(patience(profile.config)),
            Effect.interruptible,
            Effect.forkIn(scope)
          )
        }
        return fresh
      }).pipe(lock.withPermits(1))
  }
})
