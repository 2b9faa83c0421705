/**
 * What every request passes before a surface sees it, in this order: the rules of `rules.ts`, the rate of its address, the
 * caller's key or certificate, the rate of the caller. A surface knows by {@link Asking} who asks.
 */
import type { IncomingMessage } from "node:http"
import { BlockList, isIP } from "node:net"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Config } from "../BrokerConfig.js"
import type { Activity } from "../operations/activity.js"
import type { Audit } from "../operations/audit.js"
import type { Caller, Callers } from "../policy/callers.js"
import type { Limit } from "../policy/rate.js"
import { Rate } from "../policy/rate.js"
import type { Form } from "./credentials.js"
import * as credentials from "./credentials.js"
import { readForm } from "./form.js"
import type { Route } from "./kind.js"
import type { Refusal } from "./refusal.js"
import { badRequest, refuse, tooMany, toResponse } from "./refusal.js"
import { routeOf } from "./route.js"
import type { Incoming, Listening, Settings } from "./rules.js"
import { check, clientAddress, isAmbiguous, rateName } from "./rules.js"

/** Who asks, and for what. */
export interface Ask {
  readonly route: Route
  /** Nobody on the paths that are open to all. */
  readonly caller: Caller | undefined
  /** Whether the path is open to all. */
  readonly isOpen: boolean
  /** The caller by the configuration that is in force now: a reload may have taken its key, or all it could ask for. */
  readonly current: () => Caller | undefined
  /** The form of a token request, read already. */
  readonly form: Form
}

/** The ask of the request that is being served, where the platform's API stands between the guard and the surface. */
export class Asking extends Context.Reference<Asking>()("@effect-bearer/broker/Asking", {
  defaultValue: (): Ask => ({
    route: { kind: "none", profile: undefined },
    caller: undefined,
    isOpen: false,
    current: () => undefined,
    form: new Map()
  })
}) {}

/** Where the request that is being served came in. */
export class ListeningAt extends Context.Reference<ListeningAt>()("@effect-bearer/broker/ListeningAt", {
  defaultValue: (): Listening => ({ kind: "network", port: 0, tls: false })
}) {}

/** Paths that hand out nothing: probes and the files of the status page. */
const open: ReadonlySet<Route["kind"]> = new Set(["live", "ready", "asset"])

/** What the guard is made of, of the configuration that is in force. */
export interface Policy {
  readonly settings: Settings
  readonly callers: Callers
  readonly perAddress: Limit
  readonly failures: Limit
  readonly sending: Duration.Duration
  /** Bytes. */
  readonly body: number
}

export const policyOf = (config: Config, callers: Callers): Policy => ({
  settings: {
    hosts: new Set(config.hosts.map((name) => name.toLowerCase())),
    trustedProxies: blockList(config.trustedProxies),
    hasTrustedProxies: config.trustedProxies.length > 0
  },
  callers,
  perAddress: limitOf(config.limits.requestsPerAddress),
  failures: limitOf(config.limits.failuresPerAddress),
  sending: config.limits.sending,
  body: config.limits.body
})

const limitOf = (rate: { readonly limit: number; readonly interval: Duration.Duration }): Limit => ({
  limit: rate.limit,
  interval: Duration.toMillis(rate.interval)
})

