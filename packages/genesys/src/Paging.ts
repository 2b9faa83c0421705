/**
 * Lists that come in pages, as a `Stream`. A page is fetched when the consumer has taken all of the one before, and not
 * at all if it stops earlier.
 *
 * The three forms differ in how a page names the next one. All of them end, whatever the server does: a cursor that
 * comes again, the same page once more, or empty pages without end are a `PagingStuck`, because a list that stops
 * quietly looks complete.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as GenesysError from "./GenesysError.js"

/**
 * A numbered page. `pageCount` and `total` say where the list ends; without them a page that is not full is the last.
 *
 * @since 0.1.0
 * @category models
 */
export interface NumberedPage<out A> {
  readonly items: ReadonlyArray<A>
  /** Which page it is, to the server. */
  readonly pageNumber?: number | undefined
  readonly pageCount?: number | undefined
  /** All items of the list. */
  readonly total?: number | undefined
}

/**
 * A page that names the next one.
 *
 * @since 0.1.0
 * @category models
 */
export interface CursorPage<out A> {
  readonly items: ReadonlyArray<A>
  /** `None` on the last page. */
  readonly next: Option.Option<string>
}

/**
 * A part of a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface OffsetPage<out A> {
  readonly items: ReadonlyArray<A>
  /** All items of the list; without it a page that is not full is the last. */
  readonly total?: number | undefined
}

/**
 * Pages with numbers, the first being 1.
 *
 * @example
 * ```ts
 * import { Paging } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 *
 * const letters = [["a", "b"], ["c"]]
 * const stream = Paging.byNumber({
 *   pageSize: 2,
 *   fetch: ({ pageNumber }) => Effect.succeed({ items: letters[pageNumber - 1] ?? [], pageCount: 2 })
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const byNumber = <A, E, R>(options: {
  readonly fetch: (page: {
    readonly pageNumber: number
    readonly pageSize: number
  }) => Effect.Effect<NumberedPage<A>, E, R>
  /** Default 100. */
  readonly pageSize?: number | undefined
}): Stream.Stream<A, E | GenesysError.PagingStuck, R> => {
  const pageSize = atLeastOne(options.pageSize, 100)
  return pages<A, Numbered, E, R>(
    { number: 1, first: undefined },
    ({ first, number }) =>
      Effect.flatMap(options.fetch({ pageNumber: number, pageSize }), (page) => {
        const { items, pageNumber, total } = page
        // not by counting items: servers leave some out of a page without filling it up
        const pageCount = page.pageCount ?? (total === undefined ? undefined : Math.ceil(total / pageSize))
        const more = pageCount === undefined ? items.length >= pageSize : number < pageCount
        const stuck = (reason: GenesysError.PagingStuck["reason"]) =>
          Effect.fail(new GenesysError.PagingStuck({ reason, page: number }))
        if (pageNumber !== undefined && pageNumber !== number && items.length > 0) return stuck("missingPage")
        if (items.length === 0) return more ? stuck("missingPage") : Effect.succeed([items, Option.none()])
        const mark = identify(items)
        if (number > 1 && mark !== undefined && mark === first) return stuck("repeatedPage")
        return Effect.succeed([
          items,
          more ? Option.some({ number: number + 1, first: mark }) : Option.none()
        ])
      })
  )
}

interface Numbered {
  readonly number: number
  /** What the page before began with. */
  readonly first: string | undefined
}

/**
 * Pages that name the next one, by a cursor or a URI.
 *
 * @example
 * ```ts
 * import { Paging } from "@effect-bearer/genesys"
 * import { Effect, Option } from "effect"
 *
 * const stream = Paging.byCursor((cursor) =>
 *   Effect.succeed(Option.isNone(cursor)
 *     ? { items: [1, 2], next: Option.some("c2") }
 *     : { items: [3], next: Option.none() })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const byCursor = <A, E, R>(
  fetch: (cursor: Option.Option<string>) => Effect.Effect<CursorPage<A>, E, R>
): Stream.Stream<A, E | GenesysError.PagingStuck, R> =>
  // the set of cursors belongs to one run of the stream
  Stream.suspend(() => {
    const used = new Set<string>()
    return pages<A, { readonly cursor: Option.Option<string>; readonly page: number; readonly empty: number }, E, R>(
      { cursor: Option.none(), page: 1, empty: 0 },
      ({ cursor, empty, page }) =>
        Effect.flatMap(fetch(cursor), ({ items, next }) => {
          if (Option.isNone(next)) return Effect.succeed([items, Option.none()])
          const emptyNow = items.length === 0 ? empty + 1 : 0
          if (used.has(next.value)) {
            return Effect.fail(new GenesysError.PagingStuck({ reason: "repeatedCursor", page }))
          }
          if (emptyNow >= mostEmpty) return Effect.fail(new GenesysError.PagingStuck({ reason: "emptyPages", page }))
          used.add(next.value)
          return Effect.succeed([items, Option.some({ cursor: next, page: page + 1, empty: emptyNow })])
        })
    )
  })

/** A filter on the server's side can empty a few pages; a hundred in a row is no filter. */
const mostEmpty = 100

/**
 * Pages by offset, the first being 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const byOffset = <A, E, R>(options: {
  readonly fetch: (part: { readonly offset: number; readonly limit: number }) => Effect.Effect<OffsetPage<A>, E, R>
  /** Items of a page. Default 50. */
  readonly limit?: number | undefined
}): Stream.Stream<A, E | GenesysError.PagingStuck, R> => {
  const limit = atLeastOne(options.limit, 50)
  return pages<A, { readonly offset: number; readonly page: number; readonly first: string | undefined }, E, R>(
    { offset: 0, page: 1, first: undefined },
    ({ first, offset, page }) =>
      Effect.flatMap(options.fetch({ offset, limit }), ({ items, total }) => {
        const next = offset + items.length
        const more = total === undefined ? items.length >= limit : next < total
        if (items.length === 0) {
          return more
            ? Effect.fail(new GenesysError.PagingStuck({ reason: "missingPage", page }))
            : Effect.succeed([items, Option.none()])
        }
        const mark = identify(items)
        if (page > 1 && mark !== undefined && mark === first) {
          return Effect.fail(new GenesysError.PagingStuck({ reason: "repeatedPage", page }))
        }
        return Effect.succeed([
          items,
          more ? Option.some({ offset: next, page: page + 1, first: mark }) : Option.none()
        ])
      })
  )
}

// ---------------------------------------------------------------------------------------------------------------

const pages = <A, S, E, R>(
  start: S,
  step: (
    state: S
  ) => Effect.Effect<readonly [ReadonlyArray<A>, Option.Option<S>], E | GenesysError.PagingStuck, R>
): Stream.Stream<A, E | GenesysError.PagingStuck, R> =>
  Stream.paginateChunkEffect(
    start,
    (state) => Effect.map(step(state), ([items, next]) => [Chunk.fromIterable(items), next])
  )

/** The ids of a page, of items that have one: a page with the same ids is the same page. */
const identify = (items: ReadonlyArray<unknown>): string | undefined => {
  const ids = items.map((item) =>
    Predicate.hasProperty(item, "id")
      ? item.id
      : Predicate.hasProperty(item, "conversationId")
      ? item.conversationId
      : undefined
  )
  return ids.every(Predicate.isString) ? JSON.stringify(ids) : undefined
}

const atLeastOne = (value: number | undefined, fallback: number): number =>
  value === undefined || Number.isNaN(value) ? fallback : Math.max(1, Math.floor(value))
