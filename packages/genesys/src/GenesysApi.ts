/**
 * Calls of the API that have no function of their own here yet: any path, with a `Schema` for the answer.
 *
 * ```
 * get, post ─ request ─ GenesysCloud's client
 *   └ list, listByCursor, listByOffset: the same as a `Stream` over pages
 * ```
 *
 * @since 0.1.0
 */

import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Disclosure from "effect-bearer/Disclosure"
import { GenesysCloud } from "./GenesysCloud.js"
import * as GenesysError from "./GenesysError.js"
import * as body from "./internal/body.js"
import * as client from "./internal/client.js"
import * as deadline from "./internal/deadline.js"
import * as disclosures from "./internal/disclosure.js"
import { idAttributes } from "./internal/exchange.js"
import { optional } from "./internal/optional.js"
import * as refusal from "./internal/refusal.js"
import * as transport from "./internal/transport.js"
import * as Paging from "./Paging.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /** The query. */
  readonly urlParams?: UrlParams.Input | undefined
  /** The name of the span. Default: `GenesysApi.` and the method. */
  readonly operation?: string | undefined
}

// ---------------------------------------------------------------------------------------------------------------
// one call
// ---------------------------------------------------------------------------------------------------------------

/**
 * Builds a path from text and values. Values are encoded; one that is blank, or `.` or `..`, would lead elsewhere and
 * is an `InvalidCall`, as is text that is not well-formed.
 *
 * @example
 * ```ts
 * import { GenesysApi } from "@effect-bearer/genesys"
 *
 * const queueId = "6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10"
 * const path = GenesysApi.path`/api/v2/routing/queues/${queueId}`
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const path = (
  texts: TemplateStringsArray,
  ...values: ReadonlyArray<string>
): Either.Either<string, GenesysError.InvalidCall> => {
  const faults = values.map(faultOf)
  const wrong = faults.findIndex((fault) => fault !== undefined)
  if (wrong >= 0) {
    const field = texts[wrong]!.split("/").filter((part) => part !== "").at(-1) ?? "path"
    return Either.left(new GenesysError.InvalidCall({ field: `id in ${field}`, detail: faults[wrong]! }))
  }
  return Either.right(texts.map((text, i) => text + (i < values.length ? encodeURIComponent(values[i]!) : "")).join(""))
}

const faultOf = (value: unknown): string | undefined =>
  typeof value !== "string"
    ? "it is no text"
    : value.trim() === ""
    ? "it is blank"
    : value === "." || value === ".."
    ? "it is no id"
    : loneSurrogate.test(value)
    ? "it has half of a surrogate pair, which cannot be encoded"
    : undefined

const loneSurrogate = /\p{Surrogate}/u

/**
 * Sends a request and decodes the JSON of its answer; an answer without a body is `undefined` to the schema. All of it
 * is one span, which names the correlation id.
 *
 * A call that only reads, whatever its method, may be sent again after a 5xx: say so with `readOnly`.
 *
 * @since 0.1.0
 * @category calls
 */
export const request = <A, I, R>(
  request: HttpClientRequest.HttpClientRequest,
  schema: Schema.Schema<A, I, R>,
  options: { readonly operation?: string | undefined; readonly readOnly?: boolean | undefined } = {}
): Effect.Effect<A, GenesysError.RequestError | GenesysError.UnexpectedReply, GenesysCloud | R> =>
  Effect.map(exchange(request, schema, options), ({ value }) => value)

