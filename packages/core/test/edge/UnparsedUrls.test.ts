import { inspect } from "node:util"
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Redacted } from "effect"
import * as BearerAuth from "../../src/edge/BearerAuth.js"
import { ClientAuthentication, Introspection, Secret, TokenRequest, TokenSource } from "../../src/index.js"
import { makeSource } from "../support/bearer.js"

const secret = "Zq7-pAssw0rd-xyz"
const origins = ["https://api.example.com"] as const

/** Slips that make a URL unreadable, or hide a password in another part of it. */
const slips: ReadonlyArray<string> = [
  `https://user:${secret}#y@h.test/x`,
  `https://user:${secret}/y@h.test/x`,
  `https://user:${secret}?y@h.test/x`,
  `https://user:${secret}@h.test:99999/`,
  `https://user:${secret}@h.test:port/`,
  `https://user:${secret}@/x`,
  `https://[${secret}]/x`,
  `https://h.test:port/${secret}`,
  `https://h.test:99999/?key=${secret}#${secret}`,
  `ht tp://${secret}@h.test`,
  `//user:${secret}@h.test/x`,
  `user:${secret}@h.test/x`,
  `${secret}:443`,
  `/x/${secret}?key=${secret}`,
  secret
]

const client = HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}"))))

const bearer = (
  options: Partial<BearerAuth.Options>,
  call: (client: HttpClient.HttpClient.With<unknown>) => Effect.Effect<unknown, unknown>
) =>
  Effect.flatMap(
    makeSource(),
    ({ source }) =>
      call(client.pipe(BearerAuth.withBearer(source, { origins, ...options })) as HttpClient.HttpClient.With<unknown>)
  )

const basic = { clientId: "c", authentication: ClientAuthentication.basic(Redacted.make("abcdefgh")) }

const places: Readonly<Record<string, (url: string) => Effect.Effect<unknown, unknown, HttpClient.HttpClient>>> = {
  request: (url) => bearer({ onOtherOrigin: "fail" }, (client) => client.get(url)),
  origins: (url) => bearer({ origins: [url] }, (client) => client.get(origins[0])),
  plainHttpOrigins: (url) => bearer({ plainHttpOrigins: [url] }, (client) => client.get(origins[0])),
  "the origins of an override": (url) =>
    bearer({}, (client) =>
      client.get(origins[0]).pipe(
        BearerAuth.withRequest(TokenRequest.make({ scopes: "a" }), { origins: [url] })
      )),
  tokenEndpoint: (url) => Effect.scoped(TokenSource.clientCredentials({ ...basic, tokenEndpoint: url })),
  "an introspection endpoint": (url) => Introspection.make({ ...basic, endpoint: url }),
  "an address of Vault": (url) =>
    Effect.flatten(
      Effect.succeed(Secret.vault({ address: url, token: Redacted.make("hvs.x"), path: "a", field: "b" }))
    )
}

describe("a text that is no URL is described and never quoted", () => {
  // FAULTS S: an unescaped # ended the URL before the @, so its password was shown
  for (const [place, use] of Object.entries(places)) {
    it.effect(place, () =>
      Effect.gen(function*() {
        for (const slip of slips) {
          const exit = yield* Effect.exit(Effect.provideService(use(slip), HttpClient.HttpClient, client))
          const shown = [
            inspect(exit, { depth: 9 }),
            JSON.stringify(exit),
            Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
          ].join("\n")
          assert.notInclude(shown.toLowerCase(), secret.toLowerCase().slice(0, 8), slip)
        }
      }))
  }

  it.effect("the description says scheme, length and where it breaks", () =>
    Effect.gen(function*() {
      const said = (url: string) =>
        Effect.map(
          Effect.flip(bearer({}, (client) => client.get(url))),
          (error) => (error as { readonly message: string }).message
        )
      assert.include(
        yield* said("https://user:pass#word@h.test/x"),
        "a text of 31 characters that begins with https: and breaks at character 18: \"#\" has to be escaped before an @"
      )
      assert.include(
        yield* said("https://user:pass@h.test:99999"),
        "a text of 30 characters that begins with https: and breaks at character 26: the port is no number up to 65535"
      )
      assert.include(yield* said("https://[oops]/x"), "breaks at character 9: no address is in the brackets")
      assert.include(yield* said("https://a b.test/"), "breaks at character 10: a host has no such character")
      assert.include(yield* said("https://user:pass@/x"), "breaks at character 19: there is no host")
      assert.include(yield* said("/users/17"), "a text of 9 characters that is a path alone")
      assert.include(yield* said("//h.test/x"), "begins with //, without a scheme")
      assert.include(yield* said("api.example.com/users"), "begins with no known scheme")
    }))

  it.effect("a text whose scheme may be a secret is not quoted as one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(places["tokenEndpoint"]!(`${secret}:443`)).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      )
      assert.include((error as { readonly message: string }).message, "the scheme must be https, not another one")
    }))
})
