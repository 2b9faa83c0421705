import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@effect-bearer/testing"
import { Config, ConfigProvider, Effect, Equal, Option, Redacted, Ref } from "effect"
import { ClientAuthentication, Grant, TokenError, TokenRequest } from "../../src/index.js"
import { exchange, refused, secret, setup } from "../fixtures/exchange.js"

const context = { clientId: "svc-basic", endpoint: new URL("https://auth.test/oauth/token") }
const authorization = (authentication: ClientAuthentication.ClientAuthentication, clientId = context.clientId) =>
  Effect.map(
    authentication.credentials({ ...context, clientId }),
    ({ headers }) =>
      Buffer.from(Redacted.value(headers[0]![1] as Redacted.Redacted).slice(6), "base64").toString("utf8")
  )
const plain = ClientAuthentication.basic(Redacted.make(secret))

// SPEC A3
describe("ClientAuthentication", () => {
  it.effect("W6 basic does not change the characters of ordinary ids", () =>
    Effect.gen(function*() {
      const sent = yield* authorization(ClientAuthentication.basic(Redacted.make("a-b.c_d*e")), "svc-basic.v2_x*")
      assert.strictEqual(sent, "svc-basic.v2_x*:a-b.c_d*e")
    }))

  it.effect("P17 basic form-encodes, basicRaw does not, both in UTF-8", () =>
    Effect.gen(function*() {
      const value = Redacted.make("p w:%+&é漢😀")
      assert.strictEqual(
        yield* authorization(ClientAuthentication.basic(value), "id:1"),
        "id%3A1:p+w%3A%25%2B%26%C3%A9%E6%BC%A2%F0%9F%98%80"
      )
      assert.strictEqual(yield* authorization(ClientAuthentication.basicRaw(value)), "svc-basic:p w:%+&é漢😀")
    }))

  it.effect("post puts both into the body and no header", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.post(Redacted.make(secret)) })
      yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
      const [request] = yield* server.requests
      assert.deepStrictEqual(request!.form, {
        grant_type: "client_credentials",
        client_id: "svc-basic",
        client_secret: secret
      })
      assert.isUndefined(request!.headers.authorization)
    }))

  it.effect("none sends the client id only", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.none })
      yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
      const [request] = yield* server.requests
      assert.deepStrictEqual(request!.form, { grant_type: "client_credentials", client_id: "svc-basic" })
      assert.isUndefined(request!.headers.authorization)
      assert.isTrue(Option.isNone(yield* ClientAuthentication.none.current))
    }))

  it.effect("mtls sends the client id only, and names the certificate when it is refused", () =>
    Effect.gen(function*() {
      const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.mtls })
      yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
      const [request] = yield* server.requests
      assert.deepStrictEqual(request!.form, { grant_type: "client_credentials", client_id: "svc-basic" })
      assert.isUndefined(request!.headers.authorization)
      assert.isTrue(Option.isNone(yield* ClientAuthentication.mtls.current))
      const error = yield* refused(Reply.oauthError("invalid_client"), {}, {
        authentication: ClientAuthentication.mtls
      })
      assert.include(error.message, "certificate")
    }))

  // SPEC C11
  it.effect("a secret that is an effect is evaluated on every attempt, and `current` shows a change", () =>
    Effect.gen(function*() {
      const ref = yield* Ref.make(Redacted.make("first-secret"))
      const authentication = ClientAuthentication.post(Ref.get(ref))
      const { endpoint, server } = yield* setup({ authentication })
      const before = yield* endpoint.credentials
      yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
      assert.isTrue(Equal.equals(before, yield* endpoint.credentials))
      yield* Ref.set(ref, Redacted.make("second-secret"))
      yield* endpoint.request(Grant.clientCredentials, TokenRequest.empty)
      assert.isFalse(Equal.equals(before, yield* endpoint.credentials))
      assert.deepStrictEqual((yield* server.requests).map((request) => request.form.client_secret), [
        "first-secret",
        "second-secret"
      ])
    }))

  it.effect("a secret that cannot be read is InvalidConfiguration and shows nothing of the failure", () =>
    Effect.gen(function*() {
      const failures = [
        Effect.fail({ _tag: "VaultError", secret }),
        Effect.fail(new Error(secret)),
        Effect.fail(secret),
        Effect.die(secret),
        Effect.sync((): Redacted.Redacted => {
          throw new Error(secret)
        })
      ]
      for (const failure of failures) {
        const { endpoint, server } = yield* setup({ authentication: ClientAuthentication.basic(failure) })
        const error = yield* Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
        assert.strictEqual(error._tag, "InvalidConfiguration")
        assert.notInclude(inspect(error, { depth: 9 }), secret)
        assert.strictEqual(yield* server.count, 0)
      }
    }))

  // SPEC B8
  it.effect("the error names a missing variable", () =>
    Effect.gen(function*() {
      const error = yield* refused(undefined, {}, {
        authentication: ClientAuthentication.basic(Config.redacted("OAUTH_CLIENT_SECRET"))
      })
      assert.include(error.message, "OAUTH_CLIENT_SECRET is not set")
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))))

  it.effect("an error of the library is passed on, so that a vault that is down can be retried", () =>
    Effect.gen(function*() {
      const down = new TokenError.TransportError({ endpoint: "vault", code: Option.none(), detail: "down" })
      const error = yield* refused(undefined, {}, { authentication: ClientAuthentication.post(Effect.fail(down)) })
      assert.strictEqual(error.message, down.message)
      assert.isTrue(error.retryable)
    }))

  // SPEC A1
  it.effect("a blank secret is found before any network call", () =>
    Effect.gen(function*() {
      for (const blank of ["", " ", "\n"]) {
        const error = yield* Effect.flip(setup({ authentication: ClientAuthentication.basic(Redacted.make(blank)) }))
        assert.deepStrictEqual(error.fields, ["authentication.secret"])
        const { endpoint, server } = yield* setup({
          authentication: ClientAuthentication.post(Effect.succeed(Redacted.make(blank)))
        })
        const late = yield* Effect.flip(endpoint.request(Grant.clientCredentials, TokenRequest.empty))
        assert.strictEqual(late._tag, "InvalidConfiguration")
        assert.strictEqual(yield* server.count, 0)
      }
    }))

  it.effect("a plain string from untyped code is refused, not sent and not shown", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(setup({ authentication: ClientAuthentication.basic("hunter22" as never) }))
      assert.strictEqual(error._tag, "InvalidConfiguration")
      assert.notInclude(inspect(error), "hunter22")
    }))

  it.effect("basicRaw refuses a client id with a colon", () =>
    Effect.gen(function*() {
      const authentication = ClientAuthentication.basicRaw(Redacted.make(secret))
      const error = yield* Effect.flip(setup({ clientId: "a:b", authentication }))
      assert.deepStrictEqual(error.fields, ["clientId"])
      // FAULTS R5
      assert.include(error.message, "ClientAuthentication.post")
      assert.include(error.message, "ClientAuthentication.basic")
      yield* exchange(undefined, {}, { clientId: "a:b" })
    }))

  it("no rendering shows the secret", () => {
    assert.notInclude(inspect(plain, { depth: 9, showHidden: true }), secret)
    assert.notInclude(JSON.stringify(plain), secret)
    assert.isTrue(ClientAuthentication.isClientAuthentication(plain))
    assert.isFalse(ClientAuthentication.isClientAuthentication({}))
  })
})
