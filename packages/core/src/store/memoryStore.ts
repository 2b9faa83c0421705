// A store of tokens in the memory of this process.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { AccessToken } from "../values/AccessToken.js"
import { isSame } from "../values/AccessToken.js"
import * as clocks from "../values/Clocks.js"
import type { Lease, Service } from "./contract.js"
import { isOver, moved } from "./storedToken.js"

interface Place {
  token: AccessToken | undefined
  /** The rest of the token's life by the steady clock, which nobody can set. */
  life: clocks.Period
  /**
   * By how many milliseconds the token was issued in the future: the clock was put back between its issue and its
   * storing.
   */
  ahead: number
  /** The number of the latest lease granted, whether it has ended or not. */
  fence: number
  lease: { readonly owner: string; readonly period: clocks.Period } | undefined
}

/** After so many new places, places that are no longer needed are searched for and removed. */
const sweepEvery = 1024

const endless: clocks.Period = { began: 0, length: Number.POSITIVE_INFINITY }

/** The two clocks drift apart by up to this, in milliseconds; a clock that was put back is behind by more. */
const drift = 1000

/**
 * The token of a place, with its times by the present wall clock: a clock that was put back does not move its end
 * further away.
 */
const alive = ({ ahead, life, token }: Place, now: clocks.Now): Option.Option<AccessToken> => {
  if (token === undefined || isOver(token, now.wall) || clocks.isOver(life, now)) return Option.none()
  const back = Option.getOrElse(token.expiresAt, () => 0) - ahead - (now.wall + Math.floor(clocks.left(life, now)))
  return Option.some(back > drift && Number.isFinite(back) ? moved(token, -back) : token)
}

export const make: Effect.Effect<Service> = Effect.gen(function*() {
  const places = new Map<string, Place>()
  const changes = yield* PubSub.sliding<string>(1024)
  let fence = 0
  let added = 0

  const placeOf = (key: string, now: clocks.Now): Place => {
    const known = places.get(key)
    if (known !== undefined) return known
    if (++added % sweepEvery === 0) {
      for (const [key, place] of places) {
        const isLeased = place.lease !== undefined && !clocks.isOver(place.lease.period, now)
        if (!isLeased && Option.isNone(alive(place, now))) places.delete(key)
      }
    }
    const place: Place = { token: undefined, life: endless, ahead: 0, fence: 0, lease: undefined }
    places.set(key, place)
    return place
  }

  const withNow = <A>(f: (now: clocks.Now) => A): Effect.Effect<A> => Effect.map(clocks.now, f)

  const announce = (key: string) => PubSub.publish(changes, key)

  return {
    get: (key) => withNow((now) => Option.flatMap(Option.fromNullable(places.get(key)), (place) => alive(place, now))),
    put: (token, lease) =>
      Effect.flatMap(
        withNow((now) => {
          const place = placeOf(lease.key, now)
          // zero: the place was swept, and no lease has been granted since
          if (place.fence !== lease.fence && place.fence !== 0) return false
          place.token = token
          place.ahead = Math.max(0, token.issuedAt - now.wall)
          place.life = Option.match(token.expiresAt, {
            onNone: () => endless,
            onSome: (until) => clocks.period(now, clocks.remaining({ from: token.issuedAt, until }, now.wall))
          })
          return true
        }),
        (stored) => stored ? Effect.as(announce(lease.key), true) : Effect.succeed(false)
      ),
    acquire: (key, ttl) =>
      withNow((now) => {
        const place = placeOf(key, now)
        if (place.lease !== undefined && !clocks.isOver(place.lease.period, now)) return Option.none<Lease>()
        place.fence = ++fence
        const owner = String(fence)
        place.lease = { owner, period: clocks.period(now, Duration.toMillis(ttl)) }
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
