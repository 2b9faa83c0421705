import { inspect } from "node:util"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AuthorizationServer, Reply } from "@effect-bearer/testing"
import { Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { ClientAuthentication, RetryPolicy } from "effect-bearer"
import { DataAction } from "../src/index.js"
import { logged, message, settings } from "./utils/dataAction.js"
import { recorder } from "./utils/spans.js"

const secret = "s3cr3t-0f-the-cl1ent-Zm9vYmFyYmF6cXV4"
const subject = "subj3ct-t0ken-Zm9vYmFyYmF6cXV4cXV1eA"
const actor = "act0r-t0ken-Zm9vYmFyYmF6cXV4cXV1eA"
const issued = "t0k3n-1ssued-Zm9vYmFyYmF6cXV4cXV1eA"
const basic = Buffer.from(`crm:${secret}`).toString("base64")
const guarded = [secret, subject, actor, issued, basic].flatMap((text) => [text, encodeURIComponent(text)])
  .concat([secret, subject, actor, issued].map((text) => text.slice(0, 20)))

/** A server that says everything it was told, whatever it answers. */
const echo = (status: number, type: string, members: object = {}) => (request: AuthorizationServer.RecordedRequest) => {
  const said = `${request.body} ${JSON.stringify(request.headers)} ${JSON.stringify(request.form)} ${issued}`
  return Reply.respond({
    status,
    headers: { "content-type": type, "x-echo": encodeURIComponent(said) },
    body: type === "application/json"
      ? JSON.stringify({ error_description: said, error_uri: said, access_token: issued, ...members })
      : `<!doctype html><p>${said}</p>`
  })
}

const answers: ReadonlyArray<AuthorizationServer.Options["answer"]> = [
  () => Reply.token({ access_token: issued, refresh_token: issued, scope: "contacts:read" }),
  () => Reply.token({ access_token: issued, expires_in: "soon", scope: "contacts:other" }),
  echo(400, "application/json", { error: "invalid_grant" }),
  echo(401, "application/json", { error: "invalid_client" }),
  echo(200, "application/json", { error: "not_ok" }),
  echo(200, "text/html"),
  echo(403, "text/html"),
  echo(429, "application/json"),
  echo(503, "text/html"),
  echo(307, "text/plain"),
  () => Reply.reset(),
  () => Reply.resetBody(`{"access_token":"${issued}`),
  () => Reply.json({ access_token: `${issued}\n` })
]

const requests: ReadonlyArray<unknown> = [
  undefined,
  { body: { subject_token: subject, actor_token: actor, audience: "https://billing.example" } },
  { body: JSON.stringify({ subject_token: subject, subject_token_type: "urn:x" }) },
  { rejected_token: issued },
  { body: `{"subject_token":"${subject}"` },
  { body: { subject_token: [subject], scope: { [subject]: actor } } },
  { body: { [subject]: actor, subjectToken: subject } },
  { body: { scope: subject } },
  `subject_token=${subject}`
]

describe("leaks", () => {
  // SPEC A15
  it.scopedLive("no secret and no token is in a log line, a span or a message", () =>
    Effect.gen(function*() {
      const { layer, lines } = logged()
      const { spans, tracer } = recorder()
      const messages: Array<string> = []
      let granted = 0
      for (const answer of answers) {
        for (const authentication of [ClientAuthentication.post, ClientAuthentication.basic]) {
          const server = yield* AuthorizationServer.listen({ answer })
          yield* Effect.gen(function*() {
            const action = yield* DataAction.handler(settings(server.tokenEndpoint, {
              authentication: authentication(Redacted.make(secret)),
              retry: RetryPolicy.exponentialJitter({ base: 1, cap: 2, maxRetries: 1 }),
              scopePolicy: { missing: "report" },
              circuitBreaker: { failureThreshold: 8 }
            }))
            for (const request of requests) {
              const reply = yield* action(request)
              if (reply.status === 200) granted++
              else messages.push(message(reply), JSON.stringify(reply.headers))
              lines.push(inspect(action, { depth: 10, showHidden: true }), JSON.stringify(action) ?? "")
            }
          }).pipe(
            Effect.provide(Layer.mergeAll(NodeHttpClient.layerUndici, layer)),
            Effect.withTracer(tracer),
            Logger.withMinimumLogLevel(LogLevel.All),
            Effect.scoped
          )
        }
      }
      const text = [
        ...lines,
        ...messages,
        inspect(spans, { depth: 20, maxArrayLength: Infinity, maxStringLength: Infinity })
      ].join("\n")
      for (const value of guarded) {
        const at = text.indexOf(value)
        assert.strictEqual(at, -1, at < 0 ? "" : text.slice(Math.max(0, at - 300), at + 50))
      }
      // that something was there to leak
      assert.isAtLeast(granted, 8)
      assert.include(text, "data action called")
      assert.include(text, "invalid_client")
      assert.include(text, "TokenEndpoint.request")
      assert.include(text, "<redacted>")
    }))
})
