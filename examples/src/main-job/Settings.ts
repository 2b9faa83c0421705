/** What the job is told from outside: environment variables, all optional. */
import { Config, Duration, Effect, Option } from "effect"

export interface Settings {
  /** How long the job runs. A story that takes longer is told to its end. */
  readonly duration: Duration.Duration
  /** Makes the API refuse every token for a second, to prove that the job notices a broken promise. */
  readonly sabotage: boolean
  readonly server: Server
}

export type Server =
  /** The servers of this process. */
  | { readonly _tag: "Embedded" }
  /** A server out there, described by `OAUTH_…` variables. */
  | { readonly _tag: "External"; readonly apiUrl: Option.Option<URL> }

const duration = (name: string) => Config.withDefault(Config.map(Config.number(name), Duration.seconds), undefined)

const isSet = (name: string) =>
  Config.string(name).pipe(
    Config.option,
    Config.map(Option.exists((value) => value.trim() !== ""))
  )

/**
 * - `MAIN_JOB_SECONDS`: how long to run; default 24, and 60 against a server out there
 * - `MAIN_JOB_SABOTAGE=refuse-tokens`: see {@link Settings.sabotage}
 * - `OAUTH_TOKEN_ENDPOINT`, `OAUTH_CLIENT_ID`, `OAUTH_CLIENT_SECRET`: use that server; any of them is enough to try,
 *   and what is missing is then named
 * - `OAUTH_API_URL`: what to call with its tokens
 */
export const load = Effect.gen(function*() {
  const external = yield* Config.all([
    isSet("OAUTH_TOKEN_ENDPOINT"),
    isSet("OAUTH_CLIENT_ID"),
    isSet("OAUTH_CLIENT_SECRET")
  ])
  const server: Server = external.includes(true)
    ? {
      _tag: "External",
      apiUrl: (yield* isSet("OAUTH_API_URL")) ? Option.some(yield* Config.url("OAUTH_API_URL")) : Option.none()
    }
    : { _tag: "Embedded" }
  const wanted = yield* duration("MAIN_JOB_SECONDS")
  const sabotage = yield* Config.withDefault(
    Config.literal("refuse-tokens", "none")("MAIN_JOB_SABOTAGE"),
    "none"
  )
  return {
    duration: wanted ?? Duration.seconds(server._tag === "Embedded" ? 30 : 60),
    sabotage: sabotage === "refuse-tokens",
    server
  } satisfies Settings
})
