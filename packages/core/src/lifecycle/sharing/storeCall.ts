// Calls of a store, each with a limit of time.
//
// The rule: an operation of a store runs on a fiber of its own, and its caller waits with a time limit. After that
// limit the caller waits for nothing more, not even for the interruption: the operation may be in a region that cannot
// be interrupted (a pool, a driver), or never end. A late result changes nothing, and a late lease is given back. An
// answer is checked before it is used: an answer of the wrong shape is a failure of the store, not a defect of its
// caller.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Lease, Service } from "../../store/contract.js"
import { isStoreError, StoreError } from "../../store/contract.js"
import type { AccessToken } from "../../values/AccessToken.js"
import { isAccessToken } from "../../values/AccessToken.js"
import * as Disclosure from "../../wire/Disclosure.js"

/**
 * Runs `effect` on a fiber of its own. An interruption does not wait for that fiber; `abandoned` decides what becomes
 * of it.
 */
const apart = <A, E>(
  effect: Effect.Effect<A, E>,
  abandoned: (fiber: Fiber.RuntimeFiber<A, E>) => Effect.Effect<unknown>
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDaemon(restore(effect)),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.forkDaemon(abandoned(fiber)))
    )
  )

const unexpected = (operation: StoreError["operation"]): StoreError =>
  new StoreError({ operation, reason: "unavailable", detail: "it failed unexpectedly" })

const reasons: ReadonlySet<unknown> = new Set<StoreError["reason"]>(["unavailable", "timeout", "unreadable"])

/**
 * The part of a store's error that may be shown. The author of a store meant to leave secrets out, but a driver may
 * quote the value that was to be written, or that was read.
 */
export const told = (
  operation: StoreError["operation"],
  error: unknown,
  secrets: ReadonlyArray<Redacted.Redacted> = []
): StoreError => {
  if (!isStoreError(error)) return unexpected(operation)
  const { detail, reason } = error
  if (!reasons.has(reason) || typeof detail !== "string") return unexpected(operation)
  const texts = Disclosure.make(secrets, { keepsUuids: true })
  return new StoreError({ operation, reason, detail: texts.text(detail, 500) })
}

/**
 * Removes a token from the errors of an operation. The token is found by its value, not by its look, because a token
 * may look like plain words.
 */
const withoutToken = <A>(
  operation: "put" | "remove",
  { extra, refreshToken, value }: AccessToken,
  call: () => Effect.Effect<A, StoreError>,
  others: ReadonlyArray<Redacted.Redacted> = []
): Effect.Effect<A, StoreError> =>
  Effect.mapError(
    Effect.suspend(call),
    (error) =>
      told(operation, error, [
        ...others,
        value,
        ...Option.toArray(refreshToken),
        ...Object.entries(Redacted.value(extra)).flatMap(([name, text]) =>
          typeof text === "string" && Disclosure.isSecretName(name) ? [Redacted.make(text)] : []
        )
      ])
  )

/** Stores a token. `others` are further secrets inside it that its errors must not show. */
export const put = (
  store: Service,
  token: AccessToken,
  lease: Lease,
  others?: ReadonlyArray<Redacted.Redacted>
): Effect.Effect<boolean, StoreError> => withoutToken("put", token, () => store.put(token, lease), others)

export const remove = (store: Service, key: string, token: AccessToken): Effect.Effect<void, StoreError> =>
  withoutToken("remove", token, () => store.remove(key, token))

/**
 * Runs one operation of a store, which may be the user's own, may take any time and may fail in any way. It runs even
 * while the program is being stopped, so that a lease can be given back.
 */
export const run = <A>(
  operation: StoreError["operation"],
  call: () => Effect.Effect<A, StoreError>,
  /** Milliseconds. */
  timeout: number,
  abandoned: (fiber: Fiber.RuntimeFiber<A, StoreError>) => Effect.Effect<unknown> = Fiber.interrupt
): Effect.Effect<A, StoreError> =>
  apart(Effect.suspend(call), abandoned).pipe(
    Effect.timeoutFail({
      duration: timeout,
      onTimeout: () => new StoreError({ operation, reason: "timeout", detail: `no answer in ${timeout} ms` })
    }),
    // a defect of the store, or an interruption from inside, must not become a defect or an interruption of the caller
    Effect.catchAllCause((cause) =>
      Effect.fail(Option.match(Cause.failureOption(cause), {
        onNone: () => unexpected(operation),
        onSome: (error) => told(operation, error)
      }))
    ),
    Effect.interruptible,
    Effect.forkDaemon,
    Effect.flatMap(Fiber.join),
    Disclosure.unlogged
  )

const isMaybe = (u: unknown, isOne: (value: unknown) => boolean): boolean =>
  Option.isOption(u) && (Option.isNone(u) || isOne(u.value))

const isLease = (u: unknown): boolean =>
  Predicate.hasProperty(u, "key") && typeof u.key === "string" &&
  Predicate.hasProperty(u, "owner") && typeof u.owner === "string" &&
  Predicate.hasProperty(u, "fence") && typeof u.fence === "number"

/** What is stored under a key. */
export const get = (store: Service, key: string): Effect.Effect<Option.Option<AccessToken>, StoreError> =>
  Effect.filterOrFail(
    store.get(key),
    (stored) => isMaybe(stored, isAccessToken),
    () => new StoreError({ operation: "get", reason: "unreadable", detail: "what the store answered is no token" })
  )

/**
 * Asks for a lease. A lease that is granted after the time limit is given back: the request was sent and is often only
 * slow, so it is given as much time again. A lease that is granted even later ends by itself.
 */
export const acquire = (
  store: Service,
  key: string,
  /** Milliseconds, like the timeout. */
  length: number,
  timeout: number
): Effect.Effect<Option.Option<Lease>, StoreError> =>
  run("acquire", () => store.acquire(key, length), timeout, (fiber) =>
    Fiber.join(fiber).pipe(
      Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: store.release })),
      Effect.interruptible,
      Effect.timeout(timeout),
      Effect.ignore,
      Effect.zipRight(Fiber.interrupt(fiber))
    )).pipe(
      Effect.filterOrFail(
        (granted) => isMaybe(granted, isLease),
        () => new StoreError({ operation: "acquire", reason: "unavailable", detail: "what it answered is no lease" })
      )
    )

/**
 * Listens to the announcements of a store for as long as the scope is open. A store may announce nothing, stop, or fail
 * while it does, so a process that waits also looks from time to time. The closing of the scope does not wait for the
 * store.
 */
export const hear = (
  store: Service,
  heard: (key: string) => Effect.Effect<unknown>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => Stream.runForEach(store.changes, heard)).pipe(
    Effect.catchAllCause(() => Effect.void),
    Effect.interruptible,
    Effect.disconnect,
    Effect.interruptible,
    Effect.forkScoped,
    Effect.asVoid,
    Disclosure.unlogged
  )
