/**
 * The people of the organization. Permission: `directory:user:view`.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as GenesysApi from "./GenesysApi.js"
import type { GenesysCloud } from "./GenesysCloud.js"
import type * as GenesysError from "./GenesysError.js"
import { optional } from "./internal/optional.js"

/**
 * The members that nearly every program needs. For more, decode the same path with a schema of your own:
 * `GenesysApi.get`.
 *
 * @since 0.1.0
 * @category schemas
 */
export class User extends Schema.Class<User>("@effect-bearer/genesys/User")({
  id: Schema.String,
  name: optional(Schema.String),
  email: optional(Schema.String),
  username: optional(Schema.String),
  /** `active`, `inactive` or `deleted`. */
  state: optional(Schema.String),
  title: optional(Schema.String),
  department: optional(Schema.String),
  division: optional(Schema.Struct({ id: optional(Schema.String), name: optional(Schema.String) })),
  /** To be sent back when the user is changed. */
  version: optional(Schema.Number)
}) {}

/**
 * `GET /api/v2/users/{userId}`. An id that nobody has is an `ApiError` with status 404.
 *
 * @example
 * ```ts
 * import { Users } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 *
 * const name = Users.get("6f3a5c9e-2f43-4bb5-9f04-2f4c1d9a7b10").pipe(
 *   Effect.map((user) => user.name),
 *   Effect.catchTag("ApiError", (error) => error.status === 404 ? Effect.succeed(undefined) : Effect.fail(error))
 * )
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const get = (userId: string): Effect.Effect<User, GenesysError.CallError, GenesysCloud> =>
  Effect.flatMap(
    GenesysApi.path`/api/v2/users/${userId}`,
    (path) => GenesysApi.get(path, User, { operation: "Users.get" })
  )

/**
 * `GET /api/v2/users/me`: who the token stands for. A token from client credentials stands for no user, and the API
 * refuses this call with status 400 or 404; use `Organizations.me` to check a connection.
 *
 * @since 0.1.0
 * @category calls
 */
export const me: Effect.Effect<
  User,
  GenesysError.RequestError | GenesysError.UnexpectedReply,
  GenesysCloud
> = GenesysApi.get("/api/v2/users/me", User, { operation: "Users.me" })

/**
 * @since 0.1.0
 * @category models
 */
export interface ListOptions {
  /** Users asked for at a time, at most 500. Default 100. */
  readonly pageSize?: number | undefined
  /** Only these. */
  readonly ids?: ReadonlyArray<string> | undefined
  /** Default `active`. */
  readonly state?: "active" | "inactive" | "deleted" | "any" | undefined
  /** By name. Default `ASC`. */
  readonly sortOrder?: "ASC" | "DESC" | undefined
}

/**
 * `GET /api/v2/users`, page after page.
 *
 * @example
 * ```ts
 * import { Users } from "@effect-bearer/genesys"
 * import { Stream } from "effect"
 *
 * const emails = Users.list({ pageSize: 500 }).pipe(Stream.map((user) => user.email), Stream.runCollect)
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const list = (
  options: ListOptions = {}
): Stream.Stream<User, GenesysError.CallError | GenesysError.PagingStuck, GenesysCloud> =>
  GenesysApi.list("/api/v2/users", User, {
    operation: "Users.list",
    pageSize: options.pageSize,
    urlParams: [
      ...(options.ids ?? []).map((id) => ["id", id] as const),
      ...(options.state === undefined ? [] : [["state", options.state] as const]),
      ...(options.sortOrder === undefined ? [] : [["sortOrder", options.sortOrder] as const])
    ]
  })
