/**
 * Lists that come in pages, as a `Stream`. A page is fetched when the consumer has taken all of the one before, and not
 * at all if it stops earlier.
 *
 * The three forms differ in how a page names the next one. A list that stops quietly looks complete, and one that does
 * not stop is no list: a cursor or a page that comes again, a page that is missing although more are promised, and empty
 * pages without end are a `PagingStuck`. So a stream goes on for ever only if the server has new items for ever.
 *
 * A page that comes again is known by the ids of its items, and where they have none, by their JSON. Values without ids
 * may be equal: a page of one of them, or with one of them twice, may come again, but not a hundred times. What JSON does
 * not show is not compared; for such items, `raw` takes the page as it was sent.
 *
 * @since 0.1.0
 */

import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Settings from "effect-bearer/Settings"
import * as GenesysError from "./GenesysError.js"
import * as repeats from "./internal/repeats.js"

/**
 * A numbered page. `pageCount` says where the list ends, and without it `total`. Without both an empty page does, so that
 * a list costs one request more: what is short of the size asked for may be all that the server gives at a time.
 *
 * @since 0.1.0
 * @category models
 */
export interface NumberedPage<out A> {
  readonly items: ReadonlyArray<A>
  /** The items as they were sent, by which a page that comes again is known. Default `items`. */
  readonly raw?: ReadonlyArray<unknown> | undefined
  /** Which page it is, to the server. */
  readonly pageNumber?: number | undefined
  /** How many items a page has, to the server, which may allow fewer than were asked for. */
  readonly pageSize?: number | undefined
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
  /** The items as they were sent, by which a page that comes again is known. Default `items`. */
  readonly raw?: ReadonlyArray<unknown> | undefined
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
  /** The items as they were sent, by which a page that comes again is known. Default `items`. */
  readonly raw?: ReadonlyArray<unknown> | undefined
  /** All items of the list; without it the list ends with an empty page. */
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
}): Stream.Stream<A, E | GenesysError.PagingStuck, R> =>
  // the pages that are recognised are those of one run of the stream
  told("pageSize", options, () => {
    const asked = whole(sizes.pageSize, options.pageSize)
    const compare = repeats.make()
    return pages<A, Numbered, E, R>(
      { number: 1, seen: 0, pageSize: asked, longest: asked, short: false },
      (state) =>
        Effect.flatMap(options.fetch({ pageNumber: state.number, pageSize: asked }), (page): Step<A, Numbered> => {
          const { number } = state
          const { items, pageCount = state.pageCount, pageNumber = number, raw = items, total = state.total } = page
          const pageSize = page.pageSize !== undefined && page.pageSize > 0 ? page.pageSize : state.pageSize
          const stuck = (reason: GenesysError.PagingStuck["reason"]) =>
            Effect.fail(new GenesysError.PagingStuck({ reason, page: number }))
          if (items.length === 0) {
            // not by counting items alone: servers leave some out of a page without filling it up
            const promised = pageCount === undefined
              ? total !== undefined && state.seen < total && (number - 1) * pageSize < total
              : number < pageCount
            return promised ? stuck("missingPage") : end
          }
          const { asBefore, repeated } = compare(raw)
          if (asBefore && state.short) return end
          if (pageNumber !== number) return stuck("missingPage")
          if (repeated) return stuck("repeatedPage")
          const seen = state.seen + items.length
          const counted = pageCount !== undefined || total !== undefined
          const more = pageCount === undefined ? total === undefined || seen < total : number < pageCount
          return Effect.succeed([
            items,
            more
              ? Option.some({
                number: number + 1,
                seen,
                pageSize,
                pageCount,
                total,
                longest: number === 1 ? items.length : Math.max(state.longest, items.length),
                short: !counted && items.length < Math.min(pageSize, state.longest)
              })
              : Option.none()
          ])
        })
    )
  })

interface Numbered extends Uncounted {
  readonly number: number
  /** Items so far. */
  readonly seen: number
  /** As last said by the server. */
  readonly pageSize: number
  readonly pageCount?: number | undefined
  readonly total?: number | undefined
}

