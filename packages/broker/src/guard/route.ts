/** Which surface a request is for: the guard has to know before anything else looks at it. */
import type { Kind, Route } from "./kind.js"
import type { Refusal } from "./refusal.js"
import { method, refuse } from "./refusal.js"

const none: Route = { kind: "none", profile: undefined }

const fixed: ReadonlyMap<string, readonly [Kind, "GET" | "POST"]> = new Map([
  ["/auth/token/check", ["check", "POST"]],
  ["/health/live", ["live", "GET"]],
  ["/health/ready", ["ready", "GET"]],
  ["/metrics", ["metrics", "GET"]],
  ["/status", ["status", "GET"]],
  ["/status/events", ["status", "GET"]],
  ["/", ["asset", "GET"]],
  ["/docs", ["asset", "GET"]],
  ["/openapi.json", ["asset", "GET"]],
  ["/page/icon.svg", ["asset", "GET"]],
  ["/page/style.css", ["asset", "GET"]],
  ["/page/status.js", ["asset", "GET"]],
  ["/page/docs.js", ["asset", "GET"]]
])

/** Names are taken as they are written: no name needs an escape, and none has one. */
const profileName = /^[a-z0-9-]{1,64}$/

const withProfile: ReadonlyArray<readonly [RegExp, Kind, "GET" | "POST" | "any"]> = [
  [/^\/oauth2\/([^/]*)\/token$/, "oauth2", "POST"],
  [/^\/inject\/([^/]*)$/, "inject", "GET"],
  // Envoy asks with the method of the call it holds, and appends the path of it
  [/^\/inject\/([^/]*)\/.*$/, "inject", "any"],
  [/^\/v1\/profiles\/([^/]*)\/token$/, "token", "GET"],
  [/^\/v1\/profiles\/([^/]*)\/tokens$/, "tokens", "GET"]
]

/** What the path of a request is for, and whether that cannot be. */
export const routeOf = (
  verb: string,
  target: string
): { readonly route: Route; readonly refusal: Refusal | undefined } => {
  const path = pathOf(target)
  const known = fixed.get(path)
  if (known !== undefined) {
    const [kind, expected] = known
    return { route: { kind, profile: undefined }, refusal: fits(verb, expected, kind) ? undefined : method(expected) }
  }
  for (const [pattern, kind, expected] of withProfile) {
    const match = pattern.exec(path)
    if (match !== null) {
      const [, name = ""] = match
      const isName = profileName.test(name)
      return {
        // what cannot be a name goes no further, neither into counters nor into the audit
        route: { kind, profile: isName ? name : undefined },
        refusal: !fits(verb, expected, kind) ? method(expected) : isName ? undefined : refuse.profile
      }
    }
  }
  return { route: none, refusal: refuse.path }
}

const fits = (verb: string, expected: string, kind: Kind): boolean =>
  expected === "any" || verb === expected || (verb === "HEAD" && expected === "GET" && kind === "live")

const pathOf = (target: string): string => {
  const query = target.indexOf("?")
  return query === -1 ? target : target.slice(0, query)
}
