import { inspect } from "node:util"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import { ClientAuthentication, OwnRequest, TokenError, TokenSource } from "../../src/index.js"

const secret = "s3cr3t-of-the-client"
const at = "https://login.example.com:8443/oauth/token"

const request = HttpClientRequest.get(`${at}?tenant=private`)

/** The error of a platform client for the error that a runtime throws. */
const failing = (cause: unknown) =>
  HttpClient.make((request) => Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause })))

const send = (client: HttpClient.HttpClient, timeout: OwnRequest.Options["timeout"] = Duration.seconds(10)) =>
  Effect.flatMap(
    Effect.provideService(OwnRequest.make, HttpClient.HttpClient, client),
    (send) => send({ request, endpoint: at, field: "tokenEndpoint", timeout, secrets: [Redacted.make(secret)] })
  )

const failure = (cause: unknown) => Effect.flip(send(failing(cause)))

const error = (message: string, members: object = {}, cause?: unknown): Error =>
  Object.assign(new Error(message, cause === undefined ? {} : { cause }), members)

const fetchFailed = (cause: unknown): TypeError => new TypeError("fetch failed", { cause })
const deno = (what: string): TypeError =>
  fetchFailed(error(`error sending request for url (${at}?tenant=private): client error (Connect): ${what}`))
const openssl = (what: string): string =>
  `80BC0AA14F7F0000:error:0A00010B:SSL routines:${what}:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:`

const authority = "an authority this machine does not know"
const expired = "has expired"
const early = "not valid yet"
const name = "another host name"
const client = "refused the client certificate"
const handshake = "no common TLS version"

