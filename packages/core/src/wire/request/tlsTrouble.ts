// Finds out which part of TLS failed from the runtime's error.
import type { Trace } from "./failureTrace.js"

/** One way in which TLS fails, as OpenSSL (Node.js, Bun), rustls (Deno) and workerd say it. */
interface Kind {
  /** The code to show if the runtime gives none. */
  readonly code: string
  readonly codes: RegExp
  readonly words: RegExp
  readonly advice: string
}

/**
 * The first kind that fits counts: what the *server* says about our certificate comes before what we say about the
 * server's, and the specific before the general.
 */
const kinds: ReadonlyArray<Kind> = [
  {
    code: "CLIENT_CERTIFICATE_UNUSABLE",
    codes: /^ERR_OSSL_/,
    words: /key values mismatch|no start line/i,
    advice:
      "The certificate or the key that the HTTP client was given for itself cannot be used: check that both are " +
      "PEM, belong together, and that the key's passphrase is right."
  },
  {
    code: "CLIENT_CERTIFICATE_REFUSED",
    codes: /ALERT_(?:BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|ACCESS_DENIED)/,
    words: new RegExp(
      "alert (?:bad certificate|unsupported certificate|certificate |unknown ca|access denied)" +
        "|alert: (?:CertificateRequired|BadCertificate|UnsupportedCertificate|Certificate(?:Unknown|Expired|Revoked)" +
        "|UnknownCA|AccessDenied)",
      "i"
    ),
    advice:
      "The server refused the client certificate (mutual TLS), or was shown none: give the HTTP client one that is " +
      "valid now and that the server's authority has signed."
  },
  {
    code: "HANDSHAKE_FAILURE",
    codes: /ALERT_HANDSHAKE_FAILURE/,
    words: /alert handshake failure|alert: HandshakeFailure|alert number 40\b/i,
    advice:
      "The server broke the handshake off and gave no reason (alert 40): with TLS 1.2 that is how a server answers " +
      "that wants a client certificate (mutual TLS) and was shown none, so give the HTTP client one if it does; " +
      "otherwise the two sides have no common TLS version or cipher."
  },
  {
    code: "NO_APPLICATION_PROTOCOL",
    codes: /ALERT_NO_APPLICATION_PROTOCOL/,
    words: /alert no application protocol|alert: NoApplicationProtocol|alert number 120\b/i,
    advice:
      "The server speaks another protocol on top of TLS than this HTTP client offers (ALPN, alert 120), for example " +
      "HTTP/2 only: let the server accept HTTP/1.1, or give the program an HTTP client that speaks HTTP/2."
  },
  {
    code: "TLS_INTERNAL_ERROR",
    codes: /ALERT_INTERNAL_ERROR/,
    words: /alert internal error|alert: InternalError|alert number 80\b/i,
    advice:
      "The server broke the handshake off because of a fault of its own (alert 80): look into its log. Many servers do " +
      "so if they have no certificate for the host name of the URL, so check that name too."
  },
  {
    code: "CERT_REVOKED",
    codes: /^(?:CERT_REVOKED|OCSP_|CRL_|UNABLE_TO_GET_CRL)/,
    words: /certificate:? (?:is |has been )?revoked/i,
    advice: "The server's certificate was revoked, or whether it was cannot be found out: have it replaced."
  },
  {
    code: "CERT_HAS_EXPIRED",
    codes: /^CERT_HAS_EXPIRED$/,
    words: /certificate:? (?:has |is )?expired|certExpired/i,
    advice: "The server's certificate has expired: have it renewed, and check the clock of this machine."
  },
  {
    code: "CERT_NOT_YET_VALID",
    codes: /^CERT_NOT_YET_VALID$/,
    words: /not.?yet.?valid|not valid yet|NotValidYet/i,
    advice: "The server's certificate is not valid yet: check the clock of this machine first, then the certificate."
  },
  {
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
    codes: /^(?:ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH|ERR_SSL_TLSV1_(?:ALERT_)?UNRECOGNIZED_NAME)/,
    words: /altname|NotValidForName|not valid for name|unrecogni[sz]ed.?name|(?:host ?name|name) mismatch/i,
    advice: "The server's certificate is for another host name: check the URL, and any proxy in between."
  },
  {
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    codes:
      /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_CHAIN_TOO_LONG|CERT_SIGNATURE_FAILURE|INVALID_CA)/,
    words: /UnknownIssuer|self[- ]signed|unable to (?:get|verify)|issuer|not trusted|BadSignature/i,
    advice: "The server's certificate comes from an authority this machine does not know: add that authority (with " +
      "NODE_EXTRA_CA_CERTS on Node.js and Bun, DENO_CERT on Deno) rather than switching verification off."
  },
  {
    code: "CERT_REJECTED",
    codes: /^(?:CERT_|ERR_TLS_CERT_|ERROR_IN_CERT_|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|(?:EE|CA)_(?:KEY|MD)_)/,
    words: /certificate/i,
    advice:
      "The server's certificate cannot be relied on: check the certificate chain, what the certificate is for, and " +
      "the host name."
  },
  {
    // Bun says no more than this of any alert
    code: "EPROTO",
    codes: /^$/,
    words: /TLS handshake failed\. Does the server speak TLS/i,
    advice:
      "This runtime does not say why. Either the two sides found no common TLS version or protocol, or the other side " +
      "speaks no TLS: check scheme, port and proxy. Or the server refused the client certificate (mutual TLS), or was " +
      "shown none: give the HTTP client one that is valid now and that the server's authority has signed. Or the server " +
      "does not know the host name of the URL. Its log tells which."
  },
  {
    code: "EPROTO",
    codes: /^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/,
    words:
      /wrong version number|ssl routines|InvalidContentType|corrupt message|fatal alert|tls (?:alert|handshake)|handshake fail/i,
    advice: "The two sides found no common TLS version, or the other side speaks no TLS: check scheme, port and proxy."
  }
]

/** Codes of sockets and resolvers: the reason is clear from them, whatever the message says. */
const noTls = /^(?:E(?!PROTO)[A-Z0-9_]+|UND_ERR_[A-Z_]+)$/

/** The connection was closed during the handshake, as by a balancer that restarts: no alert, so no side refused. */
const cut = /handshake eof|unexpected eof|without sending TLS close_notify/i

const isTls = (code: string): boolean => kinds.some(({ codes }) => codes.test(code))

/** The TLS problem, if the failure was one. */
export const find = ({ codes, messages }: Trace): { readonly code: string; readonly advice: string } | undefined => {
  if (messages.some((message) => cut.test(message))) return undefined
  const own = codes.find(isTls)
  if (own === undefined && codes.some((code) => noTls.test(code))) return undefined
  const kind = kinds.find((kind) =>
    codes.some((code) => kind.codes.test(code)) || messages.some((message) => kind.words.test(message))
  )
  // Node.js 24 has ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE, which is not in the form of a code
  return kind === undefined
    ? undefined
    : { code: own === undefined || own.includes("/") ? kind.code : own, advice: kind.advice }
}
