/** `effect-bearer doctor`: chooses the profile, says what will be sent, looks, and reports. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as checks from "effect/Predicate"
import { isLoopback } from "effect-bearer/Loopback"
import * as TokenError from "effect-bearer/TokenError"
import type { Failure } from "../output/failure.js"
import { exitCodes, usage } from "../output/failure.js"
import * as terminal from "../output/terminal.js"
import type { Services } from "../services.js"
import type { Environment } from "../settings/places.js"
import * as settings from "../settings/settings.js"
import { examine } from "./examine.js"
import { inOrder } from "./findings.js"
import * as plan from "./plan.js"
import * as variables from "./probes/variables.js"
import * as render from "./render.js"
import type { Report } from "./report.js"

export interface Options extends settings.Wanted {
  readonly try: boolean
  readonly api?: string | undefined
  readonly json: boolean
  readonly quiet: boolean
}

export const run = (
  options: Options,
  environment: Environment
): Effect.Effect<number, settings.Problem, Services> =>
  Effect.gen(function*() {
    const api = yield* apiOf(options.api)
    // no person is asked for a missing secret: that it is missing is the finding
    const chosen = yield* Effect.either(settings.choose(options, environment, false))
    const report = Either.isLeft(chosen)
      ? yield* withoutProfile(chosen.left, environment)
      : yield* withProfile(chosen.right, { try: options.try, api }, options, environment)
    const style = terminal.styleOf(process.stdout, environment)
    yield* terminal.answer(options.json ? render.json(report) : render.text(report, style))
    return report.findings.length === 0 ? exitCodes.fine : exitCodes.findings
  })

const withProfile = (
  chosen: settings.Chosen,
  wanted: plan.Wanted,
  { quiet }: Options,
  environment: Environment
): Effect.Effect<Report, Failure, Services> =>
  Effect.gen(function*() {
    if (wanted.api !== undefined) yield* allowed(wanted.api, chosen)
    if (!quiet) yield* terminal.note(`Profile "${chosen.name}" of ${chosen.from}. ${plan.text(chosen, wanted)}`)
    return yield* examine(chosen, { ...wanted, environment })
  })

/** Variables that are missing or blank are what there is to find; any other mistake in the configuration is a failure. */
const withoutProfile = (
  problem: settings.Problem,
  environment: Environment
): Effect.Effect<Report, settings.Problem> => {
  const seen = TokenError.isTokenError(problem) && checks.isTagged(problem, "InvalidConfiguration")
    ? variables.explain(problem.fields, environment)
    : undefined
  return seen === undefined ? Effect.fail(problem) : Effect.succeed({
    profile: "",
    from: "the environment",
    findings: inOrder(seen.findings),
    checks: [...seen.checks, {
      check: "everything else",
      outcome: "skipped",
      detail: "there is no profile without these"
    }],
    requests: { connections: 0, vault: 0, metadata: 0, token: 0, introspection: 0, revocation: 0, api: 0 }
  })
}

const apiOf = (text: string | undefined): Effect.Effect<URL | undefined, Failure> => {
  if (text === undefined) return Effect.succeed(undefined)
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== ""
    ? Effect.fail(usage("--api takes a URL such as https://api.example.com/v1/me, without a user name in it."))
    : Effect.succeed(url)
}

/** A token goes to the APIs of the profile, where it names some, and never readable over a network. */
const allowed = (api: URL, { profile }: settings.Chosen): Effect.Effect<void, Failure> =>
  profile.origins.length > 0 &&
    !profile.origins.some((origin) => URL.canParse(origin) && new URL(origin).origin === api.origin)
    ? Effect.fail(
      usage(
        "The host of --api is not among the `origins` of the profile (OAUTH_API_URL), so it gets no token. Add it there if it is right."
      )
    )
    : api.protocol === "https:" || isLoopback(api.hostname) || profile.allowInsecure
    ? Effect.void
    : Effect.fail(usage("--api is not https: the token would travel unencrypted."))
