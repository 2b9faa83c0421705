/**
 * What the tests of `@effect-bearer/jose` talk to: `oidc-provider` with signed assertions, DPoP and mTLS switched on, an
 * API that believes a token only together with the key or the certificate it is bound to, and certificates.
 */
import { spawnSync } from "node:child_process"
import { createHash, randomBytes, X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TLSSocket } from "node:tls"
import { HttpClient } from "@effect/platform"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { Jwks } from "@effect-bearer/jose"
import type { Scope } from "effect"
import { Effect, Either, Option, Redacted } from "effect"
import * as jose from "jose"
import type { Adapter, AdapterPayload, ClientMetadata, Configuration } from "oidc-provider"
import { Provider } from "oidc-provider/lib/provider.js"

// Node 20 does not have it, and oidc-provider reads DPoP proofs with it
URL.parse ??= (url: string | URL, base?: string | URL) => URL.canParse(url, base) ? new URL(url, base) : null

// ---------------------------------------------------------------------------------------------------------------
// servers
// ---------------------------------------------------------------------------------------------------------------

export interface Tls {
  readonly key: string
  readonly cert: string
  readonly ca: string
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Listens on loopback; with TLS it asks clients for a certificate and takes any, which is for the handler to judge. */
const listen = (tls: Tls | undefined): Effect.Effect<
  { readonly origin: string; readonly handle: (handler: Handler) => void },
  never,
  Scope.Scope
> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Http.Server | Https.Server>((resume) => {
        const server = tls === undefined
          ? Http.createServer()
          : Https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    (server) => {
      const { port } = server.address() as AddressInfo
      return {
        origin: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
        handle: (handler) => void server.on("request", handler)
      }
    }
  )

/** The certificate the other side of a TLS connection has shown. */
const certificateOf = (request: IncomingMessage): X509Certificate | undefined => {
  const { raw } = (request.socket as TLSSocket).getPeerCertificate()
  return raw === undefined ? undefined : new X509Certificate(raw)
}

export const thumbprint = (certificate: X509Certificate): string =>
  createHash("sha256").update(certificate.raw).digest("base64url")

// ---------------------------------------------------------------------------------------------------------------
// the authorization server
// ---------------------------------------------------------------------------------------------------------------

export interface AuthorizationServer {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwksUri: string
  /** The forms posted to the token endpoint. */
  readonly forms: ReadonlyArray<URLSearchParams>
  /** What was answered to them. */
  readonly statuses: ReadonlyArray<number>
  /** Why it refused, as it tells nobody. */
  readonly refusals: ReadonlyArray<string>
}

/** Tokens are JWTs for this audience, signed with ES256. */
export const audience = "https://calls.example"

export const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA"
] as const

class Memory implements Adapter {
  private static readonly entries = new Map<string, AdapterPayload>()
  constructor(private readonly model: string) {}
  private key = (id: string) => `${this.model}:${id}`
  find = async (id: string) => Memory.entries.get(this.key(id))
  findByUid = async () => undefined
  findByUserCode = async () => undefined
  upsert = async (id: string, payload: AdapterPayload) => void Memory.entries.set(this.key(id), payload)
  consume = async () => undefined
  destroy = async (id: string) => void Memory.entries.delete(this.key(id))
  revokeByGrantId = async () => undefined
}

export const client = (id: string, metadata: Partial<ClientMetadata>): ClientMetadata => ({
  client_id: id,
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
  id_token_signed_response_alg: "ES256",
  scope: "calls:read",
  ...metadata
})

export const authorizationServer = (
  clients: Array<ClientMetadata>,
  tls?: Tls
): Effect.Effect<AuthorizationServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* listen(tls)
    const signing = yield* Effect.promise(() => jose.generateKeyPair("ES256", { extractable: true }))
    const jwk = yield* Effect.promise(() => jose.exportJWK(signing.privateKey))
    const configuration: Configuration = {
      adapter: Memory,
      jwks: { keys: [{ ...jwk, alg: "ES256", use: "sig", kid: "as-1" } as never] },
      cookies: { keys: [randomBytes(24).toString("base64url")] },
      scopes: ["calls:read"],
      clients,
      clientAuthMethods: [
        "client_secret_basic",
        "client_secret_jwt",
        "private_key_jwt",
        ...tls === undefined ? [] : ["tls_client_auth", "self_signed_tls_client_auth"] as const
      ],
      responseTypes: ["none"],
      ttl: { ClientCredentials: () => 60 },
      enabledJWA: {
        clientAuthSigningAlgValues: ["HS256", "HS384", "HS512", ...algorithms],
        dPoPSigningAlgValues: ["ES256", "EdDSA", "RS256"]
      } as never,
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        // no token without a nonce
        dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
        mTLS: {
          enabled: tls !== undefined,
          certificateBoundAccessTokens: true,
          tlsClientAuth: true,
          selfSignedTlsClientAuth: true,
          getCertificate: ({ req }) => certificateOf(req) as never,
          certificateAuthorized: ({ req }) => (req.socket as TLSSocket).authorized,
          certificateSubjectMatches: ({ req }, property, expected) =>
            property === "tls_client_auth_subject_dn" && certificateOf(req)?.subject === expected
        },
        pushedAuthorizationRequests: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => audience,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: "calls:read",
            audience,
            accessTokenFormat: "jwt",
            accessTokenTTL: 60,
            jwt: { sign: { alg: "ES256" } }
          })
        },
        rpInitiatedLogout: { enabled: false },
        userinfo: { enabled: false }
      }
    }
    const provider = new Provider(server.origin, configuration)
    const answer = provider.callback()
    const forms: Array<URLSearchParams> = []
    const statuses: Array<number> = []
    const refusals: Array<string> = []
    provider.on("grant.error", (_ctx, error) => void refusals.push(String(error.error_detail ?? error.message)))
    server.handle((request, response) => {
      if (request.url === "/token") {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => forms.push(new URLSearchParams(Buffer.concat(chunks).toString())))
        response.on("finish", () => statuses.push(response.statusCode))
      }
      void answer(request, response)
    })
    return {
      issuer: server.origin,
      tokenEndpoint: `${server.origin}/token`,
      jwksUri: `${server.origin}/jwks`,
      forms,
      statuses,
      refusals
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// the API
// ---------------------------------------------------------------------------------------------------------------

export interface Api {
  readonly origin: string
  readonly url: string
  /** Answers, each with what was wrong, or `"ok"`. */
  readonly verdicts: ReadonlyArray<string>
  /** `jti` of the tokens accepted. */
  readonly tokens: ReadonlySet<unknown>
  /** From now on every token that was accepted so far is refused. */
  readonly revokeAll: () => void
}

/**
 * Verifies the token by `Jwks`, and what it is bound to: the proof (every claim of RFC 9449 §4.3, a nonce that changes
 * every three calls, no replay) or the certificate of the connection.
 */
export const api = (
  server: AuthorizationServer,
  plain: HttpClient.HttpClient,
  tls?: Tls
): Effect.Effect<Api, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { handle, origin } = yield* listen(tls)
    const verifier = yield* Effect.orDie(Effect.provideService(
      Jwks.make({
        issuer: server.issuer,
        audience,
        jwksUri: server.jwksUri,
        algorithms: ["ES256"],
        requiredScopes: "calls:read",
        typ: "at+jwt"
      }),
      HttpClient.HttpClient,
      plain
    ))
    const verdicts: Array<string> = []
    const tokens = new Set<unknown>()
    const revoked = new Set<unknown>()
    const proofs = new Set<unknown>()
    let calls = 0
    const nonce = () => `nonce-${Math.floor(calls / 3)}`
    // as servers do: calls on their way when a nonce changes are not refused
    const isCurrent = (value: unknown) =>
      Array.from({ length: 8 }, (_, age) => `nonce-${Math.floor(calls / 3) - age}`).some((nonce) => nonce === value)

    const proofError = async (request: IncomingMessage, token: string, jkt: string): Promise<string | undefined> => {
      const proof = request.headers.dpop
      if (typeof proof !== "string") return "invalid_dpop_proof: none"
      const { payload, protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK, {
        typ: "dpop+jwt",
        algorithms: ["ES256", "EdDSA", "RS256"],
        maxTokenAge: 60,
        requiredClaims: ["jti"]
      })
      if (await jose.calculateJwkThumbprint(protectedHeader.jwk!) !== jkt) return "invalid_token: another key"
      if ("d" in protectedHeader.jwk!) return "invalid_dpop_proof: private key"
      if (payload.htm !== request.method) return "invalid_dpop_proof: htm"
      if (payload.htu !== origin + request.url!.replace(/\?.*/, "")) return "invalid_dpop_proof: htu"
      if (payload.ath !== createHash("sha256").update(token).digest("base64url")) return "invalid_dpop_proof: ath"
      if (!isCurrent(payload.nonce)) return "use_dpop_nonce"
      if (proofs.has(payload.jti)) return "invalid_dpop_proof: replay"
      proofs.add(payload.jti)
      return undefined
    }

    const judge = async (request: IncomingMessage): Promise<string> => {
      const [, scheme, token] = /^(\w+) (\S+)$/.exec(request.headers.authorization ?? "") ?? []
      if (scheme === undefined || token === undefined) return "none"
      const checked = await Effect.runPromise(Effect.either(verifier.verify(Redacted.make(token))))
      if (Either.isLeft(checked)) return `invalid_token: ${checked.left._tag}`
      const { boundTo, claims } = checked.right
      if (revoked.has(claims.jti)) return "invalid_token: revoked"
      if (tls === undefined) {
        if (scheme !== "DPoP" || Option.isNone(boundTo.jkt)) return "invalid_token: not bound"
        const error = await proofError(request, token, boundTo.jkt.value)
        if (error !== undefined) return error
      } else {
        const certificate = certificateOf(request)
        if (Option.isNone(boundTo.x5t)) return "invalid_token: not bound"
        if (certificate === undefined || thumbprint(certificate) !== boundTo.x5t.value) {
          return "invalid_token: another certificate"
        }
      }
      tokens.add(claims.jti)
      return "ok"
    }

    handle((request, response) => {
      request.resume()
      void judge(request).catch((error: Error) => `invalid_dpop_proof: ${error.message}`).then((verdict) => {
        verdicts.push(verdict)
        if (verdict === "ok") calls++
        const scheme = tls === undefined ? "DPoP" : "Bearer"
        response.writeHead(verdict === "ok" ? 200 : 401, {
          ...tls === undefined ? { "dpop-nonce": nonce() } : {},
          ...verdict === "ok" ? {} : { "www-authenticate": `${scheme} error="${verdict.replace(/:.*/, "")}"` }
        }).end(verdict)
      })
    })
    return {
      origin,
      url: `${origin}/calls?page=1`,
      verdicts,
      tokens,
      revokeAll: () => tokens.forEach((token) => revoked.add(token))
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// clients and certificates
// ---------------------------------------------------------------------------------------------------------------

/** An HTTP client of its own connections, with a certificate or without. */
export const httpClient = (
  connect: { readonly ca?: string; readonly cert?: string; readonly key?: string } = {}
): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Undici.Agent({ connect })),
      (agent) => Effect.promise(() => agent.destroy())
    ),
    NodeHttpClient.makeUndici
  )

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

