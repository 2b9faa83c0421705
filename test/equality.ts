/**
 * Before any test: what `assert.deepStrictEqual` makes of Effect's values.
 *
 * chai looks at the enumerable keys of an object, and would take `Option.none()` for `Option.some(1)`, and one secret
 * for another: what tells them apart is on the prototype, or in a hidden map.
 */
import { Option, Predicate, Redacted } from "effect"
import { chai } from "vitest"

type DeepEqual = (
  left: unknown,
  right: unknown,
  options: { readonly comparator: (left: unknown, right: unknown) => boolean | null }
) => boolean

const eql: DeepEqual = chai.util.eql

/** `null` leaves it to chai. */
const compare = (left: unknown, right: unknown): boolean | null => {
  if (Option.isOption(left) && Option.isOption(right)) {
    return Option.isSome(left) && Option.isSome(right) ? equal(left.value, right.value) : left._tag === right._tag
  }
  if (Redacted.isRedacted(left) && Redacted.isRedacted(right)) {
    return equal(Redacted.value(left), Redacted.value(right))
  }
  return null
}

const equal = (left: unknown, right: unknown): boolean =>
  compare(left, right) ??
    (Predicate.isObject(left) && Predicate.isObject(right)
      ? eql(left, right, { comparator: compare })
      : Object.is(left, right))

chai.config.deepEqual = equal