const exchange = <A, I, R>(
  request: HttpClientRequest.HttpClientRequest,
  schema: Schema.Schema<A, I, R>,
  options: { readonly operation?: string | undefined; readonly readOnly?: boolean | undefined }
): Effect.Effect<Decoded<A>, GenesysError.RequestError | GenesysError.UnexpectedReply, GenesysCloud | R> =>
  Effect.flatMap(GenesysCloud, ({ client: api, region }) => {
    const sent = api.execute(request)
    return (options.readOnly === true ? Effect.provideService(sent, client.ReadOnly, true) : sent).pipe(
      Effect.tap((response) =>
        Effect.annotateCurrentSpan({
          "http.response.status_code": response.status,
          ...idAttributes(refusal.correlationId(response.headers, disclosures.forRequest(response.request)))
        })
      ),
      Effect.flatMap((response) => decoded(response, schema)),
      Effect.tapError((error) =>
        Effect.annotateCurrentSpan({
          "error.type": error._tag,
          ...("correlationId" in error ? idAttributes(error.correlationId) : {})
        })
      ),
      Disclosure.withSpan(options.operation ?? `GenesysApi.${request.method.toLowerCase()}`, {
        captureStackTrace: false,
        attributes: { "genesys.region": region.environment }
      }, GenesysError.isGenesysError)
    )
  })

/**
 * `GET` of a path.
 *
 * @example
 * ```ts
 * import { GenesysApi } from "@effect-bearer/genesys"
 * import { Effect, Schema } from "effect"
 *
 * const Queue = Schema.Struct({ id: Schema.String, name: Schema.String })
 *
 * const queue = (id: string) =>
 *   Effect.flatMap(GenesysApi.path`/api/v2/routing/queues/${id}`, (path) => GenesysApi.get(path, Queue))
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const get = <A, I, R>(
  path: string,
  schema: Schema.Schema<A, I, R>,
  options: CallOptions = {}
): Effect.Effect<A, GenesysError.RequestError | GenesysError.UnexpectedReply, GenesysCloud | R> =>
  request(
    HttpClientRequest.get(path, options.urlParams === undefined ? {} : { urlParams: options.urlParams }),
    schema,
    options
  )

/**
 * `POST` of JSON. Queries that are sent this way are `readOnly`: they may be sent again after a 5xx.
 *
 * @since 0.1.0
 * @category calls
 */
export const post = <A, I, R>(
  path: string,
  payload: unknown,
  schema: Schema.Schema<A, I, R>,
  options: CallOptions & { readonly readOnly?: boolean | undefined } = {}
): Effect.Effect<A, GenesysError.CallError, GenesysCloud | R> =>
  Effect.flatMap(
    Effect.mapError(
      HttpClientRequest.bodyJson(
        HttpClientRequest.post(path, options.urlParams === undefined ? {} : { urlParams: options.urlParams }),
        payload
      ),
      () => new GenesysError.InvalidCall({ field: "payload", detail: "it cannot be written as JSON" })
    ),
    (built) => request(built, schema, options)
  )

// ---------------------------------------------------------------------------------------------------------------
// lists
// ---------------------------------------------------------------------------------------------------------------

/**
 * What a listed call needs besides its paging.
 *
 * @since 0.1.0
 * @category models
 */
export interface ListOptions extends CallOptions {
  /** Items asked for at a time. The default and the maximum differ from call to call. */
  readonly pageSize?: number | undefined
}

type ListError = GenesysError.CallError | GenesysError.PagingStuck

/**
 * A list in the form `{ entities, pageNumber, pageSize, pageCount, total }`. The next page is asked for when it is needed.
 *
 * @example
 * ```ts
 * import { GenesysApi } from "@effect-bearer/genesys"
 * import { Schema, Stream } from "effect"
 *
 * const Queue = Schema.Struct({ id: Schema.String, name: Schema.String })
 *
 * const firstHundred = GenesysApi.list("/api/v2/routing/queues", Queue).pipe(Stream.take(100), Stream.runCollect)
 * ```
 *
 * @since 0.1.0
 * @category lists
 */
