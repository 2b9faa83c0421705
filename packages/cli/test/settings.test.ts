import { assert, describe, it } from "@effect/vitest"
import { BrokerConfig } from "@effect-bearer/broker"
import { Effect, Schema } from "effect"
import * as environmentProfile from "../src/settings/environmentProfile.js"
import { configFolder, tokenFolder } from "../src/settings/places.js"

const read = (environment: Record<string, string>, name?: string) =>
  environmentProfile.read(environment, { name, canAsk: false })!

const oauth = {
  OAUTH_TOKEN_ENDPOINT: "https://login.example.com/oauth/token",
  OAUTH_CLIENT_ID: "reports",
  OAUTH_CLIENT_SECRET: "secret"
}

const detail = (environment: Record<string, string>) =>
  Effect.map(Effect.flip(read(environment)), ({ message }) => message)

describe("a profile out of the environment", () => {
  it("a profile from the environment has the defaults of the configuration", () => {
    const { authentication: _a, clientId: _c, tokenEndpoint: _t, ...defaults } = Schema.decodeUnknownSync(
      BrokerConfig.Profile
    )({
      tokenEndpoint: oauth.OAUTH_TOKEN_ENDPOINT,
      clientId: "reports",
      authentication: { method: "none" }
    })
    assert.deepStrictEqual({ ...environmentProfile.defaults }, defaults)
  })

  it.effect("reads OAUTH_*", () =>
    Effect.gen(function*() {
      const { name, profile } = yield* read({
        ...oauth,
        OAUTH_CLIENT_AUTHENTICATION: "post",
        OAUTH_SCOPES: "b, a",
        OAUTH_AUDIENCE: "https://api.example.com/",
        OAUTH_RESOURCE: "https://one.example.com https://two.example.com",
        OAUTH_API_URL: "https://api.example.com/v2/calls?x=1",
        OAUTH_INTROSPECTION_ENDPOINT: "https://login.example.com/introspect"
      })
      assert.strictEqual(name, "oauth")
      assert.strictEqual(profile.tokenEndpoint, oauth.OAUTH_TOKEN_ENDPOINT)
      assert.deepStrictEqual(profile.authentication, { method: "post", secret: { env: "OAUTH_CLIENT_SECRET" } })
      assert.sameMembers([...profile.scopes], ["a", "b"])
      assert.deepStrictEqual(profile.audience, ["https://api.example.com/"])
      assert.deepStrictEqual(profile.resource, ["https://one.example.com", "https://two.example.com"])
      assert.deepStrictEqual(profile.origins, ["https://api.example.com"])
      assert.strictEqual(profile.introspectionEndpoint, "https://login.example.com/introspect")
      assert.isUndefined(profile.issuer)
    }))

  it.effect("takes an issuer in place of the token endpoint, and a file in place of the secret", () =>
    Effect.gen(function*() {
      const { profile } = yield* read({
        OAUTH_ISSUER: "https://login.example.com",
        OAUTH_CLIENT_ID: "reports",
        OAUTH_CLIENT_SECRET_FILE: "/run/secret"
      })
      assert.strictEqual(profile.issuer, "https://login.example.com")
      assert.isUndefined(profile.tokenEndpoint)
      assert.deepStrictEqual(profile.authentication, { method: "basic", secret: { file: "/run/secret" } })
    }))

  it.effect("reads GENESYS_*, and knows the API of the region", () =>
    Effect.gen(function*() {
      const { name, profile } = yield* read({
        GENESYS_CLIENT_ID: "a",
        GENESYS_CLIENT_SECRET: "b",
        GENESYS_REGION: "eu-central-1"
      })
      assert.strictEqual(name, "genesys")
      assert.strictEqual(profile.tokenEndpoint, "https://login.mypurecloud.de/oauth/token")
      assert.deepStrictEqual(profile.origins, ["https://api.mypurecloud.de"])
    }))

  it.effect("--profile chooses where both are there, and OAUTH_* comes first otherwise", () =>
    Effect.gen(function*() {
      const both = { ...oauth, GENESYS_CLIENT_ID: "a", GENESYS_CLIENT_SECRET: "b", GENESYS_REGION: "mypurecloud.ie" }
      assert.strictEqual((yield* read(both)).name, "oauth")
      assert.strictEqual((yield* read(both, "genesys")).name, "genesys")
      assert.isUndefined(read(both, "other"))
    }))

  it("there is no profile if no variable is set, or only those that another run has exported", () => {
    for (const environment of [{}, { OAUTH_ACCESS_TOKEN: "x", OAUTH_TOKEN_TYPE: "Bearer" }, { OAUTH_CLIENT_ID: " " }]) {
      assert.isUndefined(environmentProfile.read(environment, { canAsk: false }))
    }
  })

  it.effect("names everything that is missing or wrong at once, and shows no value", () =>
    Effect.gen(function*() {
      const all = yield* detail({ OAUTH_CLIENT_ID: "reports ", OAUTH_CLIENT_AUTHENTICATION: "s3cr3t" })
      assert.include(all, "OAUTH_TOKEN_ENDPOINT is missing or blank, and so is OAUTH_ISSUER, which would do")
      assert.include(all, "OAUTH_CLIENT_ID begins or ends with white space")
      assert.include(all, "OAUTH_CLIENT_AUTHENTICATION must be one of")
      assert.notInclude(all, "s3cr3t")
      assert.include(yield* detail({ ...oauth, OAUTH_CLIENT_SECRET: " " }), "OAUTH_CLIENT_SECRET is missing or blank")
      assert.include(yield* detail({ ...oauth, OAUTH_API_URL: "api" }), "OAUTH_API_URL is no absolute URL")
      const regions = yield* detail({
        GENESYS_CLIENT_ID: "a",
        GENESYS_CLIENT_SECRET: "b",
        GENESYS_REGION: "eu-west-1",
        GENESYS_ENV_URL: "https://api.mypurecloud.de"
      })
      assert.include(regions, "names another region")
    }))

  it.effect("a missing secret is no mistake if a person can be asked for it", () =>
    Effect.gen(function*() {
      const { OAUTH_CLIENT_SECRET: _, ...rest } = oauth
      const { profile } = yield* environmentProfile.read(rest, { canAsk: true })!
      assert.deepStrictEqual(profile.authentication, { method: "basic", secret: { env: "OAUTH_CLIENT_SECRET" } })
    }))
})

