/**
 * What a `Schema` of single fields cannot say: what has to agree with something else in the file. It reads the value as
 * it stands in the file, so that these mistakes are found beside those of the `Schema`; what has not the form that the
 * `Schema` asks for is passed over here.
 */
import { isIP } from "node:net"
import * as Predicate from "effect/Predicate"
import * as Grant from "effect-bearer/Grant"
import { isLoopback } from "effect-bearer/Loopback"
import type { Path } from "./mistake.js"
import { oneOf, shownKey } from "./mistake.js"
import { didYouMean } from "./nearest.js"
import type { Found } from "./schemaMistakes.js"

type Fields = Readonly<Record<string, unknown>>
type Report = (path: Path, expected: string, found: string, hint?: string | (() => string | undefined)) => void

/** Nobody reads more, and a file may hold very many. */
const most = 500

const fields = (value: unknown): Fields => Predicate.isRecord(value) ? value : {}
const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []
/** Own fields only: a profile may be named `constructor`. */
const field = (value: unknown, name: string): unknown =>
  Predicate.isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
const text = (value: unknown, name: string): string | undefined => {
  const found = field(value, name)
  return typeof found === "string" && found.trim() !== "" ? found : undefined
}
const isTrue = (value: unknown, name: string): boolean => field(value, name) === true

export const of = (config: unknown): ReadonlyArray<Found> => {
  const all: Array<Found> = []
  const report: Report = (path, expected, found, given) => {
    if (all.length >= most) return
    const hint = typeof given === "function" ? given() : given
    all.push({ path, expected, found, ...(hint === undefined ? {} : { hint }) })
  }
  if (!Predicate.isRecord(config)) return all
  for (const [name, profile] of Object.entries(fields(field(config, "profiles")))) {
    profileChecks(profile, ["profiles", name], report)
  }
  tokenFiles(config, report)
  callers(config, report)
  listeners(config, report)
  hosts(config, report)
  secrets(config, isTrue(config, "allowPlainSecrets"), report)
  return all
}

// ---------------------------------------------------------------------------------------------------------------
// profiles
// ---------------------------------------------------------------------------------------------------------------

const profileChecks = (profile: unknown, path: Path, report: Report): void => {
  if (!Predicate.isRecord(profile)) return
  const given = ["tokenEndpoint", "issuer"].filter((name) => field(profile, name) !== undefined)
  if (given.length !== 1) {
    report(path, "exactly one of \"tokenEndpoint\" and \"issuer\"", given.length === 0 ? "neither" : "both")
  }
  for (const name of given) {
    const value = text(profile, name)
    if (value !== undefined) {
      url(value, [...path, name], { insecure: isTrue(profile, "allowInsecure"), query: name !== "issuer" }, report)
    }
  }
  for (const name of ["introspectionEndpoint", "revocationEndpoint"]) {
    const value = text(profile, name)
    if (value !== undefined) {
      url(value, [...path, name], { insecure: isTrue(profile, "allowInsecure"), query: true }, report)
    }
  }
  list(field(profile, "origins")).forEach((value, index) => {
    if (typeof value === "string" && value.trim() !== "") origin(value, [...path, "origins", index], report)
  })
  const grant = field(field(profile, "grant"), "type")
  for (const name of Object.keys(fields(field(profile, "parameters")))) {
    if (
      Grant.reserved.has(name.trim().toLowerCase()) ||
      (grant === "refresh_token" && name === "refresh_token") || (grant === "jwt_bearer" && name === "assertion")
    ) {
      report(
        [...path, "parameters", name],
        "no parameter that the broker sends itself",
        "one",
        "Use scopes, audience, resource, clientId, authentication and grant."
      )
    }
  }
}

/** `call` compares whole origins: what holds more than one would promise more than it keeps. */
const origin = (value: string, path: Path, report: Report): void => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined
  if (parsed === undefined || (parsed.protocol !== "https:" && parsed.protocol !== "http:")) {
    return report(path, "an origin such as https://api.example.com", "a text that is none")
  }
  if (parsed.protocol === "http:" && !isLoopback(parsed.hostname)) {
    return report(path, "https, because http would send tokens unencrypted", "http")
  }
  const { hash, password, pathname, search, username } = parsed
  if (pathname !== "/" || `${search}${hash}${username}${password}` !== "") {
    report(path, "scheme, host and port alone", "more than these", "Leave out the path, the query and user info.")
  }
}

