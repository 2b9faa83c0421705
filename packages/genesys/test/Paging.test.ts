import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Either, FastCheck as fc, Option, Schema, Stream } from "effect"
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

/** Both numbered forms, of a server that gives `served` items at a time, whatever is asked for. */
const unlike = (count: number, served: number, told: ReadonlyArray<"total" | "pageSize" | "pageCount">) => {
  const all = numbers(count)
  const counts = Object.fromEntries(
    told.map((name) => [name, { total: count, pageSize: served, pageCount: Math.ceil(count / served) }[name]] as const)
  )
  let fetches = 0
  const part = (start: number) => Effect.sync(() => (fetches++, { items: all.slice(start, start + served), ...counts }))
  return {
    fetches: () => fetches,
    byNumber: (pageSize: number) =>
      Paging.byNumber({ pageSize, fetch: ({ pageNumber }) => part((pageNumber - 1) * served) }),
    byOffset: (limit: number) => Paging.byOffset({ limit, fetch: ({ offset }) => part(offset) })
  }
}

/** Reads a list of these pages, then of the last one for ever. */
const script = <P>(pages: ReadonlyArray<P>) => {
  let fetches = 0
  return {
    fetches: () => fetches,
    next: () => Effect.sync(() => pages[Math.min(fetches++, pages.length - 1)]!)
  }
}

const reasonOf = <A>(stream: Stream.Stream<A, { readonly reason: string; readonly page: number }>) =>
  Effect.map(Effect.flip(Stream.runDrain(stream)), ({ page, reason }) => `${reason} ${page}`)

const itemsOf = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const forms = ["byNumber", "byOffset", "byCursor"] as const

