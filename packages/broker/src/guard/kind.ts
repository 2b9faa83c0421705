// What a request can be for.
import type { Surface } from "../config/schemas.js"

export type Kind =
  | Surface
  | "live"
  | "ready"
  | "metrics"
  | "status"
  | "asset"
  | "none"

export interface Route {
  readonly kind: Kind
  /** Of a surface whose path names it. */
  readonly profile: string | undefined
}
