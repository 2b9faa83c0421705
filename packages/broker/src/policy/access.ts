/**
 * What one caller may ask of one profile: every ask becomes a token request within the caller's policy, or a refusal.
 *
 * **The rule.** What a caller gets is never more than its policy allows, also when it names nothing: a caller with scopes
 * of its own that asks for none gets its own, not those of the profile.
 */
import * as Either from "effect/Either"
import * as TokenRequest from "effect-bearer/TokenRequest"
import type { Access, Profile, Surface } from "../BrokerConfig.js"

/** What a caller named; an empty list is nothing named. */
export interface Asked {
  readonly scopes: ReadonlyArray<string>
  readonly audience: ReadonlyArray<string>
  readonly resource: ReadonlyArray<string>
}

export const nothing: Asked = { scopes: [], audience: [], resource: [] }

/** Why an ask is refused: by which of its parts. What was asked is not quoted. */
export interface Refused {
  readonly part: "scope" | "audience" | "resource"
  readonly reason: string
}

/** The ask of a caller, decided; `undefined` is the request that the profile is configured with. */
export type Decision = Either.Either<TokenRequest.TokenRequest | undefined, Refused>

/** A caller that names other scopes every time does not fill the memory. */
const mostRemembered = 256

/** The access of one caller to one profile. */
export class Grant {
  readonly #access: Access
  readonly #profile: Profile
  readonly #surfaces: ReadonlySet<Surface> | undefined
  /** Decisions by what was asked for: equal asks get the same request object, which the token cache finds fastest. */
  readonly #decisions = new Map<string, Decision>()
  readonly #unasked: Decision

  constructor(profile: Profile, access: Access) {
    this.#profile = profile
    this.#access = access
    this.#surfaces = access.surfaces === undefined ? undefined : new Set(access.surfaces)
    this.#unasked = decide(profile, access, nothing)
  }

  mayUse(surface: Surface): boolean {
    return this.#surfaces === undefined || this.#surfaces.has(surface)
  }

  get mayExchange(): boolean {
    return this.#profile.tokenExchange && this.#access.tokenExchange
  }

  decide(asked: Asked): Decision {
    if (asked.scopes.length + asked.audience.length + asked.resource.length === 0) return this.#unasked
    const name = JSON.stringify([asked.scopes, asked.audience, asked.resource])
    const known = this.#decisions.get(name)
    if (known !== undefined) return known
    const decision = decide(this.#profile, this.#access, asked)
    // a refused ask may be long, and may never come again
    if (Either.isLeft(decision)) return decision
    if (this.#decisions.size >= mostRemembered) this.#decisions.clear()
    this.#decisions.set(name, decision)
    return decision
  }
}

const decide = (profile: Profile, access: Access, asked: Asked): Decision =>
  Either.gen(function*() {
    const scopes = yield* choose("scope", asked.scopes, profile.scopes, access.scopes)
    const audience = yield* choose("audience", asked.audience, profile.audience, access.audiences)
    const resource = yield* choose("resource", asked.resource, profile.resource, access.resources)
    const isDefault = same(scopes, profile.scopes) && same(audience, profile.audience) &&
      same(resource, profile.resource)
    return isDefault ? undefined : TokenRequest.make({ scopes, audience, resource })
  })

/** One part of an ask: what was named if it is allowed, or what stands for nothing named. */
const choose = (
  part: Refused["part"],
  asked: ReadonlyArray<string>,
  ofProfile: ReadonlyArray<string>,
  ofCaller: ReadonlyArray<string> | undefined
): Either.Either<ReadonlyArray<string>, Refused> => {
  const allowed = new Set(ofCaller ?? ofProfile)
  if (asked.length > 0) {
    return asked.every((name) => allowed.has(name)) ? Either.right(asked) : Either.left({
      part,
      reason: `the caller may not ask this profile for ${asked.length === 1 ? `this ${part}` : `one of these: ${part}`}`
    })
  }
  if (ofCaller === undefined) return Either.right(ofProfile)
  // all scopes it may have; of audiences and resources, which belong to one API each, those of the profile or the only one
  if (part === "scope" && ofCaller.length > 0) return Either.right(ofCaller)
  const common = ofProfile.filter((name) => allowed.has(name))
  if (common.length > 0 && common.length === ofProfile.length) return Either.right(common)
  if (ofCaller.length === 1) return Either.right(ofCaller)
  return Either.left({
    part,
    reason: ofCaller.length === 0
      ? `the policy of the caller allows no ${part}`
      : `the policy of the caller allows several, and none is the profile's: name the ${part}`
  })
}

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a === b || (a.length === b.length && new Set(a).size === new Set([...a, ...b]).size)
