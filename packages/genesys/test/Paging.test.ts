import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck as fc, Option, Schema, Stream } from "effect"
import { GenesysApi, GenesysCloud, Paging } from "../src/index.js"
import * as test from "./utils/cloud.js"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
const entities = (ids: ReadonlyArray<number>) => ids.map((id) => ({ id: String(id) }))

/** A list in the three forms, which says how often it was asked. */
const source = (count: number, told: "pageCount" | "total" | "nothing") => {
  const all = numbers(count)
  let fetches = 0
  const counted = <A>(value: () => A) => Effect.sync(() => (fetches++, value()))
  return {
    fetches: () => fetches,
    byNumber: (pageSize: number) =>
      Paging.byNumber({
        pageSize,
        fetch: ({ pageNumber, pageSize }) =>
          counted(() => ({
            items: all.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
            pageNumber,
            ...(told === "pageCount" ? { pageCount: Math.ceil(count / pageSize) } : {}),
            ...(told === "total" ? { total: count } : {})
          }))
      }),
    byOffset: (limit: number) =>
      Paging.byOffset({
        limit,
        fetch: ({ limit, offset }) =>
          counted(() => ({
            items: all.slice(offset, offset + limit),
            ...(told === "nothing" ? {} : { total: count })
          }))
      }),
    byCursor: (size: number) =>
      Paging.byCursor((cursor) =>
        counted(() => {
          const start = Option.match(cursor, { onNone: () => 0, onSome: Number })
          const next = start + size
          return { items: all.slice(start, next), next: next < count ? Option.some(String(next)) : Option.none() }
        })
      )
  }
}

const forms = ["byNumber", "byOffset", "byCursor"] as const

describe("Paging", () => {
  // SPEC C12
  for (const form of forms) {
    it.effect.prop(
      `${form} gives every item once, in order, whatever the server tells`,
      [
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom("pageCount" as const, "total" as const, "nothing" as const)
      ],
      ([count, size, told]) =>
        Effect.gen(function*() {
          const { [form]: stream, fetches } = source(count, told)
          assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(stream(size))), numbers(count))
          assert.isAtMost(fetches(), Math.floor(count / size) + 1)
        })
    )

    it.effect.prop(
      `${form} fetches only what is taken`,
      [fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 12 })],
      ([taken, size]) =>
        Effect.gen(function*() {
          const { [form]: stream, fetches } = source(100, "total")
          yield* Stream.runDrain(Stream.take(stream(size), taken))
          assert.strictEqual(fetches(), Math.ceil(taken / size))
        })
    )

    it.effect(`${form} waits for a slow consumer, and can be run twice`, () =>
      Effect.gen(function*() {
        const { [form]: stream, fetches } = source(10, "nothing")
        const pages = stream(2)
        yield* Stream.runForEach(pages, (item) =>
          Effect.sync(() => assert.strictEqual(fetches(), Math.floor(item / 2) + 1)))
        const before = fetches()
        yield* Stream.runDrain(pages)
        assert.strictEqual(fetches(), 2 * before)
      }))
  }

  it.effect("a cursor that comes again ends the stream with an error", () =>
    Effect.gen(function*() {
      for (const cycle of [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]]) {
        let n = 0
        const stream = Paging.byCursor(() => Effect.sync(() => ({ items: [n], next: Option.fromNullable(cycle[n++]) })))
        const error = yield* Effect.flip(Stream.runDrain(stream))
        assert.deepInclude(error, { _tag: "PagingStuck", reason: "repeatedCursor", page: cycle.length })
      }
    }))

  it.effect("empty pages without end are an error, a few are none", () =>
    Effect.gen(function*() {
      let n = 0
      const endless = Paging.byCursor(() => Effect.sync(() => ({ items: [], next: Option.some(String(n++)) })))
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(endless))).reason, "emptyPages")
      assert.strictEqual(n, 100)
      n = 0
      const gaps = Paging.byCursor(() =>
        Effect.sync(() => ({
          items: n % 10 === 0 ? [n] : [],
          next: n < 50 ? Option.some(String(n++)) : Option.none()
        }))
      )
      assert.strictEqual((yield* Stream.runCollect(gaps)).length, 6)
    }))

  it.effect("a page that comes again, is missing, or is another one, is an error", () =>
    Effect.gen(function*() {
      const same = () => Effect.succeed({ items: entities([1, 2]) })
      const stuck = <A>(stream: Stream.Stream<A, { readonly reason: string }>) =>
        Effect.map(Effect.flip(Stream.runDrain(stream)), ({ reason }) => reason)
      assert.strictEqual(yield* stuck(Paging.byNumber({ pageSize: 2, fetch: same })), "repeatedPage")
      assert.strictEqual(yield* stuck(Paging.byOffset({ limit: 2, fetch: same })), "repeatedPage")
      const hole = ({ pageNumber }: { readonly pageNumber: number }) =>
        Effect.succeed({ items: pageNumber === 2 ? [] : [pageNumber], pageCount: 3 })
      assert.strictEqual(yield* stuck(Paging.byNumber({ fetch: hole })), "missingPage")
      assert.strictEqual(
        yield* stuck(
          Paging.byOffset({
            limit: 1,
            fetch: ({ offset }) => Effect.succeed({ items: offset > 0 ? [] : [1], total: 2 })
          })
        ),
        "missingPage"
      )
      const last = () => Effect.succeed({ items: [1], pageNumber: 1, pageCount: 3 })
      assert.strictEqual(yield* stuck(Paging.byNumber({ fetch: last })), "missingPage")
    }))

  it.effect("equal pages of plain values are no error", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(
        Paging.byNumber({ pageSize: 1, fetch: () => Effect.succeed({ items: ["same"], total: 3 }) })
      )
      assert.strictEqual(items.length, 3)
    }))
})

