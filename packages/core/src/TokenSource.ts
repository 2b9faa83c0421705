/**
 * @since 0.1.0
 */
import type * as source from "./internal/source.js"

/**
 * A source of tokens that fails with `E`.
 *
 * @since 0.1.0
 * @category models
 */
export type With<E> = source.With<E>