describe("folders of the user", () => {
  it.skipIf(process.platform !== "linux")("the folders are those of the system, or those that variables name", () => {
    assert.strictEqual(configFolder({ HOME: "/home/me" }), "/home/me/.config/effect-bearer")
    assert.strictEqual(configFolder({ HOME: "/home/me", XDG_CONFIG_HOME: "/etc/me" }), "/etc/me/effect-bearer")
    assert.strictEqual(tokenFolder({ HOME: "/home/me" }), "/home/me/.cache/effect-bearer/tokens")
    assert.strictEqual(tokenFolder({ HOME: "/home/me", XDG_CACHE_HOME: "/tmp/c" }), "/tmp/c/effect-bearer/tokens")
    assert.strictEqual(tokenFolder({ HOME: "/home/me", EFFECT_BEARER_CACHE: "/tmp/t" }), "/tmp/t")
    // a relative one would put tokens, and look for secrets' destinations, wherever somebody works
    assert.strictEqual(tokenFolder({ HOME: "/home/me", XDG_CACHE_HOME: "c" }), "/home/me/.cache/effect-bearer/tokens")
    assert.strictEqual(configFolder({ HOME: "/home/me", XDG_CONFIG_HOME: "c" }), "/home/me/.config/effect-bearer")
    assert.isTrue(tokenFolder({ HOME: "me" }).startsWith("/"))
    assert.strictEqual(
      tokenFolder({ HOME: "/home/me", EFFECT_BEARER_CACHE: " " }),
      "/home/me/.cache/effect-bearer/tokens"
    )
  })
})
