// The entries of a key in a key-value store: the text form of each, and how it is read and written.
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AccessToken } from "../../values/AccessToken.js"
import * as Digest from "../../values/Digest.js"
import * as json from "../../values/json.js"
import * as claims from "../leaseClaim.js"
import * as storedToken from "../storedToken.js"

export interface Claimed extends claims.Claim {
  readonly fence: number
}

export interface Stored {
  readonly fence: number
  readonly token: AccessToken
}

/** On the left the problem with the entry. */
export type Read<A> = Either.Either<A, string>

const fields = (text: string): json.Members => Option.getOrElse(json.object(text), () => ({}))

/** The limit is far above any real number, and the next number is still a whole one. Other values are not accepted. */
const isFence = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2 ** 52

const notOurs = Either.left("it is no entry of this store")

export const decodeToken = (text: string): Read<Stored> => {
  const { fence, token } = fields(text)
  return !isFence(fence) || typeof token !== "string"
    ? notOurs
    : Either.map(storedToken.decode(token), (token) => ({ fence, token }))
}

export const decodeLease = (text: string): Read<Claimed> => {
  const { claim, fence } = fields(text)
  return !isFence(fence) || typeof claim !== "string"
    ? notOurs
    : Either.map(Either.fromOption(claims.decode(claim), () => "it holds no lease"), (claim) => ({ fence, ...claim }))
}

export const encodeToken = ({ fence, token }: Stored): string =>
  JSON.stringify({ fence, token: storedToken.encode(token) })

export const encodeLease = ({ fence, ...claim }: Claimed): string =>
  JSON.stringify({ fence, claim: claims.encode(claim) })

/** The entries of one kind, by key. */
export interface Entries<A> {
  readonly read: (key: string) => Effect.Effect<Option.Option<Read<A>>, unknown>
  /** An entry that can't be read counts as missing: the next token or lease overwrites it. */
  readonly readable: (key: string) => Effect.Effect<Option.Option<A>, unknown>
  readonly write: (key: string, value: A) => Effect.Effect<void, unknown>
  readonly remove: (key: string) => Effect.Effect<void, unknown>
}

/** Names of one length that are valid file names; the keys themselves may be long. */
const nameOf = (kind: "token" | "lease", key: string) => `effect-bearer.${kind}.${Digest.nameOf(key)}`

const entriesOf = <A>(
  store: KeyValueStore.KeyValueStore,
  kind: "token" | "lease",
  decode: (text: string) => Read<A>,
  encode: (value: A) => string
): Entries<A> => {
  const read: Entries<A>["read"] = (key) =>
    Effect.map(Effect.suspend(() => store.get(nameOf(kind, key))), Option.map(decode))
  return {
    read,
    readable: (key) => Effect.map(read(key), Option.flatMap(Either.getRight)),
    write: (key, value) => Effect.suspend(() => store.set(nameOf(kind, key), encode(value))),
    remove: (key) => Effect.suspend(() => store.remove(nameOf(kind, key)))
  }
}

export const tokensIn = (store: KeyValueStore.KeyValueStore): Entries<Stored> =>
  entriesOf(store, "token", decodeToken, encodeToken)

export const leasesIn = (store: KeyValueStore.KeyValueStore): Entries<Claimed> =>
  entriesOf(store, "lease", decodeLease, encodeLease)
