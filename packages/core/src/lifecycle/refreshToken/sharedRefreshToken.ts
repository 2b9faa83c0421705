// A rotating refresh token that several processes share, under a lock in the store.
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type { Lease, Service, StoreError } from "../../store/contract.js"
import { TokenStore } from "../../store/contract.js"
import { sealedType } from "../../store/storedToken.js"
import * as AccessToken from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import * as json from "../../values/json.js"
import * as random from "../../values/random.js"
import * as TokenError from "../../values/TokenError.js"
import * as checks from "../../wire/endpointChecks.js"
import { Bells } from "../sharing/bells.js"
import * as pollPace from "../sharing/pollPace.js"
import * as storeCall from "../sharing/storeCall.js"
import type { SharedOptions, Store, Stored } from "./contract.js"

type Failing<A> = Effect.Effect<A, TokenError.RequestError>

/** How often a waiting process tries to get the lock at first, in milliseconds. */
const firstPause = 250

/** A lease that is lost so many times while one record is written is too short for this store. */
const longestFight = 5

/** Makes an effect interruptible again within an uninterruptible region, if the caller was interruptible. */
type Restore = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** What is known while the lock is held. */
interface Session {
  lease: Lease
  /** The record in the store, if it has been read or written under this lease. */
  known: Option.Option<Stored> | undefined
  /**
   * Whether a record could not be stored. The lease is then kept, so that no other process uses the outdated record.
   */
  owes: boolean
}

/** A record that could not be stored, the record it was to replace, and the lease that was held then. */
interface Debt {
  readonly next: Stored
  readonly over: Option.Option<Stored>
  readonly lease: Lease
}

