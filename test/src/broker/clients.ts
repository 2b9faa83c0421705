/** OAuth clients that nobody here has written, each used as its documentation has it, with a token URL, an id and a key. */
import { ConfidentialClientApplication, ServerError } from "@azure/msal-node"
import { Effect } from "effect"
import * as OpenId from "openid-client"
import { ClientCredentials } from "simple-oauth2"
import type { Program } from "../programs.js"
import { program, python, run } from "../programs.js"

/** What a client is configured with. */
export interface Settings {
  readonly tokenEndpoint: string
  readonly id: string
  readonly key: string
  /** Divided by blanks; the client names none if there is none. */
  readonly scope?: string | undefined
}

/** A token as the client hands it to its program, or the error in which it says what the server has answered. */
export type Outcome =
  | {
    readonly _tag: "Token"
    readonly token: string
    /** Whole seconds. */
    readonly lifetime: number
    /** If the client tells it. */
    readonly scope?: string | undefined
  }
  | {
    readonly _tag: "Refused"
    /** By which class or exit code the program knows it. */
    readonly as: string
    /** The code of RFC 6749 §5.2. */
    readonly code: string | undefined
  }

export interface Client {
  readonly name: string
  readonly needs?: Program
  readonly get: (settings: Settings) => Effect.Effect<Outcome>
  /** How it reports what the server refuses. */
  readonly refuses: { readonly key: string; readonly scope: string }
  /** Whether it can do without a scope. */
  readonly needsScope?: boolean
}

const refused = (as: string, code: string | undefined): Outcome => ({ _tag: "Refused", as, code })

/** What a client's promise comes to. Its own errors are put into words by `explain`; everything else is a defect. */
const settle = (
  ask: () => Promise<Outcome>,
  explain: (error: unknown) => Promise<Outcome | undefined>
): Effect.Effect<Outcome> =>
  Effect.promise(() =>
    ask().catch(async (error: unknown) => {
      const outcome = await explain(error)
      if (outcome === undefined) throw error
      return outcome
    })
  )

// ---------------------------------------------------------------------------------------------------------------
// Node.js
// ---------------------------------------------------------------------------------------------------------------

/** `openid-client`, and `oauth4webapi` below it, which checks answers strictly. */
const openId = (name: string, authentication: (key: string) => OpenId.ClientAuth): Client => ({
  name: `openid-client (${name})`,
  get: ({ id, key, scope, tokenEndpoint }) =>
    settle(async () => {
      const server = { issuer: new URL(tokenEndpoint).origin, token_endpoint: tokenEndpoint }
      const config = new OpenId.Configuration(server, id, {}, authentication(key))
      OpenId.allowInsecureRequests(config)
      const token = await OpenId.clientCredentialsGrant(config, scope === undefined ? {} : { scope })
      return { _tag: "Token", token: token.access_token, lifetime: token.expires_in ?? NaN, scope: token.scope }
    }, async (error) => {
      if (error instanceof OpenId.ResponseBodyError) return refused(`ResponseBodyError ${error.status}`, error.error)
      // RFC 9110 §15.5.2 wants a challenge with 401, and this is how it shows one: with the answer, unread
      if (!(error instanceof OpenId.WWWAuthenticateChallengeError)) return undefined
      const { error: code } = await error.response.json() as { readonly error?: string }
      return refused(`WWWAuthenticateChallengeError ${error.status} ${error.cause[0]?.scheme}`, code)
    }),
  refuses: { key: "WWWAuthenticateChallengeError 401 basic", scope: "ResponseBodyError 400" }
})

const simple = (authorizationMethod: "body" | "header"): Client => ({
  name: `simple-oauth2 (${authorizationMethod})`,
  get: ({ id, key, scope, tokenEndpoint }) =>
    settle(async () => {
      const { origin, pathname } = new URL(tokenEndpoint)
      const client = new ClientCredentials({
        client: { id, secret: key },
        auth: { tokenHost: origin, tokenPath: pathname },
        options: { authorizationMethod }
      })
      const { token } = await client.getToken(scope === undefined ? {} : { scope })
      return {
        _tag: "Token",
        token: String(token["access_token"]),
        lifetime: Number(token["expires_in"]),
        scope: String(token["scope"])
      }
    }, async (error) => {
      // what Boom makes of an answer
      const { data, output } = error as {
        readonly data?: { readonly payload?: { readonly error?: string } }
        readonly output?: { readonly statusCode: number }
      }
      return output === undefined ? undefined : refused(`Boom ${output.statusCode}`, data?.payload?.error)
    }),
  refuses: { key: "Boom 401", scope: "Boom 400" }
})