describe("lists of the API", () => {
  const Item = Schema.Struct({ id: Schema.String })

  it.effect("follow nextUri, and refuse one that leads elsewhere", () =>
    Effect.gen(function*() {
      const { calls, client } = test.memory(({ url }) =>
        Response.json(
          url.includes("page=2")
            ? { entities: entities([3]), nextUri: "https://evil.example/api/v2/things?page=3" }
            : { entities: entities([1, 2]), nextUri: "/api/v2/things?page=2" }
        )
      )
      const cloud = yield* test.connectTo(client)
      const seen: Array<string> = []
      const error = yield* GenesysApi.listByCursor("/api/v2/things", Item, { pageSize: 2 }).pipe(
        Stream.runForEach(({ id }) => Effect.sync(() => void seen.push(id))),
        Effect.flip,
        Effect.provideService(GenesysCloud.GenesysCloud, cloud)
      )
      assert.deepStrictEqual(seen, ["1", "2", "3"])
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.deepStrictEqual(calls.map(({ url }) => url), [
        "https://api.mypurecloud.de/api/v2/things?pageSize=2",
        "https://api.mypurecloud.de/api/v2/things?page=2"
      ])
    }).pipe(Effect.scoped))

  // SPEC C12
  it.effect("ask by limit and offset", () =>
    Effect.gen(function*() {
      const { calls, client } = test.memory(({ url }) => {
        const query = new URL(url).searchParams
        const offset = Number(query.get("offset"))
        return Response.json({ results: entities(numbers(120).slice(offset, offset + Number(query.get("limit")))) })
      })
      const cloud = yield* test.connectTo(client)
      const items = yield* GenesysApi.listByOffset("/api/v2/things", Item, {
        items: "results",
        urlParams: { q: "a b" }
      })
        .pipe(Stream.runCollect, Effect.provideService(GenesysCloud.GenesysCloud, cloud))
      assert.deepStrictEqual(Chunk.toReadonlyArray(items), entities(numbers(120)))
      assert.deepStrictEqual(calls.map(({ url }) => new URL(url).search), [
        "?limit=50&offset=0&q=a+b",
        "?limit=50&offset=50&q=a+b",
        "?limit=50&offset=100&q=a+b"
      ])
    }).pipe(Effect.scoped))

  it.effect("a path refuses ids that would lead elsewhere", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* GenesysApi.path`/api/v2/users/${"a/b?c#d e"}/x`, "/api/v2/users/a%2Fb%3Fc%23d%20e/x")
      for (const id of ["", " ", ".", ".."]) {
        const error = yield* Effect.flip(GenesysApi.path`/api/v2/users/${id}`)
        assert.include(error.message, "id in users")
      }
    }))
})
