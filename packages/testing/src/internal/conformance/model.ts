// Any sequence of operations, beside a model of a store that fits on a page.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as AccessToken from "effect-bearer/AccessToken"
import type * as TokenStore from "effect-bearer/TokenStore"
import { above, Broken, same } from "./checks.js"
import type { Settings } from "./contract.js"
import type { Stage } from "./stage.js"
import { read, secret, token } from "./stage.js"

/** The place of one key. */
interface Place {
  /** The latest lease, running or not. */
  lease: TokenStore.Lease | undefined
  until: number
  token: AccessToken.AccessToken | undefined
}

const step = FastCheck.record({
  kind: FastCheck.constantFrom("acquire", "acquire", "release", "put", "put", "remove", "wait"),
  store: FastCheck.constantFrom<0 | 1>(0, 1),
  key: FastCheck.constantFrom("a", "b"),
  lease: FastCheck.nat(20),
  value: FastCheck.constantFrom("t1", "t2", "t3"),
  times: FastCheck.constantFrom(0, 1, 2, 5)
})

type Step = typeof step extends FastCheck.Arbitrary<infer A> ? A : never

type Pair = readonly [TokenStore.Service, TokenStore.Service]

const name = "it behaves like the model in any sequence of operations"

/** The random sequences make a pair of services each. */
export const scenario = (
  stage: Stage,
  pair: Settings["pair"],
  runs: number
): { readonly name: string; readonly run: Effect.Effect<void, unknown> } => ({
  name,
  run: Effect.flatMap(Effect.runtime<never>(), (runtime) =>
    Effect.tryPromise({
      try: () =>
        FastCheck.assert(
          FastCheck.asyncProperty(FastCheck.array(step, { minLength: 1, maxLength: 30 }), (steps) =>
            Runtime.runPromise(runtime)(
              Effect.scoped(Effect.flatMap(pair, (stores) => compare(stage, stores, steps)))
            )),
          { numRuns: runs }
        ),
      catch: (error) => new Broken({ detail: error instanceof Error ? error.message : String(error) })
    }))
})

const compare = (stage: Stage, stores: Pair, steps: ReadonlyArray<Step>): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const model = new Map<string, Place>()
    const leases: Array<TokenStore.Lease> = []
    for (const step of steps) {
      yield* perform(stage, stores[step.store], model, leases, step)
      const now = yield* Clock.currentTimeMillis
      for (const [key, { token }] of model) {
        const expected = token === undefined || Option.exists(token.expiresAt, (end) => end <= now)
          ? undefined
          : secret(token)
        for (const store of stores) yield* same(yield* read(store, key), expected, `the token after ${step.kind}`)
      }
    }
  })

const perform = (
  { advance, unit }: Stage,
  store: TokenStore.Service,
  model: Map<string, Place>,
  leases: Array<TokenStore.Lease>,
  step: Step
): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const pick = leases.length === 0 ? undefined : leases[step.lease % leases.length]
    const at = (key: string): Place => {
      const known = model.get(key) ?? { lease: undefined, until: 0, token: undefined }
      model.set(key, known)
      return known
    }
    switch (step.kind) {
      case "acquire": {
        const place = at(step.key)
        const lease = yield* store.acquire(step.key, unit * step.times)
        yield* same(Option.isSome(lease), place.until <= now, "whether a lease was given")
        if (Option.isNone(lease)) return
        yield* above(lease.value.fence, place.lease?.fence ?? 0, "the fence of the next lease")
        Object.assign(place, { lease: lease.value, until: now + unit * step.times })
        leases.push(lease.value)
        return
      }
      case "release": {
        if (pick === undefined) return
        const place = at(pick.key)
        yield* store.release(pick)
        if (place.lease === pick) place.until = 0
        return
      }
      case "put": {
        if (pick === undefined) return
        const place = at(pick.key)
        const put = yield* token(step.value, step.times === 0 ? null : unit * step.times)
        yield* same(yield* store.put(put, pick), place.lease === pick, "the answer of put")
        if (place.lease === pick) place.token = put
        return
      }
      case "remove": {
        const place = at(step.key)
        yield* store.remove(step.key, AccessToken.make({ value: step.value }))
        if (place.token !== undefined && secret(place.token) === step.value) place.token = undefined
        return
      }
      case "wait":
        return yield* advance(unit * (step.times + 0.5))
    }
  })
