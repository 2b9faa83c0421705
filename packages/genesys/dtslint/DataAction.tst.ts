import type { HttpClient } from "@effect/platform"
import type { Redacted, Scope } from "effect"
import { Config, Effect, Layer } from "effect"
import type { TokenError } from "effect-bearer"
import { ClientAuthentication, RetryPolicy, Secret } from "effect-bearer"
import { describe, expect, it } from "tstyche"
import { DataAction } from "../src/index.js"

declare const secret: Redacted.Redacted
declare const client: Layer.Layer<HttpClient.HttpClient>

const options = {
  tokenEndpoint: "https://login.example/token",
  clientId: "crm",
  authentication: ClientAuthentication.post(secret)
}

describe("handler", () => {
  it("cannot fail, neither to be made nor to reply", () => {
    expect(DataAction.handler(options)).type.toBe<
      Effect.Effect<DataAction.Handler, never, HttpClient.HttpClient | Scope.Scope>
    >()
    expect<ReturnType<DataAction.Handler>>().type.toBe<Effect.Effect<DataAction.Reply>>()
  })

  it("takes settings from stores, and no secret that could be printed", () => {
    const read = { clientId: Secret.env("ID"), tokenEndpoint: Config.string("URL"), scopes: Config.string("SCOPES") }
    expect(DataAction.handler).type.toBeCallableWith({ ...options, ...read })
    expect(DataAction.handler).type.toBeCallableWith({ ...options, clientId: Effect.fail("whatever") })
    expect(DataAction.handler).type.not.toBeCallableWith({ ...options, clientId: Effect.succeed(1) })
    expect(DataAction.handler).type.not.toBeCallableWith({ ...options, authentication: "s3cr3t" })
  })

  it("takes a policy for transient errors", () => {
    expect(DataAction.handler).type.toBeCallableWith({ ...options, retry: RetryPolicy.exponentialJitter() })
    const other = RetryPolicy.exponentialJitter<TokenError.RateLimited>()
    expect(DataAction.handler).type.not.toBeCallableWith({ ...options, retry: other })
    expect(DataAction.retryPolicy).type.toBe<RetryPolicy.RetryPolicy<TokenError.Transient>>()
  })
})

describe("Reply", () => {
  it("has a token or an error, and says which", () => {
    const read = ({ body }: DataAction.Reply) => "error" in body ? body : body.access_token
    expect(read).type.toBe<(reply: DataAction.Reply) => string | DataAction.ErrorBody>()
  })

  it("there is one to every error", () => {
    expect(DataAction.fromTokenError).type.toBe<
      (error: TokenError.TokenError, now: number) => DataAction.Reply<DataAction.ErrorBody>
    >()
    expect(DataAction.fromTokenError).type.not.toBeCallableWith(new Error(), 0)
  })
})

describe("toPromiseHandler", () => {
  it("takes a handler and what it needs, whatever that fails with", () => {
    const made = DataAction.handler(options)
    expect(DataAction.toPromiseHandler(made, client)).type.toBe<DataAction.PromiseHandler>()
    const failing = Effect.zipRight(Config.string("NAME"), made)
    expect(DataAction.toPromiseHandler).type.toBeCallableWith(failing, Layer.merge(Layer.fail("x"), client))
    expect(DataAction.toPromiseHandler).type.not.toBeCallableWith(made, Layer.empty)
  })
})