describe("TLS: failures as each runtime reports them", () => {
  // as Node.js 20 to 26, Bun 1.4, Deno 1 and 2 and workerd say it
  const cases: ReadonlyArray<readonly [runtime: string, cause: unknown, advice: string]> = [
    // FAULTS R6
    ["Deno", deno("invalid peer certificate: UnknownIssuer"), authority],
    ["Deno", error("error trying to connect: invalid peer certificate: UnknownIssuer"), authority],
    ["Deno", deno("invalid certificate: UnknownIssuer"), authority],
    ["Deno", deno("invalid peer certificate: BadSignature"), authority],
    ["Deno", deno("invalid peer certificate: Expired"), expired],
    ["Deno", deno("invalid certificate: CertExpired"), expired],
    [
      "Deno",
      deno(
        "invalid peer certificate: certificate expired: verification time 1795804700 (UNIX), but certificate is not " +
          "valid after 978307200 (817497500 seconds ago)"
      ),
      expired
    ],
    ["Deno", deno("invalid peer certificate: NotValidYet"), early],
    [
      "Deno",
      deno(
        "invalid peer certificate: certificate not valid yet: verification time 1795804700 (UNIX), but certificate is " +
          "not valid before 4417977600 (2622172900 seconds in future)"
      ),
      early
    ],
    ["Deno", deno("invalid peer certificate: NotValidForName"), name],
    ["Deno", deno("invalid certificate: CertNotValidForName"), name],
    [
      "Deno",
      deno(
        "invalid peer certificate: certificate not valid for name \"localhost\"; certificate is only valid for " +
          "DnsName(\"other.example\")"
      ),
      name
    ],
    ["Deno", deno("invalid peer certificate: Revoked"), "revoked"],
    ["Deno", deno("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))"), "what the certificate is for"],
    ["Deno", deno("received fatal alert: ProtocolVersion"), handshake],
    ["Deno", deno("received fatal alert: HandshakeFailure"), handshake],
    ["Deno", deno("received corrupt message of type InvalidContentType"), handshake],
    ["Deno", deno("received fatal alert: UnrecognisedName"), name],
    ["Deno", fetchFailed(error("received fatal alert: CertificateRequired")), client],
    ["Deno", fetchFailed(error("received fatal alert: CertificateExpired")), client],
    ["Deno", fetchFailed(error("received fatal alert: UnknownCA")), client],
    ["Bun", error("unable to verify the first certificate", { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }), authority],
    ["Bun", error("self signed certificate in certificate chain", { code: "SELF_SIGNED_CERT_IN_CHAIN" }), authority],
    ["Bun", error("certificate has expired", { code: "CERT_HAS_EXPIRED" }), expired],
    [
      "Bun",
      error(`ERR_TLS_CERT_ALTNAME_INVALID fetching "${at}". For more information, pass \`verbose: true\``, {
        code: "ERR_TLS_CERT_ALTNAME_INVALID"
      }),
      name
    ],
    [
      "Bun",
      error("EPROTO: The TLS handshake failed. Does the server speak TLS on this port?", { code: "EPROTO" }),
      handshake
    ],
    ["Node.js", fetchFailed(error("certificate is not yet valid", { code: "CERT_NOT_YET_VALID" })), early],
    [
      "Node.js",
      fetchFailed(error(
        "unable to verify the first certificate; if the root CA is installed locally, try running " +
          "Node.js with --use-system-ca",
        { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }
      )),
      authority
    ],
    [
      "Node.js",
      fetchFailed(error("unable to get local issuer certificate", { code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY" })),
      authority
    ],
    [
      "Node.js",
      fetchFailed(error("unsuitable certificate purpose", { code: "INVALID_PURPOSE" })),
      "the certificate is for"
    ],
    ["Node.js", fetchFailed(error("certificate revoked", { code: "CERT_REVOKED" })), "revoked"],
    [
      "Node.js",
      error(openssl("ssl3_get_record:wrong version number"), { code: "ERR_SSL_WRONG_VERSION_NUMBER" }),
      handshake
    ],
    // FAULTS W
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:sslv3 alert handshake failure"), {
        code: "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE"
      }),
      "a client certificate (mutual TLS)"
    ],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:sslv3 alert handshake failure"), { code: "EPROTO" }),
      "a client certificate (mutual TLS)"
    ],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:tlsv1 alert no application protocol"), {
        code: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
      }),
      "HTTP/2 only"
    ],
    ["Deno", deno("received fatal alert: NoApplicationProtocol"), "HTTP/2 only"],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:tlsv1 alert internal error"), { code: "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR" }),
      "alert 80"
    ],
    ["Deno", deno("received fatal alert: InternalError"), "alert 80"],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:tlsv1 alert protocol version"), { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" }),
      handshake
    ],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:tlsv13 alert certificate required"), {
        code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"
      }),
      client
    ],
    [
      "Node.js",
      error(openssl("ssl3_read_bytes:sslv3 alert certificate expired"), {
        code: "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED"
      }),
      client
    ],
    ["Node.js", error(`write EPROTO ${openssl("ssl3_read_bytes:tlsv1 alert unknown ca")}`, { code: "EPROTO" }), client],
    [
      "Node.js",
      error("error:05800074:x509 certificate routines::key values mismatch", {
        code: "ERR_OSSL_X509_KEY_VALUES_MISMATCH"
      }),
      "cannot be used"
    ],
    ["workerd", error("TLS peer's certificate is not trusted; reason = self signed certificate"), authority],
    ["workerd", error("TLS peer's certificate is not trusted; reason = certificate has expired"), expired]
  ]
  for (const [runtime, cause, advice] of cases) {
    it.effect(`${runtime}: ${inspect(cause).split("\n")[0]!.slice(0, 100)} … ${advice}`, () =>
      Effect.gen(function*() {
        const found = yield* failure(cause)
        assert.strictEqual(found._tag, "TlsError", inspect(found))
        if (found._tag !== "TlsError") return
        assert.include(found.advice, advice)
        assert.match(found.code, /^[A-Z0-9_]+$/)
        assert.notInclude(inspect(found, { depth: 9 }), "tenant")
      }))
  }

  // FAULTS W: Bun has one error for all alerts, so a refused client certificate was "no common TLS version"
  it.effect("Bun: the advice names each cause that the runtime does not tell apart", () =>
    Effect.gen(function*() {
      const found = yield* failure(
        error("EPROTO: The TLS handshake failed. Does the server speak TLS on this port?", { code: "EPROTO", errno: 0 })
      )
      assert.strictEqual(found._tag, "TlsError")
      assert.include(found.message, handshake)
      assert.include(found.message, "client certificate (mutual TLS)")
      assert.include(found.message, "host name")
      assert.include(found.message, "scheme, port and proxy")
    }))

  // FAULTS W: Deno and OpenSSL, "no common TLS version"; Node.js and Bun have ECONNRESET
  it.effect("a connection that was closed during the handshake is a fault of the network", () =>
    Effect.gen(function*() {
      const causes = [
        deno("tls handshake eof"),
        deno("unexpected EOF during handshake"),
        deno("peer closed connection without sending TLS close_notify: https://docs.rs/rustls"),
        deno("Connection reset by peer (os error 104)"),
        error(openssl(":unexpected eof while reading"), { code: "ERR_SSL_UNEXPECTED_EOF_WHILE_READING" }),
        error("Client network socket disconnected before secure TLS connection was established", {
          code: "ECONNRESET"
        }),
        error("ECONNRESET: The socket connection was closed unexpectedly.", { code: "ECONNRESET", errno: 0 })
      ]
      for (const cause of causes) {
        for (const shape of [cause, fetchFailed(cause)]) {
          const found = yield* failure(shape)
          assert.strictEqual(found._tag, "TransportError", inspect(cause))
          assert.isTrue(found.retryable)
        }
      }
    }))

  // FAULTS W: Node.js 24 writes a slash into codes
  it.effect("Node.js 24: a code with a slash is replaced by the name of the kind", () =>
    Effect.gen(function*() {
      const found = yield* failure(fetchFailed(error(openssl("ssl3_read_bytes:ssl/tls alert bad certificate"), {
        code: "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE"
      })))
      assert.strictEqual(found._tag === "TlsError" ? found.code : found._tag, "CLIENT_CERTIFICATE_REFUSED")
    }))

  it.effect("the name of a host does not count as the reason of a failure", () =>
    Effect.gen(function*() {
      const causes = [
        error("getaddrinfo ENOTFOUND certificate.expired.example.com", { code: "ENOTFOUND" }),
        fetchFailed(error("connect ECONNREFUSED self-signed.example.com:443", { code: "ECONNREFUSED" })),
        fetchFailed(
          error(
            "error sending request for url (https://certificate.example.com/handshake-failed): client error " +
              "(Connect): dns error: failed to lookup address information: Name or service not known"
          )
        ),
        error("ECONNRESET: Client network socket disconnected before secure TLS connection was established", {
          code: "ECONNRESET"
        })
      ]
      for (const cause of causes) assert.strictEqual((yield* failure(cause))._tag, "TransportError", inspect(cause))
    }))
})

