// A variable of the environment, or of whatever ConfigProvider is in place, and the whole name that it is looked up by.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Settings from "../values/Settings.js"
import type { InvalidConfiguration } from "../values/TokenError.js"

/** The value, unchanged; `undefined` if the variable is missing or blank. Fails only if the provider throws. */
export const read = (name: string): Effect.Effect<string | undefined, InvalidConfiguration> =>
  Settings.readable(
    Effect.match(Config.string(name), {
      onFailure: () => undefined,
      onSuccess: (value) => value.trim() === "" ? undefined : value
    }),
    name
  )

/** The name with what providers put before it: `APP_CLIENT_ID` for `CLIENT_ID` where the provider is nested in `APP`. */
export const nameOf = (name: string): Effect.Effect<string> =>
  Effect.flatMap(failure(refusing(name)), (error) => {
    const path = Option.match(error, { onNone: () => [name], onSome: ({ path }) => path })
    return path.length <= 1
      ? Effect.succeed(path[0] ?? name)
      : Effect.map(delimiter, (delimiter) => path.join(delimiter))
  }).pipe(Effect.catchAllDefect(() => Effect.succeed(name)))

type Leaf = Exclude<ConfigError.ConfigError, ConfigError.And | ConfigError.Or>

/** The error for the first place where a value was looked for. */
const first = (error: ConfigError.ConfigError): Leaf =>
  error._op === "And" || error._op === "Or" ? first(error.left) : error

const failure = (config: Config.Config<unknown>): Effect.Effect<Option.Option<Leaf>> =>
  Effect.match(config, { onFailure: (error) => Option.some(first(error)), onSuccess: () => Option.none() })

/** Takes no value. Only the provider knows the whole name, and it tells the name in an error. */
const refusing = (name: string): Config.Config<never> =>
  Config.nested(Config.primitive("nothing", () => Either.left(ConfigError.InvalidData([], ""))), name)

/** What stands between the parts of a name: the provider shows it in "Expected APP_CLIENT_ID to exist". */
const delimiter: Effect.Effect<string> = Effect.map(
  // nobody sets this
  failure(Config.nested(Config.string("variable"), "effect-bearer")),
  Option.match({
    onNone: () => "_",
    onSome: (error) => {
      const between = /effect-bearer(.{0,3})variable/.exec("message" in error ? error.message : "")?.[1] ?? "_"
      // a JSON document has no delimiter that can be seen
      return /^[!-~]*$/.test(between) ? between : "."
    }
  })
)
