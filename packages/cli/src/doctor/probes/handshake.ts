/** One connection to a host, and the TLS handshake on it where there is to be one. Nothing else is sent. */
import * as Net from "node:net"
import * as Tls from "node:tls"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

export interface Target {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

export type Stage = "connecting" | "TLS"

export interface Certificate {
  /** What is wrong with its signatures, as OpenSSL calls it. */
  readonly authority: string | undefined
  readonly isForHost: boolean
  readonly names: ReadonlyArray<string>
  readonly issuer: string
  readonly validFrom: number
  readonly validTo: number
}

export type Outcome =
  | { readonly _tag: "Connected"; readonly version: string | undefined; readonly certificate: Certificate | undefined }
  | { readonly _tag: "Failed"; readonly stage: Stage; readonly code: string }
  | { readonly _tag: "TimedOut"; readonly stage: Stage }

/** `DNS:a.example, DNS:b.example, IP Address:127.0.0.1` */
const alternativeNames = (text: string | undefined): ReadonlyArray<string> =>
  (text ?? "").split(", ").map((name) => name.replace(/^[A-Za-z ]+:/, "")).filter((name) => name !== "")

const text = (value: string | ReadonlyArray<string> | undefined): string =>
  typeof value === "string" ? value : value?.[0] ?? ""

const codeOf = (error: unknown): string =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(error.code)
    ? error.code
    : "unknown"

const certificateOf = (socket: Tls.TLSSocket, host: string): Certificate | undefined => {
  const certificate = socket.getPeerCertificate()
  if (certificate.raw === undefined) return undefined
  const subject = text(certificate.subject?.CN)
  const alternatives = alternativeNames(certificate.subjectaltname)
  const error = socket.authorizationError as unknown
  const code = typeof error === "string" ? error : error instanceof Error ? codeOf(error) : undefined
  return {
    authority: code,
    isForHost: Tls.checkServerIdentity(host, certificate) === undefined,
    names: alternatives.length > 0 ? alternatives : [subject].filter((name) => name !== ""),
    issuer: text(certificate.issuer?.CN) || text(certificate.issuer?.O),
    validFrom: Date.parse(certificate.valid_from),
    validTo: Date.parse(certificate.valid_to)
  }
}

export const connect = ({ host, port, tls }: Target, limit: Duration.Duration): Effect.Effect<Outcome> =>
  Effect.suspend(() => {
    let stage: Stage = "connecting"
    let socket: Net.Socket | undefined
    let secure: Tls.TLSSocket | undefined
    const attempt = Effect.async<Outcome>((resume) => {
      const end = (outcome: Outcome) => resume(Effect.succeed(outcome))
      const onError = (error: unknown) => end({ _tag: "Failed", stage, code: codeOf(error) })
      const plain = socket = Net.connect({ host, port })
      plain.on("error", onError)
      plain.once("connect", () => {
        if (!tls) return end({ _tag: "Connected", version: undefined, certificate: undefined })
        stage = "TLS"
        const over = secure = Tls.connect({
          socket: plain,
          ...Net.isIP(host) === 0 ? { servername: host } : {},
          ALPNProtocols: ["http/1.1"],
          // a certificate that cannot be trusted is looked at; nothing is sent over this connection
          rejectUnauthorized: false
        })
        over.on("error", onError)
        over.once("close", () => end({ _tag: "Failed", stage, code: "ECONNRESET" }))
        over.once("secureConnect", () => {
          try {
            end({
              _tag: "Connected",
              version: over.getProtocol() ?? undefined,
              certificate: certificateOf(over, host)
            })
          } catch (error) {
            // Node.js throws for names in a certificate that are not well-formed
            onError(error)
          }
        })
      })
    })
    return attempt.pipe(
      Effect.timeoutOption(limit),
      Effect.map(Option.getOrElse((): Outcome => ({ _tag: "TimedOut", stage }))),
      Effect.ensuring(Effect.sync(() => {
        secure?.destroy()
        socket?.destroy()
      }))
    )
  })
