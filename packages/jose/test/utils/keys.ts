import { inspect } from "node:util"
import { Cause, Effect } from "effect"
import * as jose from "jose"
import type { SigningKey } from "../../src/index.js"

export const algorithms: ReadonlyArray<SigningKey.Algorithm> = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA"
]

export interface TestKey {
  readonly alg: string
  readonly pem: string
  readonly jwk: jose.JWK
  readonly publicJwk: jose.JWK
  readonly privateKey: jose.CryptoKey
  readonly publicKey: jose.CryptoKey
}

const made = new Map<string, Promise<TestKey>>()

const generate = async (alg: string): Promise<TestKey> => {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
  return {
    alg,
    pem: await jose.exportPKCS8(privateKey),
    jwk: await jose.exportJWK(privateKey),
    publicJwk: await jose.exportJWK(publicKey),
    privateKey,
    publicKey
  }
}

/** One key for each algorithm and name: RSA keys take their time. */
export const key = (alg: string, name = ""): Effect.Effect<TestKey> =>
  Effect.promise(() => {
    const found = made.get(alg + name) ?? generate(alg)
    made.set(alg + name, found)
    return found
  })

/** Every way to print a value. */
export const renderings = (value: unknown): string =>
  [
    inspect(value, { depth: 12, showHidden: true }),
    JSON.stringify(value),
    String(value),
    Cause.pretty(Cause.fail(value)),
    inspect(Cause.die(value), { depth: 12 })
  ].join("\n")
