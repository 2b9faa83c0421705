import { assert, describe, it } from "@effect/vitest"
import { BrokerConfig } from "@effect-bearer/broker"
import { Either } from "effect"
import * as environments from "../../src/exec/environment.js"

const given = {
  tokenEndpoint: "http://127.0.0.1:4242/oauth2/calls/token",
  clientId: "exec",
  key: "ebk_one-off",
  tokenFile: "/tmp/folder/token"
}

const config = (text: string) => Either.getOrThrow(BrokerConfig.parse(text, { format: "yaml" }))

const { profiles, store } = config(`
store:
  redis: { url: { env: REDIS_URL } }
  sealWith: [{ env: SEAL_KEY }, { file: /run/old-key }]
profiles:
  calls:
    tokenEndpoint: https://login.example.com/oauth/token
    clientId: reporting
    authentication: { method: private-key-jwt, key: { env: CALLS_KEY } }
    grant: { type: refresh_token, refreshToken: { env: CALLS_REFRESH } }
    parameters: { env: NO_SECRET }
  vault:
    tokenEndpoint: https://login.example.com/oauth/token
    clientId: reporting
    authentication: { method: basic, secret: { vault: { path: calls, field: secret } } }
  vault-token:
    tokenEndpoint: https://login.example.com/oauth/token
    clientId: reporting
    authentication: { method: basic, secret: { vault: { path: calls, field: secret, token: { env: OTHER } } } }
`)
const calls = { profile: profiles["calls"]!, store }

describe("the environment of a command", () => {
  // SPEC G6
  it("the command gets the address of the broker, but no secret of the profile and no way around the broker", () => {
    const made = environments.make(
      {
        PATH: "/bin",
        HOME: "/home/me",
        OAUTH_API_URL: "https://api.example.com",
        OAUTH_ISSUER: "https://login.example.com",
        OAUTH_SCOPES: "all",
        OAUTH_CLIENT_SECRET: "real",
        OAUTH_CLIENT_SECRET_FILE: "/run/secret",
        GENESYS_CLIENT_SECRET: "real",
        EFFECT_BEARER_PROFILE: "calls",
        CALLS_KEY: "real",
        CALLS_REFRESH: "real",
        REDIS_URL: "redis://:real@localhost",
        SEAL_KEY: "real",
        NO_SECRET: "kept"
      },
      calls,
      given
    )
    assert.deepStrictEqual(made, {
      PATH: "/bin",
      HOME: "/home/me",
      OAUTH_API_URL: "https://api.example.com",
      NO_SECRET: "kept",
      OAUTH_TOKEN_ENDPOINT: given.tokenEndpoint,
      OAUTH_CLIENT_ID: "exec",
      OAUTH_CLIENT_SECRET: "ebk_one-off",
      OAUTH_CLIENT_AUTHENTICATION: "basic",
      OAUTH_TOKEN_FILE: "/tmp/folder/token",
      EFFECT_BEARER_CONFIG: "none"
    })
  })

  // SPEC G6
  it("the command gets no token of Vault, whatever variable holds it", () => {
    assert.deepStrictEqual([...environments.secretVariables({ profile: profiles["vault"]! })], ["VAULT_TOKEN"])
    assert.deepStrictEqual([...environments.secretVariables({ profile: profiles["vault-token"]! })], ["OTHER"])
  })

  it("the command does not send requests to loopback through a proxy", () => {
    const noProxy = (environment: Record<string, string>) => {
      const made = environments.make(environment, calls, given)
      return [made["NO_PROXY"], made["no_proxy"]]
    }
    const HTTP_PROXY = "http://proxy.example.com:3128"
    assert.deepStrictEqual(noProxy({ NO_PROXY: "a.example.com" }), ["a.example.com", undefined])
    assert.deepStrictEqual(noProxy({ HTTP_PROXY }), ["127.0.0.1", "127.0.0.1"])
    assert.deepStrictEqual(noProxy({ all_proxy: HTTP_PROXY, no_proxy: "a.example.com" }), [
      "a.example.com,127.0.0.1",
      "a.example.com,127.0.0.1"
    ])
    assert.deepStrictEqual(noProxy({ HTTP_PROXY, NO_PROXY: "*" }), ["*", undefined])
  })
})