export const list = <A, I, R>(
  path: string,
  item: Schema.Schema<A, I, R>,
  options: ListOptions = {}
): Stream.Stream<A, ListError, GenesysCloud | R> => {
  const schema = Schema.Struct({
    entities: optional(Schema.Array(item)),
    pageNumber: optional(Schema.Number),
    pageSize: optional(Schema.Number),
    pageCount: optional(Schema.Number),
    total: optional(Schema.Number)
  })
  return Paging.byNumber({
    pageSize: options.pageSize,
    fetch: ({ pageNumber, pageSize }) =>
      Effect.map(
        exchange(
          HttpClientRequest.get(path).pipe(
            HttpClientRequest.setUrlParams(options.urlParams ?? []),
            HttpClientRequest.setUrlParams({ pageSize: String(pageSize), pageNumber: String(pageNumber) })
          ),
          schema,
          { operation: options.operation ?? "GenesysApi.list" }
        ),
        ({ json, value: { entities = [], ...page } }) => ({ ...page, items: entities, raw: rawItems(json, "entities") })
      )
  })
}

/**
 * A list whose pages name the next one, by a `cursor` or by a `nextUri`. `items` is the member that holds the items;
 * default `entities`.
 *
 * @example
 * ```ts
 * import { Analytics, GenesysApi } from "@effect-bearer/genesys"
 *
 * const results = (jobId: string) =>
 *   GenesysApi.listByCursor(
 *     `/api/v2/analytics/conversations/details/jobs/${encodeURIComponent(jobId)}/results`,
 *     Analytics.Conversation,
 *     { items: "conversations", pageSize: 1000 }
 *   )
 * ```
 *
 * @since 0.1.0
 * @category lists
 */
export const listByCursor = <A, I, R>(
  path: string,
  item: Schema.Schema<A, I, R>,
  options: ListOptions & { readonly items?: string | undefined } = {}
): Stream.Stream<A, ListError, GenesysCloud | R> => {
  const name = options.items ?? "entities"
  const schema = Schema.Struct({
    cursor: optional(Schema.String),
    nextUri: optional(Schema.String),
    [name]: optional(Schema.Array(item))
  })
  const first = HttpClientRequest.get(path).pipe(
    HttpClientRequest.setUrlParams(options.urlParams ?? []),
    HttpClientRequest.setUrlParams(options.pageSize === undefined ? {} : { pageSize: String(options.pageSize) })
  )
  return Paging.byCursor((cursor) =>
    Effect.map(
      exchange(
        Option.match(cursor, {
          onNone: () => first,
          onSome: (cursor) =>
            cursor.startsWith(uri)
              ? HttpClientRequest.get(cursor.slice(uri.length))
              : HttpClientRequest.setUrlParam(first, "cursor", cursor)
        }),
        schema,
        { operation: options.operation ?? "GenesysApi.listByCursor" }
      ),
      ({ json, value: page }: Decoded<
        { readonly cursor?: string; readonly nextUri?: string; readonly [name: string]: unknown }
      >) => ({
        items: (page[name] ?? []) as ReadonlyArray<A>,
        raw: rawItems(json, name),
        next: Option.orElse(given(page.cursor), () => Option.map(given(page.nextUri), (next) => uri + next))
      })
    )
  )
}

/** An empty text names no page, as `null` does not. */
const given = (text: string | undefined): Option.Option<string> =>
  text === undefined || text === "" ? Option.none() : Option.some(text)

/** What tells a `nextUri` from a `cursor`, whose text is the server's own. */
const uri = "uri "

/**
 * A list that takes `limit` and `offset`; `items` is the member that holds the items, default `entities`.
 *
 * @since 0.1.0
 * @category lists
 */
