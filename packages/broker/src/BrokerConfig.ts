/**
 * The configuration of a broker: what stands in its file, as a `Schema` that is public and checks all of it at once.
 *
 * @since 0.1.0
 */

import type * as FileSystem from "@effect/platform/FileSystem"
import * as PlatformPath from "@effect/platform/Path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as schemas from "./config/jsonSchema.js"
import * as mistake from "./config/mistake.js"
import * as paths from "./config/paths.js"
import * as read from "./config/read.js"
import { Config } from "./config/schemas.js"

export * from "./config/schemas.js"

/**
 * The JSON Schema (draft-07) of a configuration file, for editors. The package has it as `config.schema.json`: a YAML
 * file names it in a comment `# yaml-language-server: $schema=…`, a JSON file in its `$schema`.
 *
 * It says what each field may be. What has to agree with something else in the file, {@link parse} says.
 *
 * @since 0.1.0
 * @category schemas
 */
export const jsonSchema: { readonly [key: string]: unknown } = schemas.make(Config, "effect-bearer broker")

/**
 * One mistake in a configuration.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mistake extends mistake.Mistake {}

/** So many are written out. */
const mostShown = 100

/**
 * A configuration that cannot be used, with everything that is wrong with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigurationProblems extends Data.TaggedError("ConfigurationProblems")<{
  /** The file, as it was named; empty without a file. */
  readonly file: string
  /** At least one, in the order of the file. */
  readonly mistakes: ReadonlyArray<Mistake>
}> {
  override get message(): string {
    const { length } = this.mistakes
    const title = `${length === 1 ? "A mistake" : `${length} mistakes`} in ${this.file || "the configuration"}`
    const lines = this.mistakes.slice(0, mostShown).map((one) => `  ${mistake.line(one)}`)
    const more = length > mostShown ? [`  and ${length - mostShown} more`] : []
    return [`${title}:`, ...lines, ...more].join("\n")
  }
}

/**
 * The configuration that a text holds, or all of its mistakes: of the text itself (YAML 1.2 or JSON), of each field,
 * and of what has to agree with something else in it. Keys that are not known are mistakes. Paths stay as they are.
 *
 * **Example** (All mistakes at once)
 *
 * ```ts
 * import { BrokerConfig } from "@effect-bearer/broker"
 * import { Either } from "effect"
 *
 * const text = `
 * profiles:
 *   genesys:
 *     tokenEndpoint: https://login.mypurecloud.de/oauth/token
 *     clientid: reporting
 * `
 * const result = BrokerConfig.parse(text, { format: "yaml" })
 * if (Either.isLeft(result)) console.error(result.left.message)
 * // profiles.genesys.clientid (line 5, column 5): … Did you mean "clientId"?
 * // profiles.genesys.authentication …
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (
  text: string,
  options: {
    readonly format: "yaml" | "json"
    /** The name of the file, for the error. */
    readonly file?: string | undefined
  }
): Either.Either<Config, ConfigurationProblems> =>
  Either.mapLeft(
    read.parse(Config, text, options.format),
    (mistakes) => new ConfigurationProblems({ file: options.file ?? "", mistakes })
  )

/**
 * Reads a file that ends in `.yaml`, `.yml` or `.json` and has at most 1 MiB. Relative paths in it are those of its
 * folder, and are absolute in the result.
 *
 * **Example** (At the start of a program)
 *
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { BrokerConfig } from "@effect-bearer/broker"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const config = yield* BrokerConfig.load("broker.yaml")
 *   yield* Effect.log(Object.keys(config.profiles))
 * }).pipe(Effect.provide(NodeContext.layer))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (
  file: string
): Effect.Effect<Config, ConfigurationProblems, FileSystem.FileSystem | PlatformPath.Path> =>
  Effect.gen(function*() {
    const path = yield* PlatformPath.Path
    const { folder, format, text } = yield* Effect.mapError(
      read.file(file),
      (mistakes) => new ConfigurationProblems({ file, mistakes })
    )
    return paths.resolved(yield* parse(text, { format, file }), folder, path)
  })