export interface Certificates {
  readonly server: Tls
  /** Signed by the CA; the subject is `CN=<name>`. */
  readonly issue: (name: string) => Tls
  readonly selfSigned: (name: string) => Tls
}

/** A certificate authority for as long as the scope is open. */
export const certificates: Effect.Effect<Certificates, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "certificates-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  (folder) => {
    const openssl = (...args: ReadonlyArray<string>) => {
      const { error, status, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" })
      if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${error?.message ?? stderr}`)
    }
    const read = (file: string) => readFileSync(join(folder, file), "utf8")
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    const selfSigned = (name: string): Tls => {
      openssl("req", "-x509", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`)
      return { key: read(`${name}.key`), cert: read(`${name}.pem`), ca: read("ca.pem") }
    }
    const issue = (name: string, extensions: string): Tls => {
      openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`)
      writeFileSync(join(folder, `${name}.ext`), extensions)
      openssl(
        ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
        ...["-days", "2", "-out", `${name}.pem`, "-extfile", `${name}.ext`]
      )
      return { key: read(`${name}.key`), cert: read(`${name}.pem`), ca: read("ca.pem") }
    }
    openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    return {
      server: issue("localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
      issue: (name) => issue(name, "extendedKeyUsage=clientAuth"),
      selfSigned
    }
  }
)