describe("other failures of the client", () => {
  // FAULTS R6
  it.effect("the query of the URL and the headers are not shown", () =>
    Effect.gen(function*() {
      const causes = [
        fetchFailed(
          error(`error sending request for url (${at}?tenant=private&key=${secret}): client error (Connect): tcp`)
        ),
        error(`request to ${at}?tenant=private failed, reason: user:pass@host`, { code: "ECONNRESET" }),
        error(`Headers.append: "Bearer private ${secret}" is an invalid header value.`)
      ]
      for (const cause of causes) {
        const found = inspect(yield* failure(cause), { depth: 9 })
        assert.notInclude(found, "private")
        assert.notInclude(found, secret)
      }
    }))

  it.effect("a header that cannot be sent is InvalidConfiguration", () =>
    Effect.gen(function*() {
      const causes = [
        new TypeError("Headers.append: \"a b\" is an invalid header value."),
        error("Invalid character in header content [\"x-vault-token\"]", { code: "ERR_INVALID_CHAR" }),
        error("invalid x-vault-token header", { code: "UND_ERR_INVALID_ARG" })
      ]
      for (const cause of causes) {
        for (const client of [failing(cause), HttpClient.make(() => Effect.die(cause))]) {
          const found = yield* Effect.flip(send(client))
          assert.strictEqual(found._tag, "InvalidConfiguration", inspect(cause))
          assert.include(found.message, "tokenEndpoint")
        }
      }
    }))

  // FAULTS W
  it.effect("an answer with a header that is none is no mistake in the configuration", () =>
    Effect.gen(function*() {
      const causes = [
        // undici and Node.js, as fetch and by themselves; Deno 1 and 2; Node.js
        fetchFailed(
          error("Response does not match the HTTP/1.1 protocol (Invalid header token)", { name: "HTTPParserError" })
        ),
        error("Response does not match the HTTP/1.1 protocol (Invalid header value char)", { name: "HTTPParserError" }),
        fetchFailed(
          error(`error sending request for url (${at}): client error (SendRequest): invalid HTTP header parsed`)
        ),
        error(`error sending request for url (${at}): invalid HTTP header parsed`),
        error("Parse Error: Invalid header value char", { code: "HPE_INVALID_HEADER_TOKEN" })
      ]
      for (const cause of causes) {
        const found = yield* failure(cause)
        assert.strictEqual(found._tag, "TransportError", inspect(cause))
        assert.isTrue(found.retryable)
      }
    }))

  it.effect("Deno: a connection that timed out", () =>
    Effect.gen(function*() {
      const found = yield* failure(deno("tcp connect error: Connection timed out (os error 110)"))
      assert.strictEqual(found._tag === "EndpointTimeout" ? found.phase : found._tag, "connect")
    }))
})

