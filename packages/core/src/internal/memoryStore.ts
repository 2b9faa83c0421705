import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../AccessToken.js"
import { isSame } from "../AccessToken.js"
import { isOver } from "./storedToken.js"
import type { Lease, Service } from "./tokenStore.js"

interface Place {
  token: AccessToken | undefined
  /** Of the latest lease granted, whether it has ended or not. */
  fence: number
  lease: { readonly owner: string; readonly until: number } | undefined
}

/** Places nobody needs any more are looked for each time this many were added. */
const sweepEvery = 1024

export const make: Effect.Effect<Service> = Effect.gen(function*() {
  const places = new Map<string, Place>()
  const changes = yield* PubSub.sliding<string>(1024)
  let fence = 0
  let added = 0

  const placeOf = (key: string, now: number): Place => {
    const known = places.get(key)
    if (known !== undefined) return known
    if (++added % sweepEvery === 0) {
      for (const [key, { lease, token }] of places) {
        const isLeased = lease !== undefined && lease.until > now
        if (!isLeased && (token === undefined || isOver(token, now))) places.delete(key)
      }
    }
    const place: Place = { token: undefined, fence: 0, lease: undefined }
    places.set(key, place)
    return place
  }

  const withNow = <A>(f: (now: number) => A): Effect.Effect<A> =>
    Effect.clockWith((clock) => Effect.sync(() => f(clock.unsafeCurrentTimeMillis())))

  const announce = (key: string) => PubSub.publish(changes, key)

  return {
    get: (key) =>
      withNow((now) => Option.filter(Option.fromNullable(places.get(key)?.token), (token) => !isOver(token, now))),
    put: (token, lease) =>
      Effect.flatMap(
        withNow((now) => {
          const place = placeOf(lease.key, now)
          // zero: the place was swept, and nobody has had a lease since
          if (place.fence !== lease.fence && place.fence !== 0) return false
          place.token = token
          return true
        }),
        (stored) => stored ? Effect.as(announce(lease.key), true) : Effect.succeed(false)
      ),
    acquire: (key, ttl) =>
      withNow((now) => {
        const place = placeOf(key, now)
        if (place.lease !== undefined && place.lease.until > now) return Option.none<Lease>()
        place.fence = ++fence
        const owner = String(fence)
        place.lease = { owner, until: now + Duration.toMillis(ttl) }
        return Option.some({ key, owner, fence })
      }),
    release: (lease) =>
      Effect.suspend(() => {
        const place = places.get(lease.key)
        if (place?.lease?.owner !== lease.owner) return Effect.void
        place.lease = undefined
        return announce(lease.key)
      }),
    remove: (key, token) =>
      Effect.suspend(() => {
        const place = places.get(key)
        if (place?.token === undefined || !isSame(place.token, token)) return Effect.void
        place.token = undefined
        return announce(key)
      }),
    changes: Stream.fromPubSub(changes)
  }
})