describe("Paging", () => {
  // SPEC C12
  for (const form of forms) {
    it.effect.prop(
      `${form}: every item comes once and in order, whatever totals the server states`,
      [
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom("pageCount" as const, "total" as const, "nothing" as const)
      ],
      ([count, size, told]) =>
        Effect.gen(function*() {
          const { [form]: stream, fetches } = source(count, told)
          assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(stream(size))), numbers(count))
          // where nothing is counted, only an empty page says that there are no more
          const more = told === "nothing" && form !== "byCursor" && count > 0 ? 1 : 0
          assert.strictEqual(fetches(), Math.max(1, Math.ceil(count / size)) + more)
        })
    )

    it.effect.prop(
      `${form}: only the pages that the consumer takes are fetched`,
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

  it.effect("a repeated cursor ends the stream with an error", () =>
    Effect.gen(function*() {
      for (const cycle of [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]]) {
        let n = 0
        const stream = Paging.byCursor(() => Effect.sync(() => ({ items: [n], next: Option.fromNullable(cycle[n++]) })))
        const error = yield* Effect.flip(Stream.runDrain(stream))
        assert.deepInclude(error, { _tag: "PagingStuck", reason: "repeatedCursor", page: cycle.length })
      }
    }))

  it.effect("very many empty pages in a row are an error, a few are not", () =>
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

  it.effect("a page that is repeated, missing or another one than asked for is an error", () =>
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

  for (const form of ["byNumber", "byOffset"] as const) {
    it.effect.prop(
      `${form}: all items are read, however many the server gives per page`,
      [
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.subarray(["total" as const, "pageSize" as const, "pageCount" as const])
      ],
      ([count, asked, served, told]) =>
        Effect.gen(function*() {
          const { [form]: stream, fetches } = unlike(count, served, told)
          assert.deepStrictEqual(yield* itemsOf(stream(asked)), numbers(count))
          const counted = told.includes("total") || (form === "byNumber" && told.includes("pageCount"))
          assert.strictEqual(
            fetches(),
            Math.max(1, Math.ceil(count / served)) + (counted || count === 0 ? 0 : 1)
          )
        })
    )

    it.effect(`${form}: a page that was read before is recognised, however long ago`, () =>
      Effect.gen(function*() {
        const [a, b, c] = [[1, 2], [3, 4], [5, 6]].map((ids) => ({ items: entities(ids) }))
        for (
          const [pages, stuck] of [
            [[a!], "repeatedPage 2"],
            [[a!, b!, a!], "repeatedPage 3"],
            [[a!, b!, c!, b!], "repeatedPage 4"]
          ] as const
        ) {
          for (const counts of [{}, { total: 1000 }]) {
            const { next } = script(pages.map((page) => ({ ...page, ...counts })))
            assert.strictEqual(yield* reasonOf(Paging[form]({ pageSize: 2, limit: 2, fetch: next })), stuck)
          }
        }
      }))

    it.effect(`${form}: without a total, a repeated page that is not full is the end`, () =>
      Effect.gen(function*() {
        const page = (...ids: ReadonlyArray<number>) => ({ items: entities(ids) })
        const read = (...pages: ReadonlyArray<{ readonly items: ReadonlyArray<{ readonly id: string }> }>) =>
          Paging[form]({ pageSize: 3, limit: 3, fetch: script(pages).next })
        assert.lengthOf(yield* itemsOf(read(page(1, 2))), 2)
        assert.lengthOf(yield* itemsOf(read(page(1, 2, 3), page(4))), 4)
        assert.lengthOf(yield* itemsOf(read(page(1), page(2, 3), page(4))), 4)
        // two pages of one length: that is what this server gives at a time
        assert.strictEqual(yield* reasonOf(read(page(1, 2), page(3, 4))), "repeatedPage 3")
        assert.strictEqual(yield* reasonOf(read(page(1), page(2, 3), page(4, 5))), "repeatedPage 4")
        // not the page before: whatever that is, it is no end
        assert.strictEqual(yield* reasonOf(read(page(1, 2), page(3), page(1, 2))), "repeatedPage 3")
        const counted = Paging[form]({
          pageSize: 3,
          limit: 3,
          fetch: () => Effect.succeed({ items: entities([1]), total: 2 })
        })
        assert.strictEqual(yield* reasonOf(counted), "repeatedPage 2")
      }))

    it.effect(`${form}: a page without a total is compared with the last total`, () =>
      Effect.gen(function*() {
        const read = (first: object, ...rest: ReadonlyArray<ReadonlyArray<number>>) =>
          Paging[form]({
            pageSize: 1,
            limit: 1,
            fetch: script([{ items: [0], ...first }, ...rest.map((items) => ({ items })), { items: [] }]).next
          })
        assert.strictEqual(yield* reasonOf(read({ total: 3 })), "missingPage 2")
        assert.strictEqual(yield* reasonOf(read({ total: 3 }, [1])), "missingPage 3")
        assert.lengthOf(yield* itemsOf(read({ total: 3 }, [1], [2], [3])), 3)
        if (form === "byNumber") {
          assert.strictEqual(yield* reasonOf(read({ pageCount: 3 })), "missingPage 2")
          assert.lengthOf(yield* itemsOf(read({ pageCount: 3 }, [1], [2], [3])), 3)
        }
      }))

    it.effect(`${form}: the stream can be run twice, and each run recognises only its own pages`, () =>
      Effect.gen(function*() {
        const stream = Paging[form]({
          fetch: (at) =>
            Effect.succeed({
              items: ("offset" in at ? at.offset === 0 : at.pageNumber === 1) ? entities([1, 2]) : []
            })
        })
        assert.deepStrictEqual(yield* itemsOf(stream), yield* itemsOf(stream))
      }))
  }

  it.effect("items that a server leaves out are not missing", () =>
    Effect.gen(function*() {
      const hidden = [3, 14]
      const read = (counts: object) =>
        Paging.byNumber({
          pageSize: 10,
          fetch: ({ pageNumber }) =>
            Effect.succeed({
              items: numbers(20).slice((pageNumber - 1) * 10, pageNumber * 10).filter((n) => !hidden.includes(n)),
              ...counts
            })
        })
      for (const counts of [{}, { total: 20 }, { pageCount: 2 }, { total: 20, pageSize: 10 }]) {
        assert.lengthOf(yield* itemsOf(read(counts)), 18)
      }
      // all of the last page
      const { next } = script([{ items: [1], pageCount: 2 }, { items: [], pageCount: 2 }])
      assert.lengthOf(yield* itemsOf(Paging.byNumber({ pageSize: 1, fetch: next })), 1)
      // at 5 a page, the third one is not the last
      assert.strictEqual(
        yield* reasonOf(Paging.byNumber({
          pageSize: 10,
          fetch: ({ pageNumber }) =>
            Effect.succeed({
              items: pageNumber > 3 ? [] : [3 * pageNumber, 3 * pageNumber + 1],
              total: 23,
              ...(pageNumber === 1 ? { pageSize: 5 } : {})
            })
        })),
        "missingPage 4"
      )
      // a size that is none says nothing
      assert.lengthOf(yield* itemsOf(read({ total: 20, pageSize: 0 })), 18)
    }))

  it.effect("a page that is larger than asked for counts with its real size", () =>
    Effect.gen(function*() {
      const { fetches, next } = script([{ items: numbers(25) }, { items: [], total: 25 }])
      assert.lengthOf(yield* itemsOf(Paging.byNumber({ pageSize: 10, fetch: next })), 25)
      assert.strictEqual(fetches(), 2)
    }))

  it.effect("a cursor that is new does not make a page new", () =>
    Effect.gen(function*() {
      const read = <A>(pages: ReadonlyArray<ReadonlyArray<A>>) => {
        let n = 0
        return Paging.byCursor(() =>
          Effect.sync(() => ({ items: pages[n % pages.length]!, next: Option.some(`${n++}`) }))
        )
      }
      assert.strictEqual(yield* reasonOf(read([entities([1, 2])])), "repeatedPage 2")
      assert.strictEqual(yield* reasonOf(read([entities([1]), entities([2])])), "repeatedPage 3")
      assert.strictEqual(yield* reasonOf(read([[{ name: "a" }, { name: "b" }], []])), "repeatedPage 3")
      // and if it is the last one
      const { next } = script([
        { items: entities([1]), next: Option.some("a") },
        { items: entities([1]), next: Option.none() }
      ])
      assert.strictEqual(yield* reasonOf(Paging.byCursor(next)), "repeatedPage 2")
    }))

  it.effect("equal pages of plain values are no error, up to a limit", () =>
    Effect.gen(function*() {
      const of = <A>(items: ReadonlyArray<A>, total: number | undefined) =>
        Paging.byNumber({ pageSize: items.length, fetch: () => Effect.succeed({ items, total }) })
      assert.lengthOf(yield* itemsOf(of(["same"], 3)), 3)
      assert.lengthOf(yield* itemsOf(of([{ on: true }, { on: true }], 200)), 200)
      for (const items of [["same"], [{ on: true }, { on: true }], [null], [{}, {}]]) {
        assert.strictEqual(yield* reasonOf(of<unknown>(items, undefined)), "repeatedPage 101")
      }
      // alike in part
      for (const last of [{ name: "a" }, { id: "2" }]) {
        const { next } = script([[{ id: "1" }, { name: "b" }], [{ id: "1" }, last], []].map((items) => ({ items })))
        assert.lengthOf(yield* itemsOf(Paging.byNumber({ pageSize: 2, fetch: next })), 4)
      }
      const { next } = script([["a", "b"], ["a", "c"], []].map((items) => ({ items })))
      assert.lengthOf(yield* itemsOf(Paging.byNumber({ pageSize: 2, fetch: next })), 4)
      // values that are all different are not the same once more
      assert.strictEqual(yield* reasonOf(of(["a", "b"], 1000)), "repeatedPage 2")
      assert.strictEqual(yield* reasonOf(of([{ on: true }, { on: false }], 1000)), "repeatedPage 2")
    }))

  it.effect("items are compared by their ids, not by members that change with time", () =>
    Effect.gen(function*() {
      for (const id of [{ id: "1" }, { id: 1 }, { conversationId: "1" }]) {
        let at = 0
        const stream = Paging.byNumber({
          pageSize: 1,
          fetch: () => Effect.sync(() => ({ items: [{ ...id, at: at++ }], total: 100 }))
        })
        assert.strictEqual(yield* reasonOf(stream), "repeatedPage 2")
      }
      // the same names, of others
      const raw = (n: number) => entities([2 * n, 2 * n + 1])
      const names = Paging.byNumber({
        pageSize: 2,
        fetch: ({ pageNumber }) => Effect.succeed({ items: ["Ann", "Bob"], raw: raw(pageNumber), total: 6 })
      })
      assert.lengthOf(yield* itemsOf(names), 6)
      const cursors = Paging.byCursor((cursor) =>
        Effect.sync(() => {
          const n = Number(Option.getOrElse(cursor, () => "0"))
          return { items: ["Ann", "Bob"], raw: raw(n), next: n < 2 ? Option.some(String(n + 1)) : Option.none() }
        })
      )
      assert.lengthOf(yield* itemsOf(cursors), 6)
      const offsets = Paging.byOffset({
        limit: 2,
        fetch: ({ offset }) => Effect.succeed({ items: ["Ann", "Bob"], raw: raw(offset), total: 6 })
      })
      assert.lengthOf(yield* itemsOf(offsets), 6)
    }))

  it.effect("members that JSON does not show are not compared", () =>
    Effect.gen(function*() {
      class Hidden {
        #value = 1
        get value() {
          return this.#value
        }
      }
      const cycle: Record<string, unknown> = {}
      cycle["self"] = cycle
      for (const item of [new Hidden(), new Map([[1, 1]]), 1n, cycle, () => 1]) {
        const stream = Paging.byNumber({ pageSize: 1, fetch: () => Effect.succeed({ items: [item], total: 150 }) })
        assert.lengthOf(yield* itemsOf(stream), 150)
      }
    }))
})

describe("lists of the API", () => {
  const Item = Schema.Struct({ id: Schema.String })

  it.effect("a list follows nextUri, and refuses one that leads to another host", () =>
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
  it.effect("a list is asked for by limit and offset", () =>
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
        "?limit=50&offset=100&q=a+b",
        // without a total, only an empty page is the end
        "?limit=50&offset=120&q=a+b"
      ])
    }).pipe(Effect.scoped))

  const Name = Schema.Struct({ name: Schema.String, changed: Schema.Number })
  let changes = 0
  const named = (ids: ReadonlyArray<number>) =>
    ids.map((id) => ({ id: String(id), name: `n${id}`, changed: changes++ }))
  type List = (path: string) => Stream.Stream<{ readonly name: string }, unknown, GenesysCloud.GenesysCloud>
  const lists: Record<"list" | "listByOffset" | "listByCursor", List> = {
    list: (path) => GenesysApi.list(path, Name, { pageSize: 50 }),
    listByOffset: (path) => GenesysApi.listByOffset(path, Name, { limit: 50 }),
    listByCursor: (path) => GenesysApi.listByCursor(path, Name, { pageSize: 50 })
  }
  const read = (list: List, reply: (query: URLSearchParams, nth: number) => unknown) =>
    Effect.gen(function*() {
      const { calls, client } = test.memory(({ url }, nth) => Response.json(reply(new URL(url).searchParams, nth)))
      const cloud = yield* test.connectTo(client)
      const result = yield* list("/api/v2/things").pipe(
        // a list without an end would keep the test from ending
        Stream.take(1000),
        Stream.runCollect,
        Effect.either,
        Effect.provideService(GenesysCloud.GenesysCloud, cloud)
      )
      return { result, requests: calls.length }
    }).pipe(Effect.scoped)

  it.effect("a list ends, whatever the server does, though the schema of its items has no id", () =>
    Effect.gen(function*() {
      const servers = [
        [2, () => ({ entities: named(numbers(50)) })],
        [2, () => ({ entities: named(numbers(50)), total: 1000 })],
        [3, (nth: number) => ({ entities: named(numbers(50).map((n) => n + 50 * (nth % 2))) })]
      ] as const
      for (const [name, list] of Object.entries(lists)) {
        for (const [requests, reply] of servers) {
          const outcome = yield* read(list, (_, nth) => ({ ...reply(nth), cursor: `c${nth}` }))
          assert.deepInclude(Option.getOrThrow(Either.getLeft(outcome.result)), { reason: "repeatedPage" }, name)
          assert.strictEqual(outcome.requests, requests)
        }
      }
    }))

  it.effect("equal items are told from a repeated page", () =>
    Effect.gen(function*() {
      for (const list of Object.values(lists)) {
        const { result } = yield* read(list, (_, nth) => ({
          entities: numbers(50).map((n) => ({ id: `${nth} ${n}`, name: `n${n}`, changed: 0 })),
          total: 200,
          ...(nth < 4 ? { cursor: `c${nth}` } : {})
        }))
        assert.strictEqual(Either.getOrThrow(result).length, 200)
      }
    }))

  it.effect("a list goes on if the server gives fewer items than asked for", () =>
    Effect.gen(function*() {
      const page = (start: number) => ({ entities: named(numbers(23).slice(start, start + 5)) })
      const numbered = (query: URLSearchParams) => page((Number(query.get("pageNumber")) - 1) * 5)
      for (
        const [requests, counts] of [
          [5, { total: 23, pageSize: 5 }],
          [5, { total: 23 }],
          [6, { pageSize: 5 }],
          [6, {}],
          [6, { total: null, pageSize: null, pageCount: null }]
        ] as const
      ) {
        const result = yield* read(lists.list, (query) => ({ ...numbered(query), ...counts }))
        assert.strictEqual(Either.getOrThrow(result.result).length, 23)
        assert.strictEqual(result.requests, requests)
      }
      // by its own word this page is full, so it is not all
      const stuck = yield* read(lists.list, () => ({ ...page(0), pageSize: 5 }))
      assert.isTrue(Either.isLeft(stuck.result))
      for (const [requests, counts] of [[5, { total: 23 }], [6, {}]] as const) {
        const result = yield* read(lists.listByOffset, (query) => ({ ...page(Number(query.get("offset"))), ...counts }))
        assert.strictEqual(Either.getOrThrow(result.result).length, 23)
        assert.strictEqual(result.requests, requests)
      }
    }))

  it.effect("a list ends if the server gives more items than asked for, and then all of them", () =>
    Effect.gen(function*() {
      const { requests, result } = yield* read(lists.list, (query) => {
        const start = (Number(query.get("pageNumber")) - 1) * 100
        return { entities: named(numbers(200).slice(start, start + 100)), total: 200 }
      })
      assert.deepStrictEqual([Either.getOrThrow(result).length, requests], [200, 2])
    }))

  it.effect("an empty cursor or nextUri means that there is no next page", () =>
    Effect.gen(function*() {
      for (
        const last of [{}, { cursor: "" }, { nextUri: "" }, { cursor: "", nextUri: "" }, {
          cursor: null,
          nextUri: null
        }]
      ) {
        const { requests, result } = yield* read(lists.listByCursor, () => ({ entities: named([1]), ...last }))
        assert.deepStrictEqual([Either.getOrThrow(result).length, requests], [1, 1])
      }
      const { requests } = yield* read(lists.listByCursor, (query) =>
        query.has("page")
          ? { entities: named([2]) }
          : { entities: named([1]), cursor: "", nextUri: "/api/v2/things?page=2" })
      assert.strictEqual(requests, 2)
    }))

  it.effect("ids that would lead to another path are refused", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* GenesysApi.path`/api/v2/users/${"a/b?c#d e"}/x`, "/api/v2/users/a%2Fb%3Fc%23d%20e/x")
      for (const id of ["", " ", ".", ".."]) {
        const error = yield* Effect.flip(GenesysApi.path`/api/v2/users/${id}`)
        assert.include(error.message, "id in users")
      }
      // encodeURIComponent throws for these
      for (const id of ["\ud83d", "a\ude00b", "\ude00\ud83d", undefined as never, 7 as never]) {
        assert.strictEqual((yield* Effect.flip(GenesysApi.path`/api/v2/users/${id}`))._tag, "InvalidCall")
      }
      assert.strictEqual(yield* GenesysApi.path`/api/v2/users/${"\ud83d\ude00"}`, "/api/v2/users/%F0%9F%98%80")
    }))
})