describe("a proxy that refuses", () => {
  // FAULTS W3: undici 7 and 8, Node.js 24, Bun, Deno, and the packages tunnel and tunnel-agent
  const cases: ReadonlyArray<readonly [cause: unknown, status: number]> = [
    [error("Proxy response (407) !== 200 when HTTP Tunneling", { code: "UND_ERR_ABORTED" }), 407],
    [
      fetchFailed(error(
        "Request was cancelled.",
        {},
        error("Proxy response (407) !== 200 when HTTP Tunneling", {
          code: "UND_ERR_ABORTED"
        })
      )),
      407
    ],
    [fetchFailed(error("Proxy Authentication Required (407)", { code: "UND_ERR_INVALID_ARG" })), 407],
    [
      error(
        "Failed to establish tunnel to login.example.com:8443 via http://u:p@proxy.corp:3128: HTTP/1.1 407 Proxy " +
          "Authentication Required",
        { code: "ERR_PROXY_TUNNEL", statusCode: 407 }
      ),
      407
    ],
    [error("Proxy refused to open a tunnel: 407 Proxy Authentication Required", { code: "ERR_PROXY_TUNNEL" }), 407],
    [deno("proxy authentication required"), 407],
    [deno("tunnel error: proxy authorization required"), 407],
    [error("tunneling socket could not be established, statusCode=407", { code: "ECONNRESET" }), 407],
    [error("Proxy response (403) !== 200 when HTTP Tunneling", { code: "UND_ERR_ABORTED" }), 403]
  ]
  for (const [cause, status] of cases) {
    it.effect(inspect(cause).split("\n")[0]!.slice(0, 110), () =>
      Effect.gen(function*() {
        const found = yield* failure(cause)
        assert.strictEqual(found._tag === "RejectedByEndpoint" ? found.status : found._tag, status)
        assert.isFalse(found.retryable)
        assert.include(found.message, "proxy")
        assert.notInclude(found.message, "u:p")
        assert.notInclude(found.message, "host name")
        if (inspect(cause).includes("proxy.corp")) assert.include(found.message, "proxy.corp:3128")
      }))
  }

  // FAULTS W3: Deno has one error for a 403 and a 502, so another attempt is right, and the message names the proxy
  it.effect("Deno: a tunnel that was not opened, for whatever status", () =>
    Effect.gen(function*() {
      for (const cause of [deno("unsuccessful tunnel"), deno("tunnel error: unsuccessful")]) {
        const found = yield* failure(cause)
        assert.strictEqual(found._tag, "TransportError")
        assert.isTrue(found.retryable)
        assert.match(found.message, /proxy opened no tunnel.*does not say why.*NO_PROXY/)
      }
    }))

  // FAULTS W3
  it.effect("a 407 as the response is RejectedByEndpoint by the proxy", () =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(
          request,
          new Response("<html>Proxy</html>", {
            status: 407,
            headers: { "proxy-authenticate": "Negotiate, Basic realm=\"Corporate proxy\"" }
          })
        ))
      )
      const found = yield* Effect.flip(send(client))
      assert.strictEqual(found._tag, "RejectedByEndpoint")
      // the message names the proxy first, because the endpoint did not answer
      assert.match(
        found.message,
        /^The proxy .*Corporate proxy.* demands credentials .* answered 407 in place of https:/
      )
    }))

  it.effect("a proxy that cannot reach the server gives a transient error", () =>
    Effect.gen(function*() {
      for (const status of [502, 503, 504]) {
        const found = yield* failure(error(`Proxy response (${status}) !== 200 when HTTP Tunneling`, {
          code: "UND_ERR_ABORTED"
        }))
        assert.strictEqual(found._tag === "EndpointUnavailable" ? found.status : found._tag, status)
        assert.isTrue(Option.isSome(found._tag === "EndpointUnavailable" ? found.description : Option.none()))
        assert.include(found.message, "proxy")
      }
    }))
})

