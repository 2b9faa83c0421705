/** What a request shows to say whose it is: a key by HTTP Basic, as a Bearer token, or in the form; or a certificate. */
import type { IncomingMessage } from "node:http"
import type { TLSSocket } from "node:tls"
import * as Option from "effect/Option"
import type { Caller, Callers, CertificateNames } from "../policy/callers.js"

/** The credentials live as long as their check; they are text here, as in the headers they come from. */
interface Shown {
  readonly id: string | undefined
  readonly key: string
}

/** No key, id or encoding of them is longer. */
const longest = 1024

/** What the Authorization header says; several readings where RFC 6749 §2.3.1 and RFC 7617 give different ones. */
export const inHeader = (authorization: string | undefined): ReadonlyArray<Shown> => {
  if (authorization === undefined || authorization.length > longest) return []
  const [, scheme = "", value = ""] = /^(basic|bearer) +(\S+)$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() === "bearer") return [{ id: undefined, key: value }]
  if (scheme === "") return []
  const text = Buffer.from(value, "base64").toString("utf8")
  const colon = text.indexOf(":")
  if (colon === -1) return []
  const raw = { id: text.slice(0, colon), key: text.slice(colon + 1) }
  const decoded = formDecoded(text.slice(0, colon), text.slice(colon + 1))
  return decoded === undefined ? [raw] : [decoded, raw]
}

const formDecoded = (id: string, key: string): Shown | undefined => {
  if (!/[%+]/.test(id) && !/[%+]/.test(key)) return undefined
  try {
    const decode = (part: string) => decodeURIComponent(part.replaceAll("+", " "))
    return { id: decode(id), key: decode(key) }
  } catch {
    return undefined
  }
}

/** `client_id` and `client_secret` of a token request. */
export const inForm = (form: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<Shown> => {
  const id = form.get("client_id")?.[0]
  const key = form.get("client_secret")?.[0]
  return key === undefined || key.length > longest ? [] : [{ id, key }]
}

/** Whether the client that a form names is the caller, if it names one. */
export const isAbout = (form: Form, { id }: Caller): boolean => {
  const named = form.get("client_id")?.[0] ?? ""
  return named === "" || named === id
}

export const byKey = (shown: ReadonlyArray<Shown>, callers: Callers): Caller | undefined => {
  for (const { id, key } of shown) {
    const caller = callers.byKey(key, id)
    if (caller !== undefined) return caller
  }
  return undefined
}

/** The names of the certificate that the client has shown and TLS has verified. */
export const certificateNames = (request: IncomingMessage): Option.Option<CertificateNames> => {
  const socket = request.socket as Partial<TLSSocket>
  if (socket.authorized !== true || socket.getPeerCertificate === undefined) return Option.none()
  const { subject, subjectaltname } = socket.getPeerCertificate()
  const name: unknown = subject?.CN
  return Option.some({
    subject: typeof name === "string" ? name : undefined,
    // a name that was quoted may look like several
    alternatives: subjectaltname === undefined || subjectaltname.includes("\"")
      ? []
      : subjectaltname.split(", ").map((alternative) => alternative.replace(/^IP Address:/, "IP:"))
  })
}

export type Form = ReadonlyMap<string, ReadonlyArray<string>>

export const toForm = (text: string): Form => {
  const form = new Map<string, Array<string>>()
  for (const [name, value] of new URLSearchParams(text)) {
    const values = form.get(name)
    if (values === undefined) form.set(name, [value])
    else values.push(value)
  }
  return form
}
