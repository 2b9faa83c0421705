import { inspect } from "node:util"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigProvider,
  Effect,
  Either,
  Encoding,
  Exit,
  FastCheck,
  Layer,
  Option,
  Redacted,
  TestClock
} from "effect"
import { AccessToken, TokenError, TokenStore } from "../../src/index.js"
import { secret } from "../support/observe.js"

const key = "tenant|users:read"
const bytes = (seed: number) => Uint8Array.from({ length: 32 }, (_, i) => (i * 7 + seed) % 256)
const material = (seed: number) => Redacted.make(Encoding.encodeBase64(bytes(seed)))

const memory = Effect.provide(TokenStore.TokenStore, TokenStore.layerMemory)

const token = AccessToken.make({
  value: "s3cr3t-token",
  tokenType: "DPoP",
  scopes: "hidden:scope",
  issuedAt: 0,
  expiresAt: 3_600_000,
  refreshAt: 1_800_000,
  extra: { id_token: "s3cr3t-extra" }
})

const held = (store: TokenStore.Service, of = key) => Effect.map(store.acquire(of, "10 seconds"), Option.getOrThrow)

const fill = (store: TokenStore.Service, of = key) =>
  Effect.gen(function*() {
    const lease = yield* held(store, of)
    yield* store.put(token, lease)
    yield* store.release(lease)
  })

const seal = (inner: TokenStore.Service, keys: TokenStore.Keys) => TokenStore.encrypted(keys)(inner)