const blockList = (entries: ReadonlyArray<string>): BlockList => {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/")
    const family = isIP(address) === 6 ? "ipv6" : "ipv4"
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** The rates of everybody, which a reload does not forget. */
export interface Rates {
  readonly addresses: Rate
  readonly failures: Rate
  readonly callers: Rate
  /** Audit lines about unknown callers: very many refusals are counted, and do not fill the disk. */
  readonly lines: Rate
}

export const makeRates = (): Rates => ({
  addresses: new Rate(),
  failures: new Rate(),
  callers: new Rate(),
  lines: new Rate()
})

type Answer = HttpServerResponse.HttpServerResponse

export const make = (options: {
  readonly policy: () => Policy
  readonly rates: Rates
  readonly audit: Audit
  readonly activity: Activity
  /** Milliseconds, by the steady clock. */
  readonly now: () => number
  /** A path that is open to all on this listener, such as metrics on one of their own. */
  readonly isOpen?: ((route: Route) => boolean) | undefined
  /** What this listener serves at all. Default: everything. */
  readonly isServed?: ((route: Route) => boolean) | undefined
}) =>
<E, R>(
  serve: (ask: Ask, request: HttpServerRequest.HttpServerRequest) => Effect.Effect<Answer, E, R>
): Effect.Effect<Answer, E, R | HttpServerRequest.HttpServerRequest> => {
  const { activity, audit, policy, rates } = options

  return Effect.withFiberRuntime<Answer, E, R | HttpServerRequest.HttpServerRequest>((fiber) => {
    const context = fiber.currentContext as Context.Context<HttpServerRequest.HttpServerRequest>
    const request = Context.get(context, HttpServerRequest.HttpServerRequest)
    const inForce = policy()
    const { failures, perAddress, sending, settings } = inForce
    const node = request.source as IncomingMessage
    const { refusal: misrouted, route } = routeOf(request.method, request.url)
    const unserved = options.isServed?.(route) === false ? refuse.path : undefined
    const incoming: Incoming = {
      route,
      headers: request.headers as Incoming["headers"],
      isAmbiguous: isAmbiguous(node.rawHeaders),
      address: node.socket.remoteAddress ?? "",
      local: node.socket.localAddress ?? "",
      listening: Context.get(context, ListeningAt)
    }
    const now = options.now()
    const address = rateName(clientAddress(incoming, settings))

    const refusing = (refusal: Refusal, caller?: Caller): Effect.Effect<Answer> => {
      const profile = caller?.grants.has(route.profile ?? "") === true ? route.profile : undefined
      const entry = { surface: route.kind, profile, caller: caller?.id, outcome: refusal.reason }
      activity.done(entry)
      const answer = toResponse(refusal, route)
      return caller === undefined && rates.lines.take(address, failures, now) > 0
        ? Effect.succeed(answer)
        : Effect.as(audit.record(entry), answer)
    }

    const refusal = check(incoming, settings) ?? unserved ?? misrouted
    if (refusal !== undefined) return refusing(refusal)

    const wait = rates.addresses.take(address, perAddress, now)
    if (wait > 0) return refusing(tooMany("addressRate", wait))

    if (open.has(route.kind) || options.isOpen?.(route) === true) {
      return serve({ route, caller: undefined, isOpen: true, current: () => undefined, form: noForm }, request)
    }

    const inHeader = credentials.inHeader(request.headers["authorization"])

    const admit = (form: Form): Effect.Effect<Answer, E, R> => {
      // one way at a time (RFC 6749 §2.3): where the header shows a key, the form is not asked for another
      const shown = inHeader.length > 0 ? inHeader : credentials.inForm(form)
      const identify = ({ callers }: Policy): Caller | undefined =>
        credentials.byKey(shown, callers) ??
          Option.getOrUndefined(Option.map(credentials.certificateNames(node), callers.byCertificate))
      const caller = identify(inForce)
      if (caller === undefined) {
        // beyond its failures an address is told to wait; a caller with a key behind the same address is not
        const wait = rates.failures.take(address, failures, now)
        return refusing(wait > 0 ? tooMany("addressRate", wait) : refuse.credentials)
      }
      const wait = rates.callers.take(caller.id, caller.rate, now)
      if (wait > 0) return refusing(tooMany("callerRate", wait), caller)
      if (!credentials.isAbout(form, caller)) return refusing(anotherClient, caller)
      const current = () => {
        const latest = policy()
        return latest === inForce ? caller : identify(latest)
      }
      return serve({ route, caller, isOpen: false, current, form }, request)
    }

    return route.kind === "oauth2"
      ? Effect.matchEffect(readForm(request, inForce.body, sending), {
        onFailure: (refusal) => refusing(refusal),
        onSuccess: admit
      })
      : admit(noForm)
  })
}

const anotherClient = badRequest("client_id names another caller than the key or the certificate does.")

const noForm: Form = new Map()
