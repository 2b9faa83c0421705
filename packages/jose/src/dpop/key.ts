// The key that proofs are signed with: given, or generated.
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Secret from "effect-bearer/Secret"
import * as TokenError from "effect-bearer/TokenError"
import * as jose from "jose"
import * as keys from "../internal/key.js"
import type * as SigningKey from "../SigningKey.js"
import type { KeyPair, Options } from "./contract.js"

export interface Pair {
  readonly key: jose.CryptoKey
  readonly alg: SigningKey.Algorithm
  readonly publicJwk: jose.JWK
}

export const invalid = (field: string, detail: string): TokenError.InvalidConfiguration =>
  new TokenError.InvalidConfiguration({ fields: [`dpop.${field}`], detail })

/** An effect of the user's that yields the key has so long: a person may have to type a passphrase. */
const longestRead = "1 minute"

export const load = ({ alg, key }: Options): Effect.Effect<Pair, TokenError.InvalidConfiguration> => {
  if (key === undefined) return generate(alg ?? "ES256")
  const material = Effect.isEffect(key)
    ? Effect.catchAll(
      Secret.guarded(key, { field: "dpop.key", name: "the DPoP key" }),
      // a proof that cannot be made is no matter of the token endpoint
      (error) => error._tag === "InvalidConfiguration" ? Effect.fail(error) : Effect.fail(invalid("key", error.message))
    ).pipe(
      Effect.interruptible,
      Effect.disconnect,
      Effect.interruptible,
      Effect.timeoutFail({
        duration: longestRead,
        onTimeout: () => invalid("key", "the effect that yields the key gave no answer within a minute")
      })
    )
    : Effect.succeed(key)
  return Effect.flatMap(material, (material) => {
    if (!isKeyPair(material)) return fromPrivate(material, alg)
    return Effect.zipWith(
      keys.load(material.privateKey, { field: "dpop", alg, extractable: false }),
      publicMembers(material.publicKey),
      ({ alg, key }, publicJwk): Pair => ({ key, alg, publicJwk })
    )
  })
}

const generate = (alg: SigningKey.Algorithm): Effect.Effect<Pair, TokenError.InvalidConfiguration> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => jose.generateKeyPair(alg, { extractable: false }),
      catch: () => invalid("alg", "this runtime cannot generate a key for this algorithm")
    }),
    ({ privateKey, publicKey }) =>
      Effect.zipWith(
        keys.load(privateKey, { field: "dpop", alg, extractable: false }),
        publicMembers(publicKey),
        ({ alg, key }, publicJwk): Pair => ({ key, alg, publicJwk })
      )
  )

const fromPrivate = (material: unknown, alg: SigningKey.Algorithm | undefined) =>
  Effect.gen(function*() {
    const { alg: settled, key } = yield* keys.load(material, { field: "dpop", alg, extractable: true })
    if (!key.extractable) {
      return yield* invalid("key", "the public half of this CryptoKey cannot be found: give both halves")
    }
    const publicJwk = yield* publicMembers(key)
    // what was read from text can stay readable nowhere else
    const locked = keys.isCryptoKey(material)
      ? { key }
      : yield* keys.load(material, { field: "dpop", alg, extractable: false })
    return { key: locked.key, alg: settled, publicJwk }
  })

const publicMembers = (key: jose.CryptoKey): Effect.Effect<jose.JWK, TokenError.InvalidConfiguration> =>
  Effect.map(
    Effect.tryPromise({
      try: () => jose.exportJWK(key),
      catch: () => invalid("key", "the public half of the key cannot be exported")
    }),
    ({ crv, e, kty, n, x, y }): jose.JWK =>
      kty === "RSA"
        ? { kty, n: n!, e: e! }
        : kty === "EC"
        ? { kty, crv: crv!, x: x!, y: y! }
        : { kty: kty!, crv: crv!, x: x! }
  )

const isKeyPair = (u: unknown): u is KeyPair =>
  Predicate.hasProperty(u, "privateKey") && Predicate.hasProperty(u, "publicKey") && keys.isCryptoKey(u.privateKey) &&
  keys.isCryptoKey(u.publicKey)