export const make = (options: SharedOptions): Effect.Effect<Store, TokenError.InvalidConfiguration, TokenStore> =>
  Effect.gen(function*() {
    const { key, lease: leaseTime, patience, retention, timeout } = yield* settle(options)
    const service = yield* TokenStore
    const Current = Context.GenericTag<Session>(`effect-bearer/RefreshToken/${random.randomId()}`)

    // --- one step of the store --------------------------------------------------------------------------------------

    const failing = <A>(operation: StoreError["operation"], call: Effect.Effect<A, StoreError>): Failing<A> =>
      Effect.mapError(
        call,
        ({ detail, reason }) =>
          reason === "unreadable"
            ? unreadable(key, detail)
            : unanswered(`it could not ${operation} (${reason}: ${detail}), and no refresh token is used without it`)
      )

    const ask = <A>(
      operation: StoreError["operation"],
      f: (store: Service) => Effect.Effect<A, StoreError>
    ): Failing<A> => failing(operation, storeCall.run(operation, () => f(service), timeout))

    const read: Failing<Option.Option<Stored>> = Effect.flatMap(
      ask("get", (store) => storeCall.get(store, key)),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (token) =>
          Effect.mapBoth(decode(token), {
            onFailure: () =>
              unreadable(
                key,
                token.tokenType === sealedType
                  ? "it is sealed, and this process has no key"
                  : "it is no record of a refresh token"
              ),
            onSuccess: Option.some
          })
      })
    )

    const put = (stored: Stored, lease: Lease): Failing<boolean> =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => ask("put", (store) => storeCall.put(store, encode(stored, now, retention), lease, [stored.token]))
      )

    const acquire = failing("acquire", storeCall.acquire(service, key, leaseTime, timeout))

    // the lease ends by itself if this fails
    const release = ({ lease }: Session): Effect.Effect<void> =>
      Effect.ignore(ask("release", (store) => store.release(lease)))

    // --- waiting ------------------------------------------------------------------------------------------------------

    const busy = unanswered(
      `others have held the lock of this refresh token for ${patience} ms; if each of them really takes that long, ` +
        "raise `patience`"
    )

    /** Waits for `sign`, at most for `pause`; true, without waiting, if the deadline has passed. */
    const isOver = (sign: Effect.Effect<void>, pause: number, deadline: number, restore: Restore) =>
      Effect.flatMap(clocks.now, ({ steady }) => {
        const left = deadline - steady
        return left <= 0 ? Effect.succeed(true) : Effect.as(
          // the time limit also holds for callers that cannot be interrupted
          restore(Effect.timeoutOption(Effect.interruptible(sign), Math.max(1, Math.min(pause, left)))),
          false
        )
      })

    const take = (deadline: number, restore: Restore): Failing<Lease> =>
      Effect.flatMap(
        acquire,
        Option.match({
          onNone: () => Effect.scoped(queueUp(deadline, restore)),
          onSome: Effect.succeed
        })
      )

    const queueUp = (deadline: number, restore: Restore) =>
      Effect.gen(function*() {
        const bell = yield* Queue.sliding<void>(1)
        yield* storeCall.hear(service, (changed) => changed === key ? Queue.offer(bell, undefined) : Effect.void)
        for (let turns = 0;; turns++) {
          const { pause } = yield* pollPace.pace(firstPause, turns)
          if (yield* isOver(Queue.take(bell), pause, deadline, restore)) return yield* Effect.fail(busy)
          const lease = yield* acquire
          if (Option.isSome(lease)) return lease.value
        }
      })

    // the fibers of this process queue up here, so that only one of them asks the store at a time
    const bells = new Bells()
    // a fiber that vanished with its runtime or its request must not keep its turn for ever: after so long the next
    // fiber that looks takes the turn
    const longestTurn = 2 * patience + leaseTime
    let holder: clocks.Period | undefined

    const inTurn = <A, E>(deadline: number, restore: Restore, use: Effect.Effect<A, E>) => {
      let mine: clocks.Period | undefined
      const leave = Effect.sync(() => {
        if (holder !== mine) return
        holder = undefined
        bells.ring(key)
      })
      return bells.at(key, (next) => {
        const turn: Effect.Effect<A, E | TokenError.RequestError> = Effect.flatMap(Effect.all([next, clocks.now]), ([
          rung,
          now
        ]) => {
          if (holder === undefined || clocks.isOver(holder, now)) {
            holder = mine = clocks.period(now, longestTurn)
            return Effect.ensuring(use, leave)
          }
          return Effect.flatMap(
            isOver(rung, clocks.left(holder, now), deadline, restore),
            (over) => over ? Effect.fail(busy) : turn
          )
        })
        return turn
      })
    }

    // --- under the lock -----------------------------------------------------------------------------------------------

    let debt: Debt | undefined

    /**
     * Stores `next` in place of `over`. If the lease is lost, it is taken again, and `next` is written only if no other
     * process has written in between: otherwise the refresh token of all others would be lost.
     */
    const write = (
      session: Session,
      next: Stored,
      over: Option.Option<Stored> | undefined,
      deadline: number,
      restore: Restore
    ): Failing<void> =>
      Effect.gen(function*() {
        for (let losses = 0; losses < longestFight; losses++) {
          if (over !== undefined) {
            session.known ??= yield* read
            if (!isInPlace(session.known, over, next)) return false
          }
          if (yield* put(next, session.lease)) {
            session.known = Option.some(next)
            return true
          }
          session.known = undefined
          session.lease = yield* take(deadline, restore)
        }
        return yield* Effect.fail(busy)
      }).pipe(
        Effect.tapErrorCause(() =>
          Effect.sync(() => {
            session.known = undefined
            if (over === undefined) return
            session.owes = true
            debt = { ...owed(next, over), lease: session.lease }
          })
        ),
        Effect.flatMap((written) => written || !isMark(next) ? Effect.void : Effect.fail(overtaken))
      )

    /** Stores the record that could not be stored the last time, before anything else is done. */
    const payDebt = (deadline: number, restore: Restore): Failing<void> =>
      Effect.suspend(() => {
        if (debt === undefined) return Effect.void
        const { lease, next, over } = debt
        debt = undefined
        const session: Session = { lease, known: undefined, owes: false }
        return Effect.zipRight(write(session, next, over, deadline, restore), release(session))
      })

    const deadline = Effect.map(clocks.now, ({ steady }) => steady + patience)

    let catching: clocks.Period | undefined

    /**
     * Stores that record in the background, not at the next use: the next use may be far away, and by then other
     * processes would have gone on without the record.
     */
    const catchUp: Effect.Effect<void> = Effect.flatMap(clocks.now, (now) => {
      if (catching !== undefined && !clocks.isOver(catching, now)) return Effect.void
      const mine = catching = clocks.period(now, longestTurn)
      return Effect.flatMap(deadline, tryUntil).pipe(
        Effect.ensuring(Effect.sync(() => {
          if (catching === mine) catching = undefined
        }))
      )
    })

    const tryUntil = (end: number): Effect.Effect<void> =>
      Effect.gen(function*() {
        for (let turns = 0; debt !== undefined; turns++) {
          const { pause } = yield* pollPace.pace(firstPause, turns)
          if ((yield* clocks.now).steady + pause >= end) return
          yield* Effect.sleep(pause)
          yield* Effect.uninterruptibleMask((restore) => inTurn(end, restore, payDebt(end, restore))).pipe(
            Effect.ignore
          )
        }
      })

    const locked: Store["locked"] = (effect) =>
      Effect.flatMap(deadline, (deadline) =>
        Effect.uninterruptibleMask((restore) =>
          inTurn(
            deadline,
            restore,
            Effect.gen(function*() {
              yield* payDebt(deadline, restore)
              const session: Session = { lease: yield* take(deadline, restore), known: undefined, owes: false }
              const exit = yield* Effect.exit(restore(Effect.provideService(effect, Current, session)))
              if (session.owes) yield* Effect.forkDaemon(catchUp)
              else yield* release(session)
              return yield* exit
            })
          )
        ))

    const save: Store["save"] = (stored, over) =>
      Effect.flatMap(
        Effect.serviceOption(Current),
        (session) =>
          Option.isNone(session) ?
            locked(save(stored, over)) :
            Effect.flatMap(
              deadline,
              (deadline) =>
                Effect.uninterruptibleMask((restore) => write(session.value, stored, over, deadline, restore))
            )
      )

    return {
      load: Effect.flatMap(Effect.serviceOption(Current), (session) =>
        Effect.tap(read, (stored) => {
          if (Option.isSome(session)) session.value.known = stored
        })),
      save,
      locked
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// which record may replace which
// ---------------------------------------------------------------------------------------------------------------

/** Whether the record says that the token is about to be sent. */
const isMark = ({ mark }: Stored): boolean => mark !== undefined

const isSameRecord = (self: Stored, that: Stored): boolean =>
  Equal.equals(self.token, that.token) && self.state === that.state && self.mark === that.mark

/**
 * Whether a process that expects `over` in the store may replace the record `there` with `next`. A new refresh token
 * that came in exchange for the one in `over` may also replace that one under another state or mark, or fill an empty
 * store: it is the only usable token left of its family.
 */
const isInPlace = (there: Option.Option<Stored>, over: Option.Option<Stored>, next: Stored): boolean => {
  if (Option.isNone(over)) return Option.isNone(there)
  const before = over.value
  if (Option.exists(there, (there) => isSameRecord(there, before))) return true
  return !Equal.equals(next.token, before.token) &&
    Option.match(there, { onNone: () => true, onSome: ({ token }) => Equal.equals(token, before.token) })
}

/**
 * The record to store later. A mark that could not be stored may still have reached the store: it is taken back,
 * because the refresh token was not sent.
 */
const owed = (next: Stored, over: Option.Option<Stored>): Omit<Debt, "lease"> =>
  isMark(next)
    ? {
      next: { ...Option.getOrElse(over, (): Stored => ({ ...next, state: "ready" })), mark: undefined },
      over: Option.some(next)
    }
    : { next, over }

// ---------------------------------------------------------------------------------------------------------------
// errors
// ---------------------------------------------------------------------------------------------------------------

const unanswered = (detail: string) =>
  new TokenError.TransportError({ endpoint: "the token store", code: Option.none(), detail })

const overtaken = unanswered(
  "the lease of this refresh token ran out, and another process has used it since; nothing was sent from here, so " +
    "ask again. If it happens often, make `lease` longer"
)

/**
 * An unreadable record does not count as an empty store: the process would begin again with the configured refresh
 * token, which was spent long ago.
 */
const unreadable = (key: string, detail: string) =>
  new TokenError.InvalidConfiguration({
    fields: ["TokenStore"],
    detail: `the refresh token under "${key}" cannot be read: ${detail}. It is neither passed over nor replaced, for ` +
      "the one to begin with may be spent. Give this process the key it was sealed with; if it was stored before tokens " +
      "were sealed, load it through the store as it was and save it through this one; or save a new refresh token"
  })

// ---------------------------------------------------------------------------------------------------------------
// the record as it is stored
// ---------------------------------------------------------------------------------------------------------------

/** Raised when the form of the record changes; a record of any other version is unreadable. */
const version = 1

/**
 * A refresh token in the form of an access token, because stores take only access tokens. The record is kept longer
 * than the refresh token lives: a process that found no record would begin with the configured refresh token, which was
 * spent long ago.
 */
const encode = (stored: Stored, now: number, retention: number): AccessToken.AccessToken => {
  const until = Math.max(now, Option.getOrElse(stored.expiresAt, () => now)) + retention
  return AccessToken.make({
    value: json.toPrintable({
      version,
      token: Redacted.value(stored.token),
      expiresAt: Option.getOrNull(stored.expiresAt),
      until,
      rotates: stored.rotates,
      state: stored.state,
      mark: stored.mark,
      begun: stored.begun
    }),
    // RFC 8693 §2.2.1: no access token
    tokenType: "N_A",
    issuedAt: now,
    expiresAt: until
  })
}

const decode = (outer: AccessToken.AccessToken): Option.Option<Stored> =>
  Option.flatMap(
    json.fromPrintable(Redacted.value(outer.value)),
    (record) => {
      const { begun, expiresAt, mark, rotates, state, token, until } = record
      if (
        record.version !== version || typeof token !== "string" || token === "" || typeof rotates !== "boolean" ||
        !isState(state) || !(mark === undefined || typeof mark === "string") ||
        !(begun === undefined || isHistory(begun)) ||
        !(expiresAt === null || typeof expiresAt === "number") || typeof until !== "number"
      ) return Option.none()
      // a store may have moved the outer end to the clock of this machine: the inner end is moved by the same amount
      const shift = Option.getOrElse(outer.expiresAt, () => until) - until
      return Option.some({
        token: Redacted.make(token),
        expiresAt: Option.map(Option.fromNullable(expiresAt), (expiresAt) => expiresAt + shift),
        rotates,
        state,
        mark,
        begun
      })
    }
  )

const isHistory = (value: unknown): value is ReadonlyArray<string | number> =>
  Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number")

const states: Record<Stored["state"], true> = { ready: true, sent: true, sentTwice: true, dead: true }

const isState = (value: unknown): value is Stored["state"] => typeof value === "string" && Object.hasOwn(states, value)

// ---------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------

const settle = (options: SharedOptions) =>
  Effect.suspend(() => {
    const problems: Array<checks.Problem> = []
    const millis = (name: "lease" | "timeout" | "patience" | "retention", fallback: number) =>
      checks.millis(options[name] === undefined ? fallback : options[name], `RefreshToken.shared.${name}`, problems)
    const namespace = options.namespace.trim()
    if (namespace === "") {
      problems.push({
        field: "RefreshToken.shared.namespace",
        detail: "name the authorization server, the client and the user this refresh token is of"
      })
    }
    problems.push(...checks.wellFormed(namespace, "RefreshToken.shared.namespace"))
    const lease = millis("lease", 20_000)
    const settled = {
      key: `${namespace}~refresh`,
      lease,
      timeout: millis("timeout", 1000),
      patience: millis("patience", 2 * lease),
      retention: millis("retention", 180 * 24 * 3_600_000)
    }
    return Effect.as(checks.report(problems), settled)
  })