const url = (
  value: string,
  path: Path,
  { insecure, query }: { readonly insecure: boolean; readonly query: boolean },
  report: Report
): void => {
  if (!URL.canParse(value.trim())) {
    return report(path, "an absolute URL such as https://login.example.com/oauth/token", "a text that is none")
  }
  const { hash, hostname, password, protocol, search, username } = new URL(value.trim())
  if (protocol !== "https:" && protocol !== "http:") {
    return report(path, "a URL that begins with https://", "one with another scheme")
  }
  if (protocol === "http:" && !insecure && !isLoopback(hostname)) {
    report(
      path,
      "https, because http would send secrets unencrypted",
      "http",
      "Use https; allowInsecure: true permits http all the same."
    )
  }
  if (username !== "" || password !== "") {
    report(path, "a URL without user name and password", "one with them", "Use clientId and authentication.")
  }
  if (hash !== "") report(path, "a URL without a fragment", "one with a # in it")
  if (!query && search !== "") report(path, "an issuer without a query (RFC 8414 §2)", "one with a ? in it")
}

const tokenFiles = (config: Fields, report: Report): void => {
  const seen = new Map<string, string>()
  for (const [name, profile] of Object.entries(fields(field(config, "profiles")))) {
    const path = text(field(profile, "file"), "path")
    const other = path === undefined ? undefined : seen.get(path)
    if (other !== undefined) {
      report(["profiles", name, "file", "path"], "a file of its own", `the file of the profile ${shownKey(other)}`)
    } else if (path !== undefined) seen.set(path, name)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// callers
// ---------------------------------------------------------------------------------------------------------------

const callers = (config: Fields, report: Report): void => {
  const profiles = fields(field(config, "profiles"))
  const asksForCertificates = list(field(config, "listen")).some((one) =>
    text(field(one, "tls"), "clientCa") !== undefined
  )
  const ids = new Map<string, number>()
  const keys = new Map<string, string>()
  const certificates = new Map<string, string>()
  const unique = (seen: Map<string, string>, key: string, place: string, path: Path, what: string) => {
    const other = seen.get(key)
    if (other === undefined) seen.set(key, place)
    else report(path, `${what} that nobody else has`, `the one of ${other}`)
  }

  list(field(config, "callers")).forEach((caller, index) => {
    if (!Predicate.isRecord(caller)) return
    const path = ["callers", index]
    const place = `callers[${index}]`

    const id = text(caller, "id")
    const first = id === undefined ? undefined : ids.get(id)
    if (first !== undefined) report([...path, "id"], "an id that nobody else has", `the one of callers[${first}]`)
    else if (id !== undefined) ids.set(id, index)

    list(field(caller, "keys")).forEach((key, at) => {
      if (typeof key === "string") unique(keys, key, `${place}.keys[${at}]`, [...path, "keys", at], "a key")
    })
    const shown = list(field(caller, "certificates"))
    shown.forEach((certificate, at) => {
      for (const kind of ["subject", "san"]) {
        const name = text(certificate, kind)
        if (name === undefined) continue
        const own = [...path, "certificates", at]
        unique(certificates, `${kind} ${name}`, `${place}.certificates[${at}]`, own, "a certificate")
        if (kind === "san" && !/^(DNS|URI|IP|email):\S/.test(name)) {
          report(
            [...own, "san"],
            "an alternative name with its kind, such as \"DNS:app.example.com\" or \"URI:spiffe://…\"",
            "another text"
          )
        }
      }
    })
    if (shown.length > 0 && !asksForCertificates) {
      report(
        [...path, "certificates"],
        "a listener that asks for certificates",
        "none",
        "Give a listener tls with clientCa, or the caller a key instead."
      )
    }
    if (list(field(caller, "keys")).length === 0 && shown.length === 0 && isAbsentOrList(caller)) {
      report(
        path,
        "\"keys\" or \"certificates\": callers always authenticate",
        "neither",
        "`effect-bearer broker key` makes a key and its digest; so does `CallerKey.generate`."
      )
    }

    for (const [name, access] of Object.entries(fields(field(caller, "profiles")))) {
      const own = [...path, "profiles", name]
      if (!Object.hasOwn(profiles, name)) {
        const names = Object.keys(profiles)
        report(
          own,
          names.length === 0
            ? "the name of a profile of this file, which has none"
            : `the name of a profile of this file: ${oneOf(names.slice(0, 20).map((one) => `"${shownKey(one)}"`))}`,
          "a name that none has",
          () => didYouMean(name, names)
        )
      } else if (isTrue(access, "tokenExchange") && !isTrue(profiles[name], "tokenExchange")) {
        report(
          [...own, "tokenExchange"],
          "false, because the profile does not allow it",
          "true",
          `Set profiles.${shownKey(name)}.tokenExchange: true as well.`
        )
      }
    }
  })
}

/** Where keys or certificates are something else than a list, the schema says so. */
const isAbsentOrList = (caller: Fields): boolean =>
  ["keys", "certificates"].every((name) => field(caller, name) === undefined || Array.isArray(field(caller, name)))

// ---------------------------------------------------------------------------------------------------------------
// listeners
// ---------------------------------------------------------------------------------------------------------------

/** A name or an address, without port. */
const isHost = (text: string): boolean =>
  isIP(text.replace(/^\[(.*)\]$/, "$1")) !== 0 ||
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i.test(text)

const listeners = (config: Fields, report: Report): void => {
  const seen = new Map<string, string>()
  const unique = (key: string, path: Path, place: string) => {
    const other = seen.get(key)
    if (other === undefined) seen.set(key, place)
    else report(path, "an address of its own to listen at", `the one of ${other}`)
  }
  const check = (listener: unknown, path: Path, place: string, guarded: boolean) => {
    const socket = text(listener, "socket")
    if (socket !== undefined) unique(`socket ${socket}`, path, place)
    const host = text(listener, "host")
    const port = field(listener, "port")
    if (host !== undefined && !isHost(host)) {
      return report([...path, "host"], "a host name or an address, without port and scheme", "another text")
    }
    // port 0 is whichever is free
    if (typeof port === "number" && port > 0) unique(`${(host ?? "").toLowerCase()} ${port}`, path, place)
    if (
      guarded && host !== undefined && !isLoopback(host) && field(listener, "tls") === undefined &&
      !isTrue(listener, "behindTlsProxy")
    ) {
      report(
        path,
        "tls, because other machines can reach this address and keys and tokens would travel unencrypted",
        "none",
        "Give it tls with certificate and key; or set behindTlsProxy: true if a proxy speaks TLS with the callers; " +
          "or listen on 127.0.0.1."
      )
    }
  }
  list(field(config, "listen")).forEach((listener, index) =>
    check(listener, ["listen", index], `listen[${index}]`, true)
  )
  if (field(config, "listen") === undefined) seen.set(" 4180", "the broker itself, which is on port 4180 by default")
  check(field(config, "metrics"), ["metrics"], "metrics", false)
}

const hosts = (config: Fields, report: Report): void => {
  list(field(config, "hosts")).forEach((host, index) => {
    if (typeof host !== "string" || host === "") return
    const [, name, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(host) ?? []
    if (name === undefined || !isHost(name) || Number(port ?? 1) > 65_535) {
      report(["hosts", index], "a host name with its port, such as broker.internal:8443", "another text")
    }
  })
  list(field(config, "trustedProxies")).forEach((address, index) => {
    if (typeof address !== "string" || address === "") return
    const [, base, bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(address) ?? []
    const version = isIP(base ?? "")
    if (version === 0 || Number(bits ?? 0) > (version === 4 ? 32 : 128)) {
      report(["trustedProxies", index], "an IP address, or a range such as 10.0.0.0/8", "another text")
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------
// secrets
// ---------------------------------------------------------------------------------------------------------------

/** The fields that hold secrets; those of lists are looked at one by one. */
const secrets = (config: Fields, allowsPlain: boolean, report: Report): void => {
  const check = (value: unknown, path: Path) => {
    if (!Predicate.isRecord(value)) return
    if (!allowsPlain && Object.hasOwn(value, "plain")) {
      report(
        [...path, "plain"],
        "a secret by reference",
        "a secret in the clear",
        "Use { env }, { file } or { vault }; allowPlainSecrets: true permits it all the same."
      )
    }
    const address = text(field(value, "vault"), "address")
    if (address !== undefined) url(address, [...path, "vault", "address"], { insecure: false, query: true }, report)
  }
  for (const [name, profile] of Object.entries(fields(field(config, "profiles")))) {
    const path = ["profiles", name]
    check(field(field(profile, "authentication"), "secret"), [...path, "authentication", "secret"])
    check(field(field(profile, "authentication"), "key"), [...path, "authentication", "key"])
    check(field(field(profile, "grant"), "refreshToken"), [...path, "grant", "refreshToken"])
    check(field(field(profile, "grant"), "assertion"), [...path, "grant", "assertion"])
  }
  const store = field(config, "store")
  check(field(field(store, "redis"), "url"), ["store", "redis", "url"])
  list(field(store, "sealWith")).forEach((key, index) => check(key, ["store", "sealWith", index]))
}
