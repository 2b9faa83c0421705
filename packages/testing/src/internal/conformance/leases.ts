// What a store promises of leases: promise I11.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as TokenStore from "effect-bearer/TokenStore"
import { above, holds, same } from "./checks.js"
import type { Play, Stage } from "./stage.js"
import { held, key, read, token } from "./stage.js"

export const scenarios = (stage: Stage): ReadonlyArray<Play> => [...holders(stage), ...puts(stage)]

const holders = (stage: Stage): ReadonlyArray<Play> => {
  const { advance, unit } = stage
  const taken = (store: TokenStore.Service, of = key) =>
    Effect.flatMap(store.acquire(of, unit), (lease) => holds(Option.isNone(lease), "two have the lease of one key"))
  return [
    {
      name: "one holder at a time; the next gets a higher fence",
      play: (one, other) =>
        Effect.gen(function*() {
          let fence = 0
          const owners = new Set<string>()
          for (let i = 0; i < 12; i++) {
            const [first, second] = i % 2 === 0 ? [one, other] : [other, one]
            const lease = yield* held(stage, first)
            yield* same(lease.key, key, "the key of the lease")
            yield* above(lease.fence, fence, "the fence of the next lease")
            yield* holds(Number.isSafeInteger(lease.fence), `the fence ${lease.fence} is no whole number`)
            fence = lease.fence
            owners.add(lease.owner)
            yield* taken(second)
            yield* taken(first)
            yield* first.release(lease)
          }
          yield* same(owners.size, 12, "the number of owners of 12 leases")
        })
    },
    {
      name: "a holder that is not heard of again delays the others by its lease, no longer",
      play: (one, other) =>
        Effect.gen(function*() {
          const dead = yield* held(stage, one)
          yield* advance(unit / 2)
          yield* taken(other)
          yield* advance(unit / 2)
          const next = yield* held(stage, other)
          yield* above(next.fence, dead.fence, "the fence of the next lease")
        })
    },
    {
      name: "a lease on one key does not block another key",
      play: (one, other) =>
        Effect.gen(function*() {
          yield* held(stage, one, "a")
          yield* held(stage, other, "b")
          yield* taken(other, "a")
          yield* taken(one, "b")
        })
    },
    {
      name: "of a hundred callers that ask for a lease at once, one gets it",
      play: (one, other) =>
        Effect.gen(function*() {
          let fence = 0
          for (let round = 0; round < 3; round++) {
            const leases = yield* Effect.forEach(
              Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? one : other),
              (store) => store.acquire(key, unit),
              { concurrency: "unbounded" }
            )
            const won = leases.flatMap(Option.toArray)
            yield* same(won.length, 1, "the number of callers with the lease")
            const [lease] = won
            if (lease === undefined) return
            yield* above(lease.fence, fence, "the fence of the next lease")
            fence = lease.fence
            yield* one.release(lease)
          }
        })
    },
    {
      name: "release ends the given lease and no other",
      play: (one, other) =>
        Effect.gen(function*() {
          const first = yield* held(stage, one)
          yield* other.release({ ...first, owner: "somebody" })
          yield* taken(other)
          // any process may release it: the lease itself names its holder
          yield* other.release(first)
          yield* other.release(first)
          const second = yield* held(stage, other)
          yield* one.release(first)
          yield* taken(one)
          yield* advance(unit)
          const third = yield* held(stage, one)
          yield* other.release(second)
          yield* taken(other)
          yield* one.release(third)
          yield* one.release({ key: "never heard of", owner: "nobody", fence: 3 })
        })
    }
  ]
}

/** What happens between getting a lease and putting the token, and whether the put is then accepted. */
const cases = (stage: Stage): ReadonlyArray<
  readonly [
    when: string,
    accepted: boolean,
    happens: (store: TokenStore.Service, lease: TokenStore.Lease) => Effect.Effect<unknown, unknown>
  ]
> => {
  const { advance, unit } = stage
  return [
    ["during the lease", true, () => Effect.void],
    ["after it has ended by itself", true, () => advance(unit)],
    ["after giving it back", true, (store, lease) => store.release(lease)],
    ["while a later one is running", false, (store) => Effect.zipRight(advance(unit), held(stage, store))],
    [
      "after a later one has ended, too",
      false,
      (store) => Effect.zipRight(advance(unit), Effect.flatMap(held(stage, store), store.release))
    ],
    [
      "after a later one was given back early",
      false,
      (store, lease) => Effect.zipRight(store.release(lease), Effect.flatMap(held(stage, store), store.release))
    ]
  ]
}

const puts = (stage: Stage): ReadonlyArray<Play> => [
  ...cases(stage).map(([when, accepted, happens]): Play => ({
    name: `a put ${when} is ${accepted ? "accepted" : "refused"}`,
    play: (one, other) =>
      Effect.gen(function*() {
        yield* other.put(yield* token("before"), yield* Effect.tap(held(stage, other), other.release))
        const lease = yield* held(stage, one)
        yield* happens(other, lease)
        yield* same(yield* one.put(yield* token("mine"), lease), accepted, "the answer of put")
        yield* same(yield* read(other), accepted ? "mine" : "before", "the token")
        yield* same(yield* read(one), accepted ? "mine" : "before", "the token")
      })
  })),
  {
    name: "a late holder does not overwrite a newer token",
    play: (one, other) =>
      Effect.gen(function*() {
        const late = yield* held(stage, one)
        const refused = Effect.flatMap(
          Effect.flatMap(token("older"), (token) => one.put(token, late)),
          (put) => same(put, false, "the answer to the late put")
        )
        yield* stage.advance(stage.unit)
        const lease = yield* held(stage, other)
        yield* same(yield* other.put(yield* token("newer"), lease), true, "the answer of put")
        yield* refused
        yield* other.release(lease)
        yield* refused
        yield* other.remove(key, yield* token("newer"))
        yield* refused
        yield* same(yield* read(one), undefined, "the token")
      })
  }
]
