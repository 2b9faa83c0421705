// A store that is left alone for a while after it failed.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Lease, Service } from "../../store/contract.js"
import { StoreError } from "../../store/contract.js"
import * as storedToken from "../../store/storedToken.js"
import type { AccessToken } from "../../values/AccessToken.js"
import * as clocks from "../../values/Clocks.js"
import { TokenEvent } from "../../values/TokenEvent.js"
import type * as TokenRequest from "../../values/TokenRequest.js"
import * as backOff from "../backOff.js"
import type { Tell } from "../source.js"
import * as failureNote from "./failureNote.js"
import * as storeCall from "./storeCall.js"

/** A store that failed is left alone for this long, doubling up to the longest. */
const firstPause = 1000
const longestPause = 30_000

/** How many unreadable keys are remembered at most. */
const mostUnreadable = 10_000

const sealedByOthers = new StoreError({
  operation: "get",
  reason: "unreadable",
  detail:
    "it is sealed, and this process has no key: wrap its store in TokenStore.encrypted, with the key of the others"
})

/** The contents of the store for one key. */
export interface Look {
  readonly token: Option.Option<AccessToken>
  /** The note of the last failure, for as long as the store keeps it. */
  readonly failure: Option.Option<{ readonly note: failureNote.Note; readonly from: number; readonly until: number }>
}

/** A store that does not answer. Times are by the steady clock. */
interface Outage {
  readonly operation: StoreError["operation"]
  readonly since: number
  readonly failures: number
  readonly until: number
}

/** A store whose failures are events. After a failure it is left alone for a while. */
export interface FallibleStore {
  /** Runs one operation; `None` if the store failed. */
  readonly ask: <A>(
    operation: StoreError["operation"],
    request: TokenRequest.TokenRequest,
    f: (store: Service) => Effect.Effect<A, StoreError>
  ) => Effect.Effect<Option.Option<A>>
  readonly acquire: (
    key: string,
    /** Milliseconds. */
    length: number,
    request: TokenRequest.TokenRequest
  ) => Effect.Effect<Option.Option<Option.Option<Lease>>>
  readonly look: (key: string, request: TokenRequest.TokenRequest) => Effect.Effect<Option.Option<Look>>
  /** Whether the store failed a short time ago and is left alone for now. */
  readonly isResting: (steady: number) => boolean
}

export const make = (
  store: Service,
  { tell, timeout }: { readonly tell: Tell; readonly timeout: number }
): FallibleStore => {
  let outage: Outage | undefined

  const failed = ({ detail, operation, reason }: StoreError, request: TokenRequest.TokenRequest) =>
    Effect.flatMap(clocks.now, ({ steady }) => {
      // operations that were under way at the same time count as one failure
      if (outage !== undefined && steady < outage.until) return Effect.void
      const failures = (outage?.failures ?? 0) + 1
      const until = steady + backOff.step(failures, firstPause, longestPause)
      outage = { operation, since: outage?.since ?? steady, failures, until }
      return tell(request, (common) => TokenEvent.StoreFailed({ ...common, operation, reason, detail }))
    })

  /**
   * Ends an outage if the operation that failed has now succeeded: a store that cannot be written to has not recovered
   * when a read succeeds.
   */
  const answered = (operation: string, request: TokenRequest.TokenRequest): Effect.Effect<void> => {
    if (outage === undefined || outage.operation !== operation) return Effect.void
    const { since } = outage
    outage = undefined
    return Effect.flatMap(
      clocks.now,
      ({ steady }) =>
        tell(request, (common) => TokenEvent.StoreRecovered({ ...common, elapsed: Math.round(steady - since) }))
    )
  }

  const settled = <A>(
    operation: StoreError["operation"],
    request: TokenRequest.TokenRequest,
    call: Effect.Effect<A, StoreError>
  ): Effect.Effect<Option.Option<A>> =>
    Effect.matchEffect(call, {
      onFailure: (error) => Effect.as(failed(error, request), Option.none()),
      onSuccess: (a) => Effect.as(answered(operation, request), Option.some(a))
    })

  const ask: FallibleStore["ask"] = (operation, request, f) =>
    settled(operation, request, storeCall.run(operation, () => f(store), timeout))

  /** Keys whose stored value cannot be read: each is reported by one event, not at every look. */
  const unreadable = new Set<string>()

  /** A value that is damaged, or sealed with an unknown key, counts as missing; the next token replaces it. */
  const read = (store: Service, key: string, request: TokenRequest.TokenRequest) =>
    Effect.flatMap(
      storeCall.get(store, key),
      (token) =>
        Option.exists(token, ({ tokenType }) => tokenType === storedToken.sealedType)
          ? Effect.fail(sealedByOthers)
          : Effect.sync(() => {
            unreadable.delete(key)
            return token
          })
    ).pipe(
      Effect.catchIf(
        ({ reason }) => reason === "unreadable",
        (error) =>
          Effect.suspend(() => {
            const { detail, operation, reason } = storeCall.told("get", error)
            if (unreadable.has(key)) return Effect.succeedNone
            if (unreadable.size >= mostUnreadable) unreadable.clear()
            unreadable.add(key)
            return Effect.as(
              tell(request, (common) => TokenEvent.StoreFailed({ ...common, operation, reason, detail })),
              Option.none<AccessToken>()
            )
          })
      )
    )

  return {
    ask,
    acquire: (key, length, request) => settled("acquire", request, storeCall.acquire(store, key, length, timeout)),
    look: (key, request) =>
      ask("get", request, (store) =>
        Effect.zipWith(
          read(store, key, request),
          read(store, failureNote.keyOf(key), request),
          (token, noted) => ({
            token,
            failure: Option.flatMap(
              noted,
              (token) =>
                Option.all({ note: failureNote.read(token), from: Option.some(token.issuedAt), until: token.expiresAt })
            )
          }),
          { concurrent: true }
        )),
    isResting: (steady) => outage !== undefined && steady < outage.until
  }
}
