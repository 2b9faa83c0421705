// The schema of a set of scopes.
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as ScopeSet from "../../values/Scopes.js"
import { longestList, named, texts } from "./parts.js"

export const scopes: Schema.Schema<ScopeSet.Scopes, ReadonlyArray<string>> = Schema.transform(
  texts,
  Schema.declare(
    (u): u is ScopeSet.Scopes => Array.isArray(u) && u.length <= longestList && u.every(Predicate.isString),
    {
      ...named("Scopes", "a set of scopes"),
      pretty: () => ScopeSet.format,
      arbitrary: () => (fc) =>
        fc.array(fc.stringMatching(/^[!#-+\--:<-[\]-~]{1,12}$/), { maxLength: 8 }).map(ScopeSet.make)
    }
  ),
  { strict: true, decode: ScopeSet.make, encode: (scopes) => scopes }
).annotations(named("Scopes", "a set of scopes"))
