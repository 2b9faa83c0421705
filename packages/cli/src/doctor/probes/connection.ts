/** Whether the host of a URL can be reached, and whether its certificate is good: what each outcome of a handshake means. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Environment } from "../../settings/places.js"
import type { Finding } from "../findings.js"
import { finding } from "../findings.js"
import type { Observer } from "../observing.js"
import type { Seen } from "../report.js"
import { found } from "../report.js"
import * as wording from "../wording.js"
import * as handshake from "./handshake.js"
import * as proxies from "./proxy.js"

/** As long as three attempts to send the first packet take. */
const longest = Duration.seconds(3.05)

/** Codes of OpenSSL for a certificate that no known authority vouches for. */
const unknownAuthority =
  /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_CHAIN_TOO_LONG|CERT_SIGNATURE_FAILURE|INVALID_CA)/

const oldVersion = /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|VERSION_TOO_LOW|INAPPROPRIATE_FALLBACK/

/** There is no code. */
export const unknown = "unknown"

export const notHttp = (where: string): Finding =>
  finding(
    "connection-failed",
    `${where}: what answers there speaks no HTTP.`,
    "Check the port, and the scheme: a server that speaks TLS needs https://. The port may be that of another service."
  )

/** What to do about a code of the system or of TLS, wherever it comes from. */
export const ofCode = (code: string, where: string, stage: handshake.Stage = "connecting"): Finding => {
  const evidence = (what: string) => `${where}: ${what}${code === unknown ? "" : ` (${code})`}.`
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) {
    return finding(
      "host-unknown",
      evidence(
        code === "EAI_AGAIN" ? "the name could not be looked up at the moment" : "no address is known for this name"
      ),
      code === "EAI_AGAIN"
        ? "Check that this machine reaches its name server, then run this again."
        : "Check the spelling of the host. If it is right, check the name server of this machine or container: names of an " +
          "internal network are known inside of it only."
    )
  }
  if (code === "ECONNREFUSED") {
    return finding(
      "connection-refused",
      evidence("nothing listens there"),
      "Check the port and the scheme, that the server runs, and that it listens on this address and not on its own loopback only."
    )
  }
  if (code === "ETIMEDOUT" || code === "UND_ERR_CONNECT_TIMEOUT") {
    return timedOut(where, undefined)
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return finding("tls-certificate-expired", evidence("the certificate is out of date"), fixes.outOfDate)
  }
  if (/ALTNAME|HOSTNAME_MISMATCH|UNRECOGNIZED_NAME/.test(code)) {
    return finding("tls-wrong-name", evidence("the certificate is for another host"), fixes.wrongName)
  }
  if (unknownAuthority.test(code)) {
    return finding("tls-self-signed", evidence("no known authority has signed the certificate"), fixes.authority)
  }
  if (oldVersion.test(code)) {
    return finding(
      "tls-old-version",
      evidence("the server offers no version of TLS that is safe; 1.2 is the least"),
      "Have TLS 1.2 or 1.3 switched on at the server, or at the proxy that ends TLS there. Do not allow the old version here: it " +
        "protects no secret."
    )
  }
  if (stage === "TLS" || /SSL|TLS|CERT|^EPROTO$/.test(code)) {
    return finding(
      "tls-failed",
      evidence("the TLS handshake failed"),
      "Check that this port speaks TLS (a server without it needs http://, and only on this machine), and what ends TLS on the " +
        "way. If the server wants a certificate of its clients, give the HTTP client one."
    )
  }
  return finding(
    "connection-failed",
    evidence("the connection broke or could not be made"),
    "Check the network between here and there: routes, firewalls, VPN, and whether the server ends connections by itself."
  )
}

const fixes = {
  outOfDate: "Have the certificate renewed. If it is still good, set the clock of this machine right.",
  wrongName:
    "Use the host name that the certificate is for, or have a certificate issued for this one. Check for a proxy in between.",
  authority:
    "Name the authority's certificate in NODE_EXTRA_CA_CERTS, or have the server send the certificates between its own and a " +
    "known authority. Do not switch verification off."
}

const timedOut = (
  where: string,
  limit: Duration.Duration | undefined,
  stage: handshake.Stage = "connecting"
): Finding =>
  finding(
    "connect-timeout",
    `${where}: ${stage === "TLS" ? "the TLS handshake was not answered" : "the connection was not answered"}${
      limit === undefined ? "" : ` within ${wording.seconds(Duration.toMillis(limit))}`
    }.`,
    "Check the host and the port, and whether a firewall drops what this machine sends: ask for this way to be opened, or set " +
      "HTTPS_PROXY if the network wants a proxy."
  )

const day = (millis: number): string =>
  Number.isFinite(millis) ? new Date(millis).toISOString().slice(0, 10) : "an unknown day"

/** What is wrong with a certificate: all of it at once. */
const certificateFindings = (
  certificate: handshake.Certificate,
  { host }: handshake.Target,
  where: string,
  now: number
): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const { authority, isForHost, issuer, names, validFrom, validTo } = certificate
  if (now > validTo || now < validFrom) {
    findings.push(
      finding(
        "tls-certificate-expired",
        now > validTo
          ? `${where}: the certificate ended on ${day(validTo)}.`
          : `${where}: the certificate begins on ${day(validFrom)}, which is in the future by this machine's clock.`,
        fixes.outOfDate
      )
    )
  }
  if (authority !== undefined && unknownAuthority.test(authority)) {
    findings.push(
      finding(
        "tls-self-signed",
        `${where}: the certificate was issued by ${
          issuer === "" ? "an authority without a name" : `"${wording.name(issuer)}"`
        }, which this machine does not know (${authority}).`,
        fixes.authority
      )
    )
  }
  if (!isForHost) {
    findings.push(
      finding(
        "tls-wrong-name",
        `${where}: the certificate is for ${wording.names(names) || "no host"}, not for ${wording.name(host)}.`,
        fixes.wrongName
      )
    )
  }
  if (findings.length === 0 && authority !== undefined) findings.push(ofCode(authority, where, "TLS"))
  return findings
}

/** Probes the host of a URL, or the proxy that stands before it. */
export const probe = (
  url: URL,
  options: { readonly observer: Observer; readonly environment: Environment; readonly timeout: Duration.Duration }
): Effect.Effect<Seen> =>
  Effect.gen(function*() {
    const proxy = proxies.of(url, options.environment)
    const target = proxies.address(proxy?.url ?? url)
    const where = `${wording.name(target.host)}:${target.port}${
      proxy === undefined ? "" : `, the proxy of ${proxy.variable}`
    }`
    const check = `connection to ${where}`
    const limit = Duration.min(longest, options.timeout)
    yield* options.observer.connected
    const outcome = yield* handshake.connect(target, limit)
    switch (outcome._tag) {
      case "TimedOut":
        return found(check, [timedOut(where, limit, outcome.stage)])
      case "Failed":
        return found(check, [ofCode(outcome.code, where, outcome.stage)])
      case "Connected": {
        const { certificate, version } = outcome
        if (certificate === undefined) return found(check, [], version)
        const now = yield* Clock.currentTimeMillis
        const findings = certificateFindings(certificate, target, where, now)
        return found(check, findings, `${version ?? "TLS"}, certificate good until ${day(certificate.validTo)}`)
      }
    }
  })
