/**
 * Details of conversations. Permission: `analytics:conversationDetail:view`.
 *
 * @since 0.1.0
 */

import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as GenesysApi from "./GenesysApi.js"
import type { GenesysCloud } from "./GenesysCloud.js"
import * as GenesysError from "./GenesysError.js"
import { optional } from "./internal/optional.js"
import * as Paging from "./Paging.js"

// ---------------------------------------------------------------------------------------------------------------
// what is asked
// ---------------------------------------------------------------------------------------------------------------

/**
 * A condition: a `dimension` is compared with `value`, a `metric` lies in `range`, or a `property` has `value`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Predicate {
  readonly type?: "dimension" | "property" | "metric" | undefined
  readonly dimension?: string | undefined
  readonly metric?: string | undefined
  readonly property?: string | undefined
  readonly propertyType?: string | undefined
  /** Default `matches`. */
  readonly operator?: "matches" | "exists" | "notExists" | undefined
  readonly value?: string | undefined
  readonly range?: {
    readonly gt?: number | undefined
    readonly gte?: number | undefined
    readonly lt?: number | undefined
    readonly lte?: number | undefined
  } | undefined
}

/**
 * Conditions of which all (`and`) or any (`or`) have to hold.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter {
  readonly type: "and" | "or"
  readonly predicates?: ReadonlyArray<Predicate> | undefined
  readonly clauses?:
    | ReadonlyArray<{ readonly type: "and" | "or"; readonly predicates: ReadonlyArray<Predicate> }>
    | undefined
}

/**
 * What to look for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Query {
  /**
   * From when to when, at most 31 days: two moments, or text such as
   * `2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z`.
   */
  readonly interval: string | readonly [from: DateTime.DateTime.Input, until: DateTime.DateTime.Input]
  /** Default `asc`. */
  readonly order?: "asc" | "desc" | undefined
  /** Default `conversationStart`. */
  readonly orderBy?: "conversationStart" | "segmentStart" | "segmentEnd" | undefined
  readonly conversationFilters?: ReadonlyArray<Filter> | undefined
  readonly segmentFilters?: ReadonlyArray<Filter> | undefined
  readonly evaluationFilters?: ReadonlyArray<Filter> | undefined
  readonly surveyFilters?: ReadonlyArray<Filter> | undefined
  readonly resolutionFilters?: ReadonlyArray<Filter> | undefined
}

/**
 * Which page. A page has at most 100 conversations.
 *
 * @since 0.1.0
 * @category models
 */
export interface PagingSpec {
  readonly pageSize: number
  /** The first is 1. */
  readonly pageNumber: number
}

// ---------------------------------------------------------------------------------------------------------------
// what is answered
// ---------------------------------------------------------------------------------------------------------------

/**
 * @since 0.1.0
 * @category schemas
 */
export class Segment extends Schema.Class<Segment>("@effect-bearer/genesys/Segment")({
  segmentType: optional(Schema.String),
  /** ISO 8601, as every time here. */
  segmentStart: optional(Schema.String),
  segmentEnd: optional(Schema.String),
  conference: optional(Schema.Boolean),
  disconnectType: optional(Schema.String),
  errorCode: optional(Schema.String),
  queueId: optional(Schema.String),
  groupId: optional(Schema.String),
  wrapUpCode: optional(Schema.String),
  wrapUpNote: optional(Schema.String)
}) {}

/**
 * @since 0.1.0
 * @category schemas
 */
export class Session extends Schema.Class<Session>("@effect-bearer/genesys/Session")({
  sessionId: optional(Schema.String),
  mediaType: optional(Schema.String),
  direction: optional(Schema.String),
  ani: optional(Schema.String),
  dnis: optional(Schema.String),
  addressFrom: optional(Schema.String),
  addressTo: optional(Schema.String),
  segments: optional(Schema.Array(Segment))
}) {}

/**
 * @since 0.1.0
 * @category schemas
 */
