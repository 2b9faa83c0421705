// What a program in CommonJS sees of the types.
import { ClientAssertion } from "@effect-bearer/jose"
import { RedisTokenStore } from "@effect-bearer/redis"
import { Reply } from "@effect-bearer/testing"
import type { Effect } from "effect"
import { RetryPolicy, TokenSource } from "effect-bearer"
import type { AccessToken } from "effect-bearer/AccessToken"
import type * as TokenError from "effect-bearer/TokenError"

export const token = (tokens: TokenSource.With<TokenError.Fatal>): Effect.Effect<AccessToken, TokenError.Fatal> =>
  tokens.get()

export const all = [ClientAssertion.privateKeyJwt, RedisTokenStore.layer, Reply.status(503), TokenSource.TokenSource]

// @ts-expect-error a base is a duration: the types are there, and are not `any`
RetryPolicy.exponentialJitter({ base: true })
