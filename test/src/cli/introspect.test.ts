import { assert, describe, it } from "@effect/vitest"
import * as AuthorizationServer from "@effect-bearer/examples/support/AuthorizationServer"
import * as LoopbackServer from "@effect-bearer/examples/support/LoopbackServer"
import { Effect, Redacted } from "effect"
import type { Ended } from "./program.js"
import { home, run } from "./program.js"

const environment = (server: AuthorizationServer.Service) => ({
  OAUTH_TOKEN_ENDPOINT: server.tokenEndpoint,
  OAUTH_INTROSPECTION_ENDPOINT: server.introspectionEndpoint,
  OAUTH_REVOCATION_ENDPOINT: server.revocationEndpoint,
  OAUTH_CLIENT_ID: server.clients.basic.id,
  OAUTH_CLIENT_SECRET: Redacted.value(server.clients.basic.secret),
  OAUTH_SCOPES: "calls:read"
})

/** Neither the token nor the secret of the client is in what a run said. */
const tellsNothing = ({ stderr, stdout }: Ended, ...secrets: ReadonlyArray<string>) => {
  for (const secret of secrets) {
    assert.notInclude(stdout, secret)
    assert.notInclude(stderr, secret)
  }
  assert.notInclude(stdout + stderr, "\u001b")
}

const setup = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make({ lifetime: "1 hour" })
  const user = yield* home
  const env = environment(server)
  const token = (yield* run(user, ["token"], { env })).stdout.trim()
  assert.match(token, /^[\w-]{20,}$/)
  return { server, user, env, token, secret: env.OAUTH_CLIENT_SECRET }
})