/** What is known of a list whose server counts nothing. */
interface Uncounted {
  /** The most items that a page had; before the first page, the size that is asked for. */
  readonly longest: number
  /**
   * The page before was not full. If it comes again, that was all: the server does not know of pages, or gives the last
   * one for those after it.
   */
  readonly short: boolean
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
  Stream.suspend(() => {
    const used = new Set<string>()
    const compare = repeats.make()
    return pages<A, { readonly cursor: Option.Option<string>; readonly page: number; readonly empty: number }, E, R>(
      { cursor: Option.none(), page: 1, empty: 0 },
      ({ cursor, empty, page }) =>
        Effect.flatMap(fetch(cursor), ({ items, next, raw = items }) => {
          const stuck = (reason: GenesysError.PagingStuck["reason"]) =>
            Effect.fail(new GenesysError.PagingStuck({ reason, page }))
          // a cursor can be as long as the server likes, and a list have any number of them
          const mark = Option.map(next, repeats.digest)
          if (Option.isSome(mark) && used.has(mark.value)) return stuck("repeatedCursor")
          if (compare(raw).repeated) return stuck("repeatedPage")
          if (Option.isNone(mark)) return Effect.succeed([items, Option.none()])
          const emptyNow = items.length === 0 ? empty + 1 : 0
          if (emptyNow >= mostEmpty) return stuck("emptyPages")
          used.add(mark.value)
          return Effect.succeed([items, Option.some({ cursor: next, page: page + 1, empty: emptyNow })])
        })
    )
  })

/** A filter on the server's side can empty a few pages; a hundred in a row is no filter. */
const mostEmpty = 100

/**
 * Pages by offset, the first being 0. The next offset is what was read, whatever was asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const byOffset = <A, E, R>(options: {
  readonly fetch: (part: { readonly offset: number; readonly limit: number }) => Effect.Effect<OffsetPage<A>, E, R>
  /** Items of a page. Default 50. */
  readonly limit?: number | undefined
}): Stream.Stream<A, E | GenesysError.PagingStuck, R> =>
  told("limit", options, () => {
    const limit = whole(sizes.limit, options.limit)
    const compare = repeats.make()
    return pages<A, Offset, E, R>(
      { offset: 0, page: 1, longest: limit, short: false },
      (state) =>
        Effect.flatMap(options.fetch({ offset: state.offset, limit }), (part): Step<A, Offset> => {
          const { offset, page } = state
          const { items, raw = items, total = state.total } = part
          const stuck = (reason: GenesysError.PagingStuck["reason"]) =>
            Effect.fail(new GenesysError.PagingStuck({ reason, page }))
          if (items.length === 0) return total !== undefined && offset < total ? stuck("missingPage") : end
          const { asBefore, repeated } = compare(raw)
          if (asBefore && state.short) return end
          if (repeated) return stuck("repeatedPage")
          const next = offset + items.length
          return Effect.succeed([
            items,
            total === undefined || next < total
              ? Option.some({
                offset: next,
                page: page + 1,
                total,
                longest: page === 1 ? items.length : Math.max(state.longest, items.length),
                short: total === undefined && items.length < state.longest
              })
              : Option.none()
          ])
        })
    )
  })

interface Offset extends Uncounted {
  readonly offset: number
  readonly page: number
  readonly total?: number | undefined
}

// ---------------------------------------------------------------------------------------------------------------

/** The items of a page, and where the next one is. */
type Step<A, S, E = never, R = never> = Effect.Effect<
  readonly [items: ReadonlyArray<A>, next: Option.Option<S>],
  E | GenesysError.PagingStuck,
  R
>

const end = Effect.succeed([[], Option.none()] as const)

const pages = <A, S, E, R>(
  start: S,
  step: (state: S) => Step<A, S, E, R>
): Stream.Stream<A, E | GenesysError.PagingStuck, R> =>
  Stream.paginateChunkEffect(
    start,
    (state) => Effect.map(step(state), ([items, next]) => [Chunk.fromIterable(items), next])
  )

const sizes = { pageSize: Settings.number(100, { least: 1 }), limit: Settings.number(50, { least: 1 }) }

const whole = (setting: Settings.Setting, given: unknown): number => Math.floor(Settings.value(setting, given))

/** A stream that begins with a warning if the size of its pages is not valid: its errors are those of the API only. */
const told = <A, E, R>(
  name: keyof typeof sizes,
  options: object,
  stream: () => Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> => {
  const problems = Settings.problems({ [name]: sizes[name] }, options)
  return problems.length === 0
    ? Stream.suspend(stream)
    : Stream.unwrap(Effect.as(Settings.warn(problems), Stream.suspend(stream)))
}