/** Azure's library wants metadata of an issuer with TLS, and asks the token endpoint that these name. */
const azure: Client = {
  name: "@azure/msal-node",
  needsScope: true,
  get: ({ id, key, scope = "", tokenEndpoint }) =>
    settle(async () => {
      const authority = "https://issuer.example"
      const application = new ConfidentialClientApplication({
        auth: {
          clientId: id,
          clientSecret: key,
          authority,
          knownAuthorities: ["issuer.example"],
          authorityMetadata: JSON.stringify({
            issuer: authority,
            authorization_endpoint: `${authority}/authorize`,
            token_endpoint: tokenEndpoint,
            jwks_uri: `${authority}/keys`
          })
        },
        system: { protocolMode: "OIDC" }
      })
      const result = await application.acquireTokenByClientCredential({ scopes: scope.split(" ") })
      if (result === null) throw new Error("no token, and no error")
      return {
        _tag: "Token",
        token: result.accessToken,
        lifetime: Math.round((result.expiresOn!.getTime() - Date.now()) / 1000),
        scope: result.scopes.join(" ")
      }
    }, async (error) =>
      error instanceof ServerError ? refused(`ServerError ${error.status}`, error.errorCode) : undefined),
  refuses: { key: "ServerError 401", scope: "ServerError 400" }
}

// ---------------------------------------------------------------------------------------------------------------
// programs
// ---------------------------------------------------------------------------------------------------------------

/** curl, with the key in a configuration on its input: arguments can be read by everybody on the machine. */
const curl: Client = {
  name: "curl",
  needs: program("curl"),
  get: ({ id, key, scope, tokenEndpoint }) =>
    Effect.map(
      run("curl", [
        ...["--silent", "--fail-with-body", "--config", "-", "--data", "grant_type=client_credentials"],
        ...scope === undefined ? [] : ["--data-urlencode", `scope=${scope}`],
        tokenEndpoint
      ], { stdin: `user = "${id}:${key}"` }),
      ({ code, stderr, stdout }) => {
        if (stdout === "") throw new Error(`curl ended with ${code}: ${stderr}`)
        const body = JSON.parse(stdout)
        return code === 0
          ? { _tag: "Token", token: body.access_token, lifetime: body.expires_in, scope: body.scope }
          : refused(`exit ${code}`, body.error)
      }
    ),
  refuses: { key: "exit 22", scope: "exit 22" }
}

/** A Python program gets its settings as JSON on its input, and prints an {@link Outcome}. */
const pythonClient = (
  name: string,
  module: string,
  refuses: Client["refuses"],
  lines: ReadonlyArray<string>
): Client => {
  const needs = python(module)
  const source = [
    "import json, sys",
    "settings = json.load(sys.stdin)",
    "url, id, key, scope = (settings.get(name) for name in ('tokenEndpoint', 'id', 'key', 'scope'))",
    ...lines
  ].join("\n")
  return {
    name,
    needs,
    get: (settings) =>
      Effect.map(
        run(needs.command!, ["-c", source], {
          stdin: JSON.stringify(settings),
          // both want TLS otherwise
          env: { OAUTHLIB_INSECURE_TRANSPORT: "1", AUTHLIB_INSECURE_TRANSPORT: "1" }
        }),
        ({ code, stderr, stdout }) => {
          if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`)
          return JSON.parse(stdout) as Outcome
        }
      ),
    refuses
  }
}

const printToken = "print(json.dumps({'_tag': 'Token', 'token': token['access_token'], " +
  "'lifetime': token['expires_in'], 'scope': ' '.join(token['scope']) if isinstance(token['scope'], list) else " +
  "token['scope']}))"

const printRefusal = "print(json.dumps({'_tag': 'Refused', 'as': type(error).__name__, 'code': error.error}))"

const requestsOauthlib = pythonClient(
  "requests-oauthlib",
  "requests_oauthlib",
  { key: "InvalidClientError", scope: "InvalidScopeError" },
  [
    "from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error",
    "from requests_oauthlib import OAuth2Session",
    "session = OAuth2Session(client=BackendApplicationClient(client_id=id, scope=scope))",
    "try:",
    "    token = session.fetch_token(url, client_secret=key)",
    `    ${printToken}`,
    "except OAuth2Error as error:",
    `    ${printRefusal}`
  ]
)

const authlib = (method: "client_secret_basic" | "client_secret_post"): Client =>
  pythonClient(
    `Authlib (${method})`,
    "authlib.integrations.requests_client",
    { key: "OAuthError", scope: "OAuthError" },
    [
      "from authlib.integrations.requests_client import OAuth2Session, OAuthError",
      `session = OAuth2Session(id, key, scope=scope, token_endpoint_auth_method='${method}')`,
      "try:",
      "    token = session.fetch_token(url, grant_type='client_credentials')",
      `    ${printToken}`,
      "except OAuthError as error:",
      `    ${printRefusal}`
    ]
  )

export const clients: ReadonlyArray<Client> = [
  openId("client_secret_basic", OpenId.ClientSecretBasic),
  openId("client_secret_post", OpenId.ClientSecretPost),
  simple("header"),
  simple("body"),
  azure,
  curl,
  requestsOauthlib,
  authlib("client_secret_basic"),
  authlib("client_secret_post")
]