describe("text that an error quotes is neither shown nor read as the reason", () => {
  // FAULTS S6, R6
  it.effect("text in closed and cut quotes, and in URLs, is neither shown nor read as the reason", () =>
    Effect.gen(function*() {
      const quoted = [
        "broken near \"certificate expired wrong_value\" in line 2",
        "broken near \"certificate expired wrong_value",
        `broken near ${"x ".repeat(980)} "wrong_value certificate expired ${"y".repeat(100)}"`,
        "broken near https://u:wrong_value@certificate.expired/x?certificate=expired"
      ]
      for (const message of quoted) {
        const found = yield* failure(error(message))
        assert.strictEqual(found._tag, "TransportError", message)
        assert.notInclude(found.message, "wrong_value")
        assert.include(found.message, "broken near")
      }
    }))
})

describe("MalformedResponse", () => {
  // FAULTS W1
  it("the message for a compressed reply does not suggest a login page", () => {
    const of = (detail: string) =>
      new TokenError.MalformedResponse({ endpoint: at, status: 200, contentType: "", detail, excerpt: "" }).message
    assert.notInclude(of("the reply is compressed (zstd)"), "login page")
    assert.match(
      of("the reply is HTML"),
      /the reply is HTML\. Check .* not a login page or a proxy\. \[malformed-response\]$/
    )
  })
})

describe("a port that fetch does not connect to", () => {
  // the same list is in Node.js, in browsers and in workerd
  it.effect("is a mistake in the configuration, and fatal", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(
        Effect.flatMap(
          TokenSource.clientCredentials({
            tokenEndpoint: "http://127.0.0.1:6666/token",
            clientId: "id",
            authentication: ClientAuthentication.none
          }),
          (tokens) => tokens.get()
        ),
        FetchHttpClient.layer
      ))
      assert(error._tag === "InvalidConfiguration")
      assert.isFalse(error.retryable)
      assert.deepStrictEqual(error.fields, ["tokenEndpoint"])
      assert.include(error.message, "fetch sends nothing to the port of http://127.0.0.1:6666/token")
      assert.include(error.message, "NodeHttpClient.layerUndici")
    }))

  it.effect("is no reason for a failure that has another one", () =>
    Effect.gen(function*() {
      for (const cause of [fetchFailed(error("bad portal")), fetchFailed(error("bad port", { code: "ECONNRESET" }))]) {
        assert.strictEqual((yield* failure(cause))._tag, "TransportError")
      }
    }))
})
