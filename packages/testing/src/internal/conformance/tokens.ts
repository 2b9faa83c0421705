// What a store promises of the tokens in it.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "effect-bearer/AccessToken"
import { broken, holds, same } from "./checks.js"
import type { Play, Stage } from "./stage.js"
import { held, hour, key, read, secret, token } from "./stage.js"

export const scenarios = (stage: Stage): ReadonlyArray<Play> => {
  const { advance, tolerance, unit } = stage
  return [
    {
      name: "every process gets the token that was put, with all its fields",
      play: (one, other) =>
        Effect.gen(function*() {
          yield* same(yield* read(one), undefined, "the token in an empty store")
          const now = yield* Clock.currentTimeMillis
          const put = AccessToken.make({
            value: "s3cr3t.+/=~",
            tokenType: "DPoP",
            scopes: "users:read users:write",
            // a store that gives the present moment back has lost it
            issuedAt: now - hour,
            expiresAt: now + hour,
            refreshAt: now + hour / 2,
            extra: { instance_url: "https://example.com/ü", nested: [1, null, { deep: true }] }
          })
          yield* same(yield* one.put(put, yield* held(stage, one)), true, "the answer of put")
          const near = (found: number, expected: number, what: string) =>
            holds(Math.abs(found - expected) <= tolerance, `${what} is ${found}, and should be ${expected}`)
          for (const store of [one, other]) {
            const found = yield* store.get(key)
            if (Option.isNone(found)) return yield* same(undefined, secret(put), "the token")
            const got = found.value
            yield* same(secret(got), secret(put), "the token")
            yield* same(got.tokenType, put.tokenType, "tokenType")
            yield* same(got.scopes, put.scopes, "scopes")
            yield* same(Redacted.value(got.extra), Redacted.value(put.extra), "extra")
            yield* near(got.issuedAt, put.issuedAt, "issuedAt")
            yield* near(Option.getOrElse(got.expiresAt, () => Number.NaN), now + hour, "expiresAt")
            yield* near(Option.getOrElse(got.refreshAt, () => Number.NaN), now + hour / 2, "refreshAt")
          }
        })
    },
    {
      name: "a token whose lifetime is over counts as missing",
      play: (one, other) =>
        Effect.gen(function*() {
          yield* same(
            yield* one.put(yield* token("short", 3 * unit), yield* held(stage, one)),
            true,
            "the answer of put"
          )
          yield* same(yield* read(other), "short", "the token")
          yield* advance(2 * unit)
          yield* same(yield* read(other), "short", "the token before its end")
          yield* advance(unit)
          yield* same(yield* read(one), undefined, "the token after its end")
          yield* same(yield* read(other), undefined, "the token after its end")
          // the holder whose lease has ended makes room for the next one
          yield* same(yield* other.put(yield* token("next"), yield* held(stage, other)), true, "the answer of put")
          yield* same(yield* read(one), "next", "the token")
        })
    },
    {
      name: "a token of unknown lifetime stays",
      play: (one, other) =>
        Effect.gen(function*() {
          yield* same(yield* one.put(yield* token("opaque", null), yield* held(stage, one)), true, "the answer of put")
          yield* advance(3 * unit)
          yield* same(yield* read(other), "opaque", "the token")
          const got = Option.getOrThrow(yield* other.get(key))
          yield* holds(Option.isNone(got.expiresAt), "expiresAt is known, although it was not when the token was put")
          yield* holds(Option.isNone(got.refreshAt), "refreshAt is known, although it was not when the token was put")
        })
    },
    {
      name: "keys are texts of any kind, and have nothing to do with each other",
      play: (one, other) =>
        Effect.gen(function*() {
          for (const [i, key] of keys.entries()) {
            const put = yield* one.put(yield* token(`t${i}`), yield* held(stage, one, key))
            yield* same(put, true, `the answer of put for the key ${JSON.stringify(key.slice(0, 20))}`)
          }
          for (const [i, key] of keys.entries()) {
            yield* same(yield* read(other, key), `t${i}`, `the token of the key ${JSON.stringify(key.slice(0, 20))}`)
          }
          yield* one.remove("a", yield* token("t0"))
          yield* same(yield* read(one, "a"), undefined, "a token that was removed")
          yield* same(yield* read(one, "A"), "t1", "the token of another key")
        })
    },
    {
      name: "a long token is stored whole, and so is a short one after it",
      play: (one, other) =>
        Effect.gen(function*() {
          const lease = yield* held(stage, one)
          for (const length of [4097, longest, 1]) {
            const value = `${"0123456789".repeat(length / 10)}${"x".repeat(length % 10)}`
            const put = Effect.catchAll(
              one.put(yield* token(value), lease),
              ({ message }) => broken(`a token of ${length} characters is refused: ${message}`)
            )
            yield* same(yield* put, true, `the answer of put for ${length} characters`)
            for (const store of [one, other]) {
              const found = yield* read(store)
              yield* holds(
                found === value,
                found === undefined
                  ? `a token of ${length} characters is missing`
                  : found.length === length
                  ? `a token of ${length} characters has changed`
                  : `a token of ${length} characters has ${found.length}`
              )
            }
          }
        })
    },
    {
      name: "of tokens put at the same time, one is stored, and whole",
      play: (one, other) =>
        Effect.gen(function*() {
          const lease = yield* held(stage, one)
          const values = Array.from({ length: 20 }, (_, i) => `${i}-`.repeat(500))
          const stored = yield* Effect.forEach(
            values,
            (value) => Effect.flatMap(token(value), (token) => one.put(token, lease)),
            { concurrency: "unbounded" }
          )
          yield* holds(stored.every((put) => put), "not every put of the holder was accepted")
          const found = yield* read(other)
          yield* holds(found !== undefined && values.includes(found), "the stored token is none of those that were put")
        })
    },
    {
      name: "remove takes away exactly this token and no other",
      play: (one, other) =>
        Effect.gen(function*() {
          const lease = yield* held(stage, one)
          const first = yield* token("first")
          yield* one.remove(key, first)
          yield* one.put(first, lease)
          yield* other.remove(key, yield* token("another"))
          yield* same(yield* read(one), "first", "the token after another was removed")
          // only the secret value counts, not the other fields
          yield* other.remove(key, AccessToken.make({ value: "first" }))
          yield* same(yield* read(one), undefined, "a token that was removed")
          yield* same(yield* read(other), undefined, "a token that was removed")
          // a late caller takes nothing away
          yield* same(yield* one.put(yield* token("second"), lease), true, "the answer of put")
          yield* other.remove(key, first)
          yield* same(yield* read(other), "second", "the token after its predecessor was removed")
        })
    },
    {
      name: "a removed token does not come back",
      play: (one, other) =>
        Effect.gen(function*() {
          yield* one.put(yield* token("first"), yield* held(stage, one))
          yield* advance(unit)
          const second = yield* token("second")
          yield* other.put(second, yield* held(stage, other))
          yield* one.remove(key, second)
          yield* one.remove(key, second)
          yield* same(yield* read(one), undefined, "a token that was removed")
          yield* same(yield* read(other), undefined, "a token that was removed")
        })
    }
  ]
}

/** JWTs with many groups in them are long; servers take headers of up to 16 KiB. */
const longest = 16_000

/** Names that trouble files, URLs, patterns, slots of a cluster, and encodings: FAULTS T1. */
const keys = [
  "a",
  "A",
  "a ",
  "",
  "..",
  "../a",
  "/etc/passwd",
  "a\0b",
  "ü€😀",
  "*?[",
  "{a}",
  "x".repeat(5000),
  // the user is often at the end of a name
  ...[100, 250, 1000, 5000].flatMap((length) => ["y".repeat(length) + "1", "y".repeat(length) + "2"]),
  "é",
  "e\u0301",
  "a/",
  "?",
  "\ufffd",
  "\ud800",
  "\ud801",
  "\udc00",
  "%ud800"
]