describe("TokenStore.encrypted", () => {
  // I9
  it.effect("gives the store inside only an envelope and times", () =>
    Effect.gen(function*() {
      const inner = yield* memory
      const store = yield* seal(inner, { id: "2026-01", key: material(1) })
      yield* fill(store)
      const outer = Option.getOrThrow(yield* inner.get(key))
      assert.match(secret(outer), /^v1\.2026-01\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/)
      assert.deepStrictEqual(
        [outer.issuedAt, outer.scopes, outer.tokenType, Redacted.value(outer.extra)],
        [token.issuedAt, [], "Sealed", {}]
      )
      assert.deepStrictEqual([outer.expiresAt, outer.refreshAt].map(Option.getOrNull), [3_600_000, 1_800_000])
      const got = Option.getOrThrow(yield* store.get(key))
      assert.isTrue(AccessToken.isSame(got, token))
      assert.deepStrictEqual([got.scopes, got.tokenType], [token.scopes, token.tokenType])
      assert.deepStrictEqual(Redacted.value(got.extra), { id_token: "s3cr3t-extra" })
      // the same token never gives the same envelope twice
      yield* fill(store)
      assert.notStrictEqual(secret(Option.getOrThrow(yield* inner.get(key))), secret(outer))
    }))

  it.effect("uses the times from the store inside, which may have moved them to this machine's clock", () =>
    Effect.gen(function*() {
      const inner = yield* memory
      yield* fill(yield* seal(inner, material(1)))
      const moved: TokenStore.Service = {
        ...inner,
        get: (key) =>
          Effect.map(
            inner.get(key),
            Option.map((outer) =>
              new AccessToken.AccessToken({
                ...outer,
                issuedAt: outer.issuedAt + 5,
                expiresAt: Option.some(7),
                refreshAt: Option.none()
              })
            )
          )
      }
      const got = Option.getOrThrow(yield* (yield* seal(moved, material(1))).get(key))
      assert.deepStrictEqual([got.issuedAt, Option.getOrNull(got.expiresAt), Option.getOrNull(got.refreshAt)], [
        5,
        7,
        null
      ])
      assert.strictEqual(secret(got), "s3cr3t-token")
    }))

  // FAULTS T6
  describe("times", () => {
    const short = AccessToken.make({ value: "short", issuedAt: 1000, expiresAt: 3000, refreshAt: 2000 })
    const endless = AccessToken.make({ value: "endless", issuedAt: 1000 })
    type Times = Partial<Pick<AccessToken.AccessToken, "issuedAt" | "expiresAt" | "refreshAt">>
    /** The result of `get` for an envelope whose times were changed. */
    const changed = (token: AccessToken.AccessToken, times: Times) =>
      Effect.gen(function*() {
        const inner = yield* memory
        let outer = token
        const catching: TokenStore.Service = { ...inner, put: (token) => Effect.sync(() => (outer = token, true)) }
        const store = yield* seal(catching, material(1))
        yield* store.put(token, yield* held(store))
        const forged = { ...inner, get: () => Effect.succeedSome(new AccessToken.AccessToken({ ...outer, ...times })) }
        return yield* Effect.either((yield* seal(forged, material(1))).get(key))
      })
    const hour = 3_600_000
    const forgeries: ReadonlyArray<readonly [what: string, token: AccessToken.AccessToken, times: Times]> = [
      ["a day instead of two seconds", short, { expiresAt: Option.some(24 * hour) }],
      ["two seconds more", short, { expiresAt: Option.some(5000) }],
      ["an earlier beginning and a later end", short, { issuedAt: 0, expiresAt: Option.some(5000) }],
      ["a life that begins in the future", short, {
        issuedAt: 1000 + hour,
        expiresAt: Option.some(3000 + hour),
        refreshAt: Option.none()
      }],
      ["a renewal after the end", short, { refreshAt: Option.some(hour) }],
      ["a renewal where there was none", endless, { refreshAt: Option.some(1) }],
      ["no time at all", short, { issuedAt: Number.NaN }],
      ["an infinite one", short, {
        issuedAt: Number.POSITIVE_INFINITY,
        expiresAt: Option.some(Number.POSITIVE_INFINITY)
      }]
    ]
    for (const [what, token, times] of forgeries) {
      it.effect(`an envelope whose outer times say ${what} is unreadable`, () =>
        Effect.gen(function*() {
          yield* TestClock.adjust(1000)
          const result = yield* changed(token, times)
          const error = Either.getOrThrow(Either.flip(result))
          assert.strictEqual(error.reason, "unreadable")
          assert.include(error.detail, "its times are not those it was sealed with")
        }))
    }

    it.effect("an old envelope that was put back is unreadable, but one moved between differing clocks is not", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust(24 * hour)
        const moved = (by: number): Times => ({
          issuedAt: 1000 + by,
          expiresAt: Option.some(3000 + by),
          refreshAt: Option.some(2000 + by)
        })
        assert.strictEqual((yield* changed(short, moved(24 * hour - 2000)))._tag, "Left")
        // a long life does not allow more than the difference of two machines' clocks either
        const long = AccessToken.make({ value: "long", issuedAt: 23 * hour, expiresAt: 24 * hour })
        const postponed = (by: number): Times => ({
          issuedAt: 23 * hour + by,
          expiresAt: Option.some(24 * hour + by)
        })
        assert.strictEqual((yield* changed(long, postponed(300_001)))._tag, "Left")
        assert.strictEqual((yield* changed(long, postponed(hour / 2)))._tag, "Left")
        assert.strictEqual((yield* changed(long, postponed(300_000)))._tag, "Right")
        // the clock of the writer is two minutes behind, or far ahead
        const late = AccessToken.make({ value: "late", issuedAt: 24 * hour - 120_000, expiresAt: 24 * hour + 1000 })
        const here = { issuedAt: 24 * hour, expiresAt: Option.some(24 * hour + 121_000) }
        assert.strictEqual((yield* changed(late, here))._tag, "Right")
        const ahead = AccessToken.make({ value: "ahead", issuedAt: 48 * hour, expiresAt: 49 * hour })
        assert.strictEqual(
          (yield* changed(ahead, { issuedAt: 24 * hour, expiresAt: Option.some(25 * hour) }))._tag,
          "Right"
        )
      }))

    it.effect("outer times that end a life sooner are accepted, and an unchanged token keeps its own times", () =>
      Effect.gen(function*() {
        const unsaid = Option.getOrThrow(yield* Effect.flatten(changed(short, { expiresAt: Option.none() })))
        assert.deepStrictEqual([unsaid.issuedAt, unsaid.expiresAt], [short.issuedAt, short.expiresAt])
        for (const token of [short, endless]) {
          const same = Option.getOrThrow(yield* Effect.flatten(changed(token, {})))
          assert.deepStrictEqual([same.issuedAt, same.expiresAt, same.refreshAt], [
            token.issuedAt,
            token.expiresAt,
            token.refreshAt
          ])
          const sooner = Option.getOrThrow(yield* Effect.flatten(changed(token, { expiresAt: Option.some(1500) })))
          assert.deepStrictEqual(sooner.expiresAt, Option.some(1500))
        }
      }))
  })

  // I9, SPEC C8
  it.scoped("a sealed file store leaves no trace of a token on the disk", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      yield* Effect.gen(function*() {
        const store = yield* TokenStore.TokenStore
        yield* fill(store)
        yield* held(store)
        for (const file of yield* fs.readDirectory(directory)) {
          const text = yield* fs.readFileString(`${directory}/${file}`)
          for (const hidden of ["s3cr3t", "hidden", "DPoP", "tenant", Encoding.encodeBase64("s3cr3t").slice(0, 7)]) {
            assert.notInclude(text, hidden)
            assert.notInclude(file, hidden)
          }
        }
        assert.strictEqual(secret(Option.getOrThrow(yield* store.get(key))), "s3cr3t-token")
      }).pipe(
        Effect.provide(TokenStore.layerFile({ directory }).pipe(TokenStore.encrypted(Config.redacted("KEY")))),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["KEY", Redacted.value(material(1))]])))
      )
    }).pipe(Effect.provide(NodeContext.layer)))

  // P20, SPEC C8
  it.effect("a token sealed with an unknown key is unreadable until the next put, and the error names the key id", () =>
    Effect.gen(function*() {
      const inner = yield* memory
      yield* fill(yield* seal(inner, { id: "old", key: material(1) }))
      const store = yield* seal(inner, { id: "new", key: material(2) })
      const error = yield* Effect.flip(store.get(key))
      assert.deepStrictEqual([error.operation, error.reason], ["get", "unreadable"])
      assert.include(error.detail, "the key of id old")
      yield* store.remove(key, token)
      assert.isTrue(Option.isSome(yield* inner.get(key)))
      yield* fill(store)
      assert.isTrue(Option.isSome(yield* store.get(key)))
      yield* store.remove(key, AccessToken.make({ value: "another" }))
      assert.isTrue(Option.isSome(yield* store.get(key)))
      yield* store.remove(key, token)
      assert.isTrue(Option.isNone(yield* inner.get(key)))
      // the same id for another key
      yield* fill(yield* seal(inner, { id: "new", key: material(3) }))
      assert.include((yield* Effect.flip(store.get(key))).detail, "the key of id new does not open it")
      // a token from before there was a key
      yield* fill(inner)
      const plain = yield* Effect.flip(store.get(key))
      assert.include(plain.detail, "it is not sealed")
      assert.notInclude(inspect(plain), "s3cr3t")
    }))

  it.effect("keys change without a gap: previous keys open, the current key seals", () =>
    Effect.gen(function*() {
      const inner = yield* memory
      const [one, two, three] = [material(1), material(2), material(3)] as const
      yield* fill(yield* seal(inner, one), "a")
      yield* fill(yield* seal(inner, { current: two, previous: [one] }), "b")
      const store = yield* seal(inner, { current: { id: "three", key: three }, previous: [two, one] })
      yield* fill(store, "c")
      for (const key of ["a", "b", "c"]) {
        assert.strictEqual(secret(Option.getOrThrow(yield* store.get(key))), "s3cr3t-token")
      }
      assert.include(secret(Option.getOrThrow(yield* inner.get("c"))), "v1.three.")
      const later = yield* seal(inner, { current: { id: "three", key: three } })
      assert.isTrue(Option.isSome(yield* later.get("c")))
      assert.strictEqual((yield* Effect.flip(later.get("b"))).reason, "unreadable")
    }))

  it.effect("a key is the same in every text form, and its id comes from its bytes", () =>
    Effect.gen(function*() {
      const inner = yield* memory
      const written: ReadonlyArray<TokenStore.Keys> = [
        Redacted.make(bytes(250)),
        Redacted.make(Encoding.encodeBase64(bytes(250))),
        Redacted.make(Encoding.encodeBase64(bytes(250)).replace("=", "")),
        Redacted.make(` ${Encoding.encodeBase64Url(bytes(250))}\n`),
        Redacted.make(Encoding.encodeHex(bytes(250))),
        Redacted.make(Encoding.encodeHex(bytes(250)).toUpperCase())
      ]
      const ids = new Set<string>()
      for (const one of written) {
        yield* fill(yield* seal(inner, one))
        ids.add(secret(Option.getOrThrow(yield* inner.get(key))).split(".")[1]!)
        for (const other of written) assert.isTrue(Option.isSome(yield* (yield* seal(inner, other)).get(key)))
      }
      assert.strictEqual(ids.size, 1)
      assert.match(Array.from(ids)[0]!, /^[0-9a-f]{8}$/)
      // the caller's bytes are copied
      const mutable = bytes(9)
      const store = yield* seal(inner, Redacted.make(mutable))
      mutable.fill(0)
      yield* fill(store)
      assert.isTrue(Option.isSome(yield* (yield* seal(inner, Redacted.make(bytes(9)))).get(key)))
    }))

  // I9
  it.effect("an invalid key is InvalidConfiguration, and is not shown", () =>
    Effect.gen(function*() {
      const good = material(1)
      const text = Encoding.encodeBase64(bytes(77))
      const wrong: ReadonlyArray<readonly [TokenStore.Keys, string, string]> = [
        [Redacted.make(""), "key", "this one is neither"],
        [Redacted.make(text.slice(0, 40)), "key", "this one is neither"],
        [Redacted.make(`${text.slice(0, 43)}!`), "key", "this one is neither"],
        [Redacted.make(Encoding.encodeHex(bytes(77)).slice(2)), "key", "this one is neither"],
        [Redacted.make(`g${Encoding.encodeHex(bytes(77)).slice(1)}`), "key", "this one is neither"],
        [Redacted.make(bytes(77).slice(1)), "key", "this one has more or fewer"],
        [Redacted.make(7 as never), "key", "a text or bytes"],
        [text as never, "key", "Redacted"],
        [bytes(77) as never, "key", "Redacted"],
        [undefined as never, "key", "Redacted"],
        [{} as never, "key", "Redacted"],
        [{ id: "a", key: text } as never, "key", "Redacted"],
        [{ current: good, previous: Redacted.make(text) } as never, "previous", "list"],
        [
          { current: good, previous: [material(2), Redacted.make(text.slice(1))] },
          "previous[1]",
          "this one is neither"
        ],
        [{ current: good, previous: [good] }, "key", "same"],
        [{ current: { id: "a", key: good }, previous: [{ id: "a", key: material(2) }] }, "key", "same id"],
        [{ id: "a.b", key: good }, "key", "letters"],
        [{ id: "", key: good }, "key", "letters"]
      ]
      for (const [keys, field, detail] of wrong) {
        for (
          const exit of [
            yield* Effect.exit(Effect.asVoid(Effect.flatMap(memory, TokenStore.encrypted(keys)))),
            yield* Effect.exit(
              Effect.asVoid(Effect.scoped(Layer.build(TokenStore.encrypted(keys)(TokenStore.layerMemory))))
            )
          ]
        ) {
          if (!Exit.isFailure(exit)) return assert.fail(detail)
          const { cause } = exit
          const error = Option.getOrThrow(Cause.failureOption(cause))
          assert.instanceOf(error, TokenError.InvalidConfiguration)
          assert.deepStrictEqual(error.fields, [field])
          assert.include(error.detail, detail)
          const shown = inspect(exit, { depth: 9 }) + JSON.stringify(exit) + Cause.pretty(cause) + error.stack
          for (const part of [text.slice(1, 20), Encoding.encodeHex(bytes(77)).slice(4, 20)]) {
            assert.notInclude(shown, part)
          }
        }
      }
    }))

  it.effect("shows no key and no token in any rendering of the store", () =>
    Effect.gen(function*() {
      const store = yield* seal(yield* memory, { current: material(1), previous: [Redacted.make(bytes(2))] })
      const layer = TokenStore.layerMemory.pipe(TokenStore.encrypted(material(1)))
      yield* fill(store)
      const shown = inspect([store, layer], { depth: 12, showHidden: true }) + JSON.stringify([store, layer])
      for (const hidden of [Redacted.value(material(1)), Encoding.encodeHex(bytes(1)), "s3cr3t"]) {
        assert.notInclude(shown, hidden)
      }
    }))

  it.effect("generateKey makes keys that work, and never the same key twice", () =>
    Effect.gen(function*() {
      const keys = yield* Effect.replicateEffect(TokenStore.generateKey, 20)
      assert.strictEqual(new Set(keys.map(Redacted.value)).size, 20)
      const [current, ...previous] = keys
      const store = yield* seal(yield* memory, { current: current!, previous })
      yield* fill(store)
      assert.isTrue(Option.isSome(yield* store.get(key)))
      assert.notInclude(inspect(keys), Redacted.value(current!))
    }))

  describe("an envelope", () => {
    /** The result of `get` for a text that is stored under the key. */
    const opened = (text: string, of = key) =>
      Effect.gen(function*() {
        const inner = yield* memory
        yield* inner.put(AccessToken.make({ value: text }), yield* held(inner, of))
        const store = yield* seal(inner, {
          current: { id: "one", key: material(1) },
          previous: [{ id: "two", key: material(2) }]
        })
        return yield* Effect.either(store.get(of))
      })
    const envelope = Effect.gen(function*() {
      const inner = yield* memory
      yield* fill(yield* seal(inner, { id: "one", key: material(1) }))
      return secret(Option.getOrThrow(yield* inner.get(key)))
    })
    const unreadable = (text: string, of = key) =>
      Effect.map(opened(text, of), (got) => {
        assert.strictEqual(got._tag, "Left", text)
        if (got._tag === "Left") assert.strictEqual(got.left.reason, "unreadable")
      })

    it.effect("an envelope does not open under another key of the store, or with another key's id", () =>
      Effect.gen(function*() {
        const text = yield* envelope
        assert.strictEqual((yield* opened(text))._tag, "Right")
        yield* unreadable(text, "tenant|users:writ")
        yield* unreadable(text.replace(".one.", ".two."))
      }))

    it.effect("an envelope does not open if any of its characters is changed, missing or added", () =>
      Effect.gen(function*() {
        const text = yield* envelope
        for (let i = 0; i < text.length; i++) {
          yield* unreadable(text.slice(0, i) + (text[i] === "A" ? "B" : "A") + text.slice(i + 1))
          yield* unreadable(text.slice(0, i) + text.slice(i + 1))
          yield* unreadable(`${text.slice(0, i)}.${text.slice(i)}`)
        }
        // the last character has unused bits: only one spelling is accepted
        const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for (const character of last) {
          if (character !== text.at(-1)) yield* unreadable(text.slice(0, -1) + character)
        }
        yield* Effect.forEach(["=", "==", "\n", " ", ".", "A", "AAAA"], (more) => unreadable(text + more))
      }))

    it.effect.prop(
      "any text, and any changed envelope, is unreadable and not a defect",
      [FastCheck.oneof(FastCheck.string(), FastCheck.nat(), FastCheck.webUrl()), FastCheck.nat(), FastCheck.string()],
      ([any, at, change]) =>
        Effect.gen(function*() {
          yield* unreadable(String(any))
          const text = yield* envelope
          const i = at % text.length
          const changed = text.slice(0, i) + change + text.slice(i + change.length)
          if (changed !== text) yield* unreadable(changed)
        })
    )
  })
})
