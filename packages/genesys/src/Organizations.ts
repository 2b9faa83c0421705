/**
 * The organization the client belongs to.
 *
 * @since 0.1.0
 */

import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as GenesysApi from "./GenesysApi.js"
import type { GenesysCloud } from "./GenesysCloud.js"
import type * as GenesysError from "./GenesysError.js"
import { optional } from "./internal/optional.js"

/**
 * @since 0.1.0
 * @category schemas
 */
export class Organization extends Schema.Class<Organization>("@effect-bearer/genesys/Organization")({
  id: Schema.String,
  name: optional(Schema.String),
  domain: optional(Schema.String),
  state: optional(Schema.String),
  defaultLanguage: optional(Schema.String),
  defaultCountryCode: optional(Schema.String),
  productPlatform: optional(Schema.String)
}) {}

/**
 * `GET /api/v2/organizations/me`: the quickest way to find out whether region, client id and secret fit together. What
 * is wrong with them is what its error says.
 *
 * @example
 * ```ts
 * import { Organizations } from "@effect-bearer/genesys"
 * import { Effect } from "effect"
 *
 * const check = Organizations.me.pipe(
 *   Effect.tap(({ name }) => Effect.log(`connected to ${name}`)),
 *   Effect.tapError(({ message }) => Effect.logError(message))
 * )
 * ```
 *
 * @since 0.1.0
 * @category calls
 */
export const me: Effect.Effect<
  Organization,
  GenesysError.RequestError | GenesysError.UnexpectedReply,
  GenesysCloud
> = GenesysApi.get("/api/v2/organizations/me", Organization, { operation: "Organizations.me" })