describe("introspect", () => {
  // SPEC G2
  it.scoped("tells an active token from one that is none, by the exit code too", () =>
    Effect.gen(function*() {
      const { env, secret, server, token, user } = yield* setup
      const active = yield* run(user, ["introspect"], { env, input: `${token}\n` })
      assert.strictEqual(active.code, 0, active.stderr)
      assert.match(active.stdout, /^Active/)
      assert.match(active.stdout, /left +█+░* \d+ %, .* of 1 h/)
      assert.match(active.stdout, /scopes +calls:read$/m)
      assert.match(active.stdout, /client +calls-basic$/m)
      assert.match(active.stdout, /expires +in (1 h|59 min)/)
      tellsNothing(active, token, secret)

      const json = yield* run(user, ["introspect", "--json"], { env, input: `Bearer ${token}` })
      assert.strictEqual(json.code, 0, json.stderr)
      const said = JSON.parse(json.stdout)
      assert.deepInclude(said, { active: true, scope: "calls:read", client_id: "calls-basic", token_type: "Bearer" })
      assert.isAtLeast(said.exp - said.iat, 3600)
      tellsNothing(json, token, secret)

      const inactive = yield* run(user, ["introspect"], { env, input: "none-of-its-own" })
      assert.strictEqual(inactive.code, 1)
      assert.match(inactive.stdout, /^Not active/)
      assert.strictEqual(inactive.stderr, "")
      const inactiveJson = yield* run(user, ["introspect", "--json"], { env, input: "none-of-its-own" })
      assert.deepStrictEqual([inactiveJson.code, inactiveJson.stdout], [1, "{\"active\":false}\n"])

      // the token that `token` keeps: no other is asked for
      const current = yield* run(user, ["introspect", "--current"], { env })
      assert.strictEqual(current.code, 0, current.stderr)
      assert.strictEqual((yield* server.seen).tokensIssued, 1)
      tellsNothing(current, token, secret)
    }))

  it.scoped("the endpoint is that of the metadata of an issuer, or one that is named", () =>
    Effect.gen(function*() {
      const { env, server, token, user } = yield* setup
      const { OAUTH_INTROSPECTION_ENDPOINT, OAUTH_TOKEN_ENDPOINT, ...rest } = env
      const issuer = { ...rest, OAUTH_ISSUER: server.issuer }
      assert.strictEqual((yield* run(user, ["introspect"], { env: issuer, input: token })).code, 0)

      const without = { ...rest, OAUTH_TOKEN_ENDPOINT }
      const missing = yield* run(user, ["introspect"], { env: without, input: token })
      assert.strictEqual(missing.code, 2)
      assert.strictEqual(missing.stdout, "")
      for (const way of ["--endpoint", "introspectionEndpoint", "OAUTH_INTROSPECTION_ENDPOINT", "issuer"]) {
        assert.include(missing.stderr, way)
      }
      tellsNothing(missing, token)
      const named = ["introspect", "--endpoint", OAUTH_INTROSPECTION_ENDPOINT]
      assert.strictEqual((yield* run(user, named, { env: without, input: token })).code, 0)
    }))

  it.scoped("a token among the arguments is refused and not repeated, an empty input too", () =>
    Effect.gen(function*() {
      const { env, server, token, user } = yield* setup
      for (const command of ["inspect", "introspect", "revoke"]) {
        const refused = yield* run(user, [command, token], { env, input: token })
        assert.strictEqual(refused.code, 2)
        assert.include(refused.stderr, "standard input")
        tellsNothing(refused, token)
        const empty = yield* run(user, [command], { env })
        assert.strictEqual(empty.code, 2)
        assert.include(empty.stderr, "Standard input is empty")
      }
      assert.strictEqual((yield* server.seen).introspections, 0)
      assert.strictEqual((yield* server.seen).tokensRevoked, 0)
    }))

  it.scoped("a server that refuses, and none that answers", () =>
    Effect.gen(function*() {
      const { env, token, user } = yield* setup
      const wrong = yield* run(user, ["introspect", "--json"], {
        env: { ...env, OAUTH_CLIENT_SECRET: "not-the-secret-of-it" },
        input: token
      })
      assert.strictEqual(wrong.code, 3)
      assert.strictEqual(wrong.stdout, "")
      assert.strictEqual(JSON.parse(wrong.stderr).error.code, "oauth-error")
      tellsNothing(wrong, token, "not-the-secret-of-it")

      const nobody = yield* LoopbackServer.make
      yield* nobody.refuse
      const unreachable = yield* run(user, ["introspect", "--endpoint", `${nobody.origin}/introspect`], {
        env,
        input: token
      })
      assert.strictEqual(unreachable.code, 4)
      tellsNothing(unreachable, token)
    }))

  it.scoped("what a server says of a token repeats neither the token nor moves a cursor", () =>
    Effect.gen(function*() {
      const { env, token, user } = yield* setup
      const server = yield* LoopbackServer.make
      yield* server.handle((request, response) => {
        request.resume()
        response.setHeader("content-type", "application/json")
        response.end(JSON.stringify({
          active: true,
          sub: `it is ${token}`,
          client_id: token,
          scope: `a ${token}`,
          more: [{ [token]: token }],
          evil: "\u001b[2J\u009b31m",
          jti: "3f6c1f0e-7d0b-4c64-9a8e-2f3b6c1d9e77"
        }))
      })
      for (const args of [[], ["--json"]]) {
        const ended = yield* run(user, ["introspect", "--endpoint", `${server.origin}/introspect`, ...args], {
          env,
          input: token
        })
        assert.strictEqual(ended.code, 0, ended.stderr)
        tellsNothing(ended, token)
        assert.notMatch(ended.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
        assert.include(ended.stdout, "3f6c1f0e-7d0b-4c64-9a8e-2f3b6c1d9e77")
      }
    }))
})

describe("revoke", () => {
  // SPEC G2
  it.scoped("a token is revoked at the server, and `token` gets another", () =>
    Effect.gen(function*() {
      const { env, secret, server, token, user } = yield* setup
      const revoked = yield* run(user, ["revoke"], { env, input: token })
      assert.strictEqual(revoked.code, 0, revoked.stderr)
      assert.match(revoked.stdout, /^Revoked.*\n$/)
      assert.strictEqual(revoked.stderr, "")
      tellsNothing(revoked, token, secret)
      assert.strictEqual((yield* server.seen).tokensRevoked, 1)
      assert.strictEqual((yield* run(user, ["introspect"], { env, input: token })).code, 1)

      const next = (yield* run(user, ["token"], { env })).stdout.trim()
      assert.notStrictEqual(next, token)
      assert.strictEqual((yield* server.seen).tokensIssued, 2)

      // another than the current one does not take that away
      assert.strictEqual((yield* run(user, ["revoke"], { env, input: token })).code, 0)
      assert.strictEqual((yield* run(user, ["token"], { env })).stdout.trim(), next)

      const current = yield* run(user, ["revoke", "--current", "--json"], { env })
      assert.deepStrictEqual(current, { code: 0, signal: null, stdout: "{\"revoked\":true}\n", stderr: "" })
      assert.strictEqual((yield* server.seen).tokensRevoked, 2)
      const last = (yield* run(user, ["token"], { env })).stdout.trim()
      assert.notInclude([token, next], last)
      tellsNothing(current, next, secret)
    }))

  // FAULTS T
  it.scoped("a token that was got with other scopes is removed with the same options, and its absence is told", () =>
    Effect.gen(function*() {
      const { env, server, token, user } = yield* setup
      const scope = ["--scope", "calls:write"]
      const own = (yield* run(user, ["token", ...scope], { env })).stdout.trim()
      assert.notStrictEqual(own, token)

      const missed = yield* run(user, ["revoke"], { env, input: own })
      assert.strictEqual(missed.code, 0, missed.stderr)
      assert.notInclude(missed.stdout, "no longer kept")
      assert.include(missed.stderr, "give the same options")
      tellsNothing(missed, own)

      const found = yield* run(user, ["revoke", ...scope], { env, input: own })
      assert.include(found.stdout, "no longer kept here as the token of --scope calls:write")
      assert.strictEqual(found.stderr, "")
      const next = (yield* run(user, ["token", ...scope], { env })).stdout.trim()
      assert.notStrictEqual(next, own)

      const current = yield* run(user, ["revoke", "--current", ...scope], { env })
      assert.include(current.stdout, "--scope calls:write")
      assert.notStrictEqual((yield* run(user, ["token", ...scope], { env })).stdout.trim(), next)
      // the profile's own is still there, and only now it is not
      assert.strictEqual((yield* run(user, ["token"], { env })).stdout.trim(), token)
      const issued = (yield* server.seen).tokensIssued
      const plain = yield* run(user, ["revoke", "--current"], { env })
      assert.include(plain.stdout, "as the profile's own token")
      assert.strictEqual((yield* server.seen).tokensIssued, issued)
    }))

  it.scoped("what cannot go together, and a server without the endpoint", () =>
    Effect.gen(function*() {
      const { env, server, token, user } = yield* setup
      const both = yield* run(user, ["revoke", "--current", "--hint", "refresh_token"], { env })
      assert.strictEqual(both.code, 2)
      const { OAUTH_REVOCATION_ENDPOINT: _, ...without } = env
      const missing = yield* run(user, ["revoke"], { env: without, input: token })
      assert.strictEqual(missing.code, 2)
      assert.include(missing.stderr, "OAUTH_REVOCATION_ENDPOINT")
      assert.strictEqual((yield* server.seen).tokensRevoked, 0)
      const hinted = yield* run(user, ["revoke", "--hint", "access_token"], { env, input: token })
      assert.strictEqual(hinted.code, 0, hinted.stderr)
    }))
})