export const listByOffset = <A, I, R>(
  path: string,
  item: Schema.Schema<A, I, R>,
  options: Omit<ListOptions, "pageSize"> & {
    readonly items?: string | undefined
    /** Items asked for at a time. Default 50. */
    readonly limit?: number | undefined
  } = {}
): Stream.Stream<A, ListError, GenesysCloud | R> => {
  const name = options.items ?? "entities"
  const schema = Schema.Struct({ total: optional(Schema.Number), [name]: optional(Schema.Array(item)) })
  return Paging.byOffset({
    limit: options.limit,
    fetch: ({ limit, offset }) =>
      Effect.map(
        exchange(
          HttpClientRequest.get(path).pipe(
            HttpClientRequest.setUrlParams(options.urlParams ?? []),
            HttpClientRequest.setUrlParams({ limit: String(limit), offset: String(offset) })
          ),
          schema,
          { operation: options.operation ?? "GenesysApi.listByOffset" }
        ),
        ({ json, value: page }: Decoded<{ readonly total?: number; readonly [name: string]: unknown }>) => ({
          items: (page[name] ?? []) as ReadonlyArray<A>,
          raw: rawItems(json, name),
          total: page.total
        })
      )
  })
}

/** With the members that the schema of an item leaves out, its id for one. */
const rawItems = (json: unknown, name: string): ReadonlyArray<unknown> =>
  Predicate.hasProperty(json, name) && Array.isArray(json[name]) ? json[name] : []

// ---------------------------------------------------------------------------------------------------------------
// answers
// ---------------------------------------------------------------------------------------------------------------

interface Decoded<out A> {
  readonly value: A
  /** What it was decoded from. */
  readonly json: unknown
}

/** A page of the largest size is a few MiB. */
const largestReply = 64 * 1024 * 1024

/** For responses of another client than ours, which have no deadline of their own. */
const fallback = Duration.seconds(5)

const decoded = <A, I, R>(
  response: HttpClientResponse.HttpClientResponse,
  schema: Schema.Schema<A, I, R>
): Effect.Effect<Decoded<A>, GenesysError.ResponseError | GenesysError.UnexpectedReply, R> =>
  Effect.gen(function*() {
    const target = transport.target(response.request)
    const disclosure = disclosures.forRequest(response.request)
    const left = yield* deadline.left(response, fallback)
    const { bytes, overflow } = yield* body.read(response, largestReply).pipe(
      Effect.mapError(({ cause }) => transport.unreachable(target, cause, disclosure, true)),
      Effect.timeoutFail({ duration: left, onTimeout: () => transport.timedOut(target, left) }),
      Disclosure.unlogged
    )
    const unexpected = (detail: string) =>
      new GenesysError.UnexpectedReply({
        ...target,
        status: response.status,
        contentType: Disclosure.contentType(response.headers["content-type"]),
        detail,
        correlationId: refusal.correlationId(response.headers, disclosure)
      })
    if (overflow) return yield* unexpected("the reply is larger than 64 MiB")
    const text = body.text(bytes).trim()
    const json = text === "" ? Option.some(undefined) : parse(text)
    if (Option.isNone(json)) {
      return yield* unexpected(
        text.startsWith("<") ? "the reply is a page, so it came from a proxy or a firewall" : "the reply is no JSON"
      )
    }
    const value = yield* Effect.mapError(Schema.decodeUnknown(schema)(json.value), (error) =>
      unexpected(
        text === "" ? "the reply is empty" : `the reply has another shape than expected${places(error, disclosure)}`
      ))
    return { value, json: json.value }
  })

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const issuesOf = Option.liftThrowable(ParseResult.ArrayFormatter.formatErrorSync)

/**
 * Where it does not fit, without what stands there. One place has an issue for each member of a union. The names on the
 * way may be the server's own, those of a record: so they are shown as text of a success is.
 */
const places = (error: ParseResult.ParseError, { strict }: Disclosure.Disclosure): string => {
  // it writes down what stands there, which may be nested deeper than a stack is
  const issues = Option.getOrElse(issuesOf(error), () => [])
  const at = new Set(issues.map(({ path }) => path.map(String).join(".")).filter((place) => place !== ""))
  return at.size === 0 ? "" : ` at ${Array.from(at).slice(0, 3).map((place) => strict(place, 100)).join(", ")}`
}