export class Participant extends Schema.Class<Participant>("@effect-bearer/genesys/Participant")({
  participantId: optional(Schema.String),
  participantName: optional(Schema.String),
  /** `customer`, `agent`, `acd`, `ivr`… */
  purpose: optional(Schema.String),
  userId: optional(Schema.String),
  teamId: optional(Schema.String),
  externalContactId: optional(Schema.String),
  sessions: optional(Schema.Array(Session))
}) {}

/**
 * @since 0.1.0
 * @category schemas
 */
export class Conversation extends Schema.Class<Conversation>("@effect-bearer/genesys/Conversation")({
  conversationId: Schema.String,
  conversationStart: optional(Schema.String),
  /** Missing while the conversation lasts. */
  conversationEnd: optional(Schema.String),
  originatingDirection: optional(Schema.String),
  divisionIds: optional(Schema.Array(Schema.String)),
  externalTag: optional(Schema.String),
  mediaStatsMinConversationMos: optional(Schema.Number),
  participants: optional(Schema.Array(Participant))
}) {}

/**
 * One page of an answer.
 *
 * @since 0.1.0
 * @category schemas
 */
export class ConversationPage extends Schema.Class<ConversationPage>("@effect-bearer/genesys/ConversationPage")({
  /** The API leaves it out if there is none. */
  conversations: Schema.optionalWith(Schema.Array(Conversation), { nullable: true, default: () => [] }),
  /** On all pages together. */
  totalHits: optional(Schema.Number)
}) {}

// ---------------------------------------------------------------------------------------------------------------
// calls
// ---------------------------------------------------------------------------------------------------------------

/**
 * `POST /api/v2/analytics/conversations/details/query`, one page of it. It only reads, so it is sent again after a 5xx
 * as a `GET` is.
 *
 * @example
 * ```ts
 * import { Analytics } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 *
 * const calls = Analytics.conversationDetails({
 *   interval: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"],
 *   order: "desc",
 *   segmentFilters: [{ type: "and", predicates: [{ dimension: "mediaType", value: "voice" }] }]
 * }).pipe(Effect.map(({ conversations, totalHits }) => [conversations.length, totalHits]))
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const conversationDetails = (
  query: Query,
  paging: PagingSpec = { pageNumber: 1, pageSize: 100 }
): Effect.Effect<ConversationPage, GenesysError.CallError, GenesysCloud> =>
  Effect.flatMap(intervalOf(query.interval), (interval) =>
    GenesysApi.post(
      "/api/v2/analytics/conversations/details/query",
      { ...query, interval, paging },
      ConversationPage,
      { operation: "Analytics.conversationDetails", readOnly: true }
    ))

/**
 * All conversations that {@link conversationDetails} finds, page after page.
 *
 * @example
 * ```ts
 * import { Analytics } from "@effect-bearer/genesys"
 * import { Stream } from "effect"
 *
 * const ids = Analytics.conversations({ interval: "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z" }).pipe(
 *   Stream.map((conversation) => conversation.conversationId),
 *   Stream.runCollect
 * )
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const conversations = (
  query: Query,
  options: {
    /** At most 100. Default 100. */
    readonly pageSize?: number | undefined
  } = {}
): Stream.Stream<Conversation, GenesysError.CallError | GenesysError.PagingStuck, GenesysCloud> =>
  Paging.byNumber({
    pageSize: options.pageSize,
    fetch: (paging) =>
      Effect.map(conversationDetails(query, paging), ({ conversations, totalHits }) => ({
        items: conversations,
        total: totalHits
      }))
  })

const intervalOf = (interval: Query["interval"]): Either.Either<string, GenesysError.InvalidCall> =>
  typeof interval === "string"
    ? Either.right(interval)
    : Either.map(Either.all([momentOf(interval[0], "start"), momentOf(interval[1], "end")]), (ends) => ends.join("/"))

const momentOf = (
  moment: DateTime.DateTime.Input,
  name: string
): Either.Either<string, GenesysError.InvalidCall> =>
  Either.map(
    Either.fromOption(
      DateTime.make(moment),
      () => new GenesysError.InvalidCall({ field: "interval", detail: `its ${name} is no date` })
    ),
    DateTime.formatIso
  )
