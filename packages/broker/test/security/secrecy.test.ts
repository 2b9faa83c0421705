import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import type { AuthorizationServer } from "@effect-bearer/testing"
import { Reply } from "@effect-bearer/testing"
import type { Context, Option, Tracer } from "effect"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, Redacted } from "effect"
import { CallerKey } from "../../src/index.js"
import type { Reply as Answer } from "../support/broker.js"
import { ask, basic, configOf, folder, form, get, setUp } from "../support/broker.js"
import * as raw from "../support/raw.js"

/** With characters that encodings change, so that each encoding is another text. */
const secrets = {
  clientSecret: "up/stream+secret=5f1d9c &~é",
  otherSecret: "oth/er+secret=77ac1e &~é",
  key: "call/er+key=9b2e4d &~é",
  wrongKey: "wro/ng+key=31f0aa &~é",
  subject: "sub/ject+token=c0ffee &~é",
  actor: "act/or+token=facade &~é",
  refresh: "ref/resh+token=b0a710"
}

/** What tokens of the authorization server begin with. */
const prefix = "tok/en+7d3c"

/** A secret in the forms that a text may hold it in. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  // within something longer it may begin at any of three places, and its ends mix with their neighbours
  const base64 = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64").replace(/=+$/, "").slice(offset === 0 ? 0 : 4)
      .slice(0, -2)
  )
  return Array.from(
    new Set([
      secret,
      secret.slice(0, 12),
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      encodeURIComponent(encodeURIComponent(secret)),
      new URLSearchParams({ x: secret }).toString().slice(2),
      ...base64,
      ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
      ...base64.map((text) => encodeURIComponent(text)),
      bytes.toString("hex"),
      bytes.toString("latin1")
    ])
  )
}

const forbidden = Object.entries({ ...secrets, prefix }).flatMap(([name, secret]) =>
  formsOf(secret).filter((text) => text.length > 7).map((text) => [name, text] as const)
)

const findIn = (text: string, except: ReadonlyArray<string> = []) =>
  forbidden.filter(([name, form]) => !except.includes(name) && text.includes(form))

type Sent = Pick<AuthorizationServer.RecordedRequest, "headers" | "params" | "body">

/** What a server knows of whoever asks: all values of the form, and the parts of the header. */
const valuesIn = ({ headers, params }: Sent): ReadonlyArray<string> => {
  const parts = Buffer.from((headers["authorization"] ?? "").replace("Basic ", ""), "base64").toString().split(":")
  return [
    ...parts,
    ...parts.map((part) => decodeURIComponent(part.replaceAll("+", " "))),
    ...params.map(([, value]) => value)
  ]
    .filter((value) => value.length > 7)
}

const secretOf = (request: Sent): string =>
  valuesIn(request).find((value) => value === secrets.clientSecret || value === secrets.otherSecret) ?? ""

/** Which of its answers the server gives: by the client, or by the end of the subject token. */
const kindOf = (request: Sent): number =>
  Number(
    valuesIn(request).map((value) => /^client-echo-(\d+)$|^sub.*#(\d+)$/.exec(value)).find((match) => match !== null)
      ?.slice(1).join("") ?? -1
  )

const echo = (request: Sent): string => [request.headers["authorization"], ...valuesIn(request)].join(" ")

/** Ways to say it, each in a description of its own, because long ones are cut off. */
const saying: Record<string, (request: Sent) => string> = {
  values: (request) => valuesIn(request).join(" "),
  secret: (request) => `client_secret "${secretOf(request)}" is wrong`,
  subject: ({ params }) => params.filter(([name]) => name.endsWith("_token")).map(([, value]) => value).join(" "),
  body: ({ body }) => body,
  header: ({ headers }) => headers["authorization"] ?? "",
  percent: (request) => valuesIn(request).map(encodeURIComponent).join(" "),
  form: (request) => valuesIn(request).map((value) => form({ x: value })).join(" "),
  base64: (request) => valuesIn(request).map((value) => Buffer.from(value).toString("base64")).join(" "),
  base64url: (request) => valuesIn(request).map((value) => Buffer.from(value).toString("base64url")).join(" "),
  json: (request) => JSON.stringify(JSON.stringify(valuesIn(request))),
  hex: (request) => Buffer.from(secretOf(request)).toString("hex")
}

/** Everything that comes by in log messages and spans, as text. */
const observe = () => {
  const seen: Array<string> = []
  const keep = (...values: ReadonlyArray<unknown>) =>
    void seen.push(...values.map((value) => {
      const shown = inspect(value, { depth: 12, maxStringLength: null, breakLength: Infinity })
      return value instanceof Error ? `${shown} ${value.message} ${value.stack}` : shown
    }))
  const logger = Logger.make(({ annotations, cause, message, spans }) => {
    keep(message, Array.from(annotations), Array.from(spans))
    if (!Cause.isEmpty(cause)) keep(Cause.pretty(cause, { renderErrorCause: true }), JSON.stringify(cause))
  })
  const span = (
    name: string,
    parent: Option.Option<Tracer.AnySpan>,
    context: Context.Context<never>,
    startTime: bigint
  ): Tracer.Span => {
    const attributes = new Map<string, unknown>()
    return {
      _tag: "Span",
      name,
      spanId: String(seen.length),
      traceId: "trace",
      parent,
      context,
      status: { _tag: "Started", startTime },
      attributes,
      links: [],
      sampled: true,
      kind: "internal",
      // what a span succeeded with is for nobody's eyes
      end: (_, exit) => keep(name, Array.from(attributes), Exit.isFailure(exit) ? [exit, JSON.stringify(exit)] : ""),
      attribute: (key, value) => void attributes.set(key, value),
      event: (name, _, attributes) => keep(name, attributes),
      addLinks: () => {}
    }
  }
  const tracer: Tracer.Tracer = {
    "~effect/Tracer": undefined,
    span,
    context: (execution: () => unknown) => execution()
  } as never
  return {
    seen,
    layer: Layer.mergeAll(
      Logger.replace(Logger.defaultLogger, logger),
      Logger.minimumLogLevel(LogLevel.All),
      Layer.setTracer(tracer)
    )
  }
}

describe("secrets", () => {
  // SPEC BROKER §3
  it("the search that the next test uses finds a secret in each of its forms", () => {
    for (const secret of [...Object.values(secrets), prefix]) {
      for (const before of ["", "x", "xy", "xyz"]) {
        assert.isNotEmpty(findIn(Buffer.from(`${before}${secret}-and-more`).toString("base64")), secret)
        assert.isNotEmpty(findIn(Buffer.from(`${before}${secret}-and-more`).toString("base64url")), secret)
      }
      assert.isNotEmpty(findIn(basic("id", secret)), secret)
      assert.isNotEmpty(findIn(form({ x: secret })), secret)
      assert.isNotEmpty(findIn(JSON.stringify({ x: secret })), secret)
      assert.isNotEmpty(findIn(encodeURIComponent(secret)), secret)
    }
  })

  // SPEC BROKER §3, F1 to F7
  it.scopedLive("secrets are only in the answers that hand them out, whatever the server echoes", () =>
    Effect.gen(function*() {
      const { layer, seen } = observe()
      const directory = yield* folder
      // what a server could say of a request, in an answer of each kind
      const kinds: Record<string, (request: Sent) => Reply.Reply> = {
        ...Object.fromEntries(
          Object.entries(saying).map(([name, say]) => [
            name,
            (request: Sent) => Reply.oauthError("invalid_grant", { description: say(request) })
          ])
        ),
        code: (request) => Reply.oauthError(secretOf(request)),
        client: (request) =>
          Reply.oauthError("invalid_client", {
            status: 401,
            description: echo(request),
            headers: { "www-authenticate": `Basic realm="${encodeURIComponent(echo(request))}"` }
          }),
        members: (request) =>
          Reply.json({
            error: "invalid_scope",
            error_uri: `https://auth.test/?${encodeURIComponent(echo(request))}`,
            access_token: `${prefix}1`,
            secret: echo(request)
          }, { status: 400 }),
        unavailable: (request) =>
          Reply.respond({
            status: 503,
            headers: {
              "retry-after": encodeURIComponent(echo(request)),
              "x-echo": encodeURIComponent(request.body)
            },
            body: echo(request)
          }),
        limited: (request) => Reply.respond({ status: 429, headers: { "retry-after": "1" }, body: echo(request) }),
        html: (request) => Reply.html(`<html>${echo(request)}</html>`),
        error: (request) => Reply.respond({ status: 500, body: echo(request) }),
        redirect: (request) => Reply.redirect(`http://127.0.0.1:1/?secret=${encodeURIComponent(echo(request))}`),
        broken: (request) =>
          Reply.respond({
            headers: { "content-type": "application/json" },
            body: `{"access_token":"${prefix}1","expires_in":"${secretOf(request)}"`
          }),
        wrongType: (request) =>
          Reply.json({ access_token: `${prefix}1`, token_type: `Bearer ${secretOf(request)}`, expires_in: 60 }),
        header: () => Reply.json({ access_token: `${prefix}1\r\nX-Injected: 1`, token_type: "Bearer", expires_in: 60 }),
        typeHeader: () =>
          Reply.json({ access_token: `${prefix}1`, token_type: "Bearer\r\nX-Injected: 1", expires_in: 60 }),
        lifetime: (request) =>
          Reply.json({ access_token: `${prefix}1`, token_type: "Bearer", expires_in: secretOf(request) }),
        scope: (request) =>
          Reply.json({ access_token: `${prefix}1`, token_type: "Bearer", expires_in: 60, scope: [secretOf(request)] }),
        list: (request) => Reply.json([echo(request)]),
        cut: () => Reply.resetBody(`{"access_token":"${prefix}1"`),
        reset: () => Reply.reset()
      }
      const plain = { method: "basic", secret: { plain: secrets.clientSecret } }
      const profile = {
        authentication: plain,
        tokenExchange: true,
        wait: "300 ms",
        timeout: "2 seconds",
        scopes: ["a"]
      }
      const names = Object.keys(kinds).map((_, i) => `echo-${i}`)
      const { audit, broker, encoded, origin, server } = yield* setUp({
        server: {
          prefix,
          members: { refresh_token: secrets.refresh },
          answer: (request) => (Object.values(kinds)[kindOf(request)] ?? (() => Reply.token()))(request)
        },
        profile: { ...profile, required: true, file: { path: join(directory, "token") } },
        profiles: Object.fromEntries(names.map((name, i) => [
          name,
          i % 2 === 0
            ? { ...profile, scopes: [] }
            : { ...profile, authentication: { method: "post", secret: { plain: secrets.otherSecret } } }
        ])),
        caller: {
          keys: [CallerKey.digestOf(Redacted.make(secrets.key))],
          profiles: {
            main: { tokenExchange: true },
            ...Object.fromEntries(names.map((name) => [name, { tokenExchange: true }]))
          }
        },
        observed: layer
      })

      const shown: Array<readonly [what: string, text: string, except: ReadonlyArray<string>]> = []
      /** An answer: a token in it is what it is for, if it is 200 and hands one out. */
      const told = (what: string, { headers, status, text }: Answer, handsOut = false) =>
        void shown.push([
          `${what}: ${status}`,
          `${JSON.stringify(headers)} ${text}`,
          status === 200 && handsOut ? ["prefix"] : []
        ])
      const caller = { authorization: basic("flow", secrets.key), "x-effect-bearer": "true" }
      const token = (profile: string, fields: Record<string, string> = {}, headers: Record<string, string> = caller) =>
        ask(origin, `/oauth2/${profile}/token`, {
          method: "POST",
          headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
          body: form({ grant_type: "client_credentials", ...fields })
        })
      const exchange = {
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: secrets.subject,
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
        actor_token: secrets.actor,
        actor_token_type: "urn:ietf:params:oauth:token-type:access_token"
      }
      const check = (clientId: string) =>
        ask(origin, "/auth/token/check", {
          method: "POST",
          headers: { ...caller, "content-type": "application/json" },
          body: JSON.stringify({ client_id: clientId, request_timestamp: secrets.subject })
        })

      // all goes well
      told("F1", yield* token("main"), true)
      told("F1 form", yield* token("main", { client_id: "flow", client_secret: secrets.key }, {}), true)
      told("F1 exchange", yield* token("main", exchange), true)
      told("F2", yield* check("upstream-client"), true)
      told("F3", yield* ask(origin, "/inject/main", { headers: caller }), true)
      told("F4", yield* ask(origin, "/v1/profiles/main/token?min_ttl=10", { headers: caller }), true)
      const handedOut = shown.length
      for (const [what, text] of shown) assert.include(text, prefix, `${what}: ${text}`)
      const stream = yield* raw.open(origin)
      yield* stream.write(
        raw.request("/v1/profiles/main/tokens", [["Host", new URL(origin).host], ...Object.entries(caller)])
      )
      yield* stream.until("data: ")
      shown.push(["F5", yield* stream.received, ["prefix"]])

      // what callers do wrong
      const wrong = { ...caller, authorization: basic("flow", secrets.wrongKey) }
      told("wrong key", yield* token("main", {}, wrong))
      told("wrong key", yield* token("main", {}, get(encodeURIComponent(secrets.wrongKey))))
      told("wrong key in the form", yield* token("main", { client_id: "flow", client_secret: secrets.wrongKey }, {}))
      told("two methods", yield* token("main", { client_id: secrets.key, client_secret: secrets.key }))
      for (const secret of [secrets.key, secrets.subject]) {
        told("scope", yield* token("main", { scope: secret }))
        told("audience", yield* token("main", { audience: secret }))
        told("grant type", yield* token("main", { grant_type: secret }))
        told("client id", yield* check(secret))
        told("token type", yield* token("main", { ...exchange, requested_token_type: secret }))
        const inPath = encodeURIComponent(secret)
        told("path", yield* token(inPath))
        told("path", yield* ask(origin, `/v1/profiles/${inPath}/token`, { headers: caller }))
        told(
          "query",
          yield* ask(origin, `/v1/profiles/main/token?min_ttl=${inPath}&access_token=${inPath}`, { headers: caller })
        )
        told("nothing", yield* ask(origin, `/${inPath}?${inPath}`))
        told("referer", yield* ask(origin, "/inject/main", { headers: { ...caller, referer: `https://x/${inPath}` } }))
        told("method", yield* ask(origin, "/inject/main", { method: "POST", headers: caller, body: secret }))
        told(
          "json",
          yield* ask(origin, "/auth/token/check", {
            method: "POST",
            headers: { ...caller, "content-type": "application/json" },
            body: `{"client_id": "${secret}`
          })
        )
      }
      shown.push([
        "garbage",
        yield* raw.exchange(origin, `${secrets.key}\r\nAuthorization: ${caller.authorization}\r\n\r\n`),
        []
      ])
      shown.push([
        "long",
        yield* raw.exchange(origin, raw.request("/", [["Authorization", secrets.key.repeat(1000)]])),
        []
      ])

      // and what the server does
      yield* Effect.forEach(Object.keys(kinds), (name, index) =>
        Effect.gen(function*() {
          const profile = `echo-${index}`
          const replies = yield* Effect.all([
            token(profile),
            token(profile, exchange),
            token("main", { ...exchange, subject_token: `${secrets.subject}#${index}` }),
            ask(origin, `/v1/profiles/${profile}/token`, { headers: caller }),
            ask(origin, `/inject/${profile}`, { headers: caller }),
            check(`client-${profile}`)
          ], { concurrency: "unbounded" })
          for (const reply of replies) {
            told(`${name} of the server`, reply, true)
            assert.notProperty(reply.headers, "x-injected")
          }
        }), { concurrency: 6, discard: true })
      const given = new Set((yield* server.requests).map(kindOf))
      assert.strictEqual(given.size, Object.keys(kinds).length + 1, "each kind of answer, and the usual one")
      assert.isTrue(shown.some(([what, text]) => what.startsWith("values") && text.includes("<redacted>")))

      // what is there to be read about it all
      for (
        const path of [
          "/status",
          "/metrics",
          "/health/ready",
          "/health/live",
          "/openapi.json",
          "/docs",
          "/",
          "/page/status.js"
        ]
      ) {
        const reply = yield* ask(origin, path, { headers: { authorization: caller.authorization } })
        assert.include([200, 503], reply.status, path)
        told(path, reply)
      }
      const status = yield* raw.open(origin)
      yield* status.write(
        raw.request("/status/events", [["Host", new URL(origin).host], ["Authorization", caller.authorization]])
      )
      yield* status.until("data: ")
      shown.push(["/status/events", yield* status.received, []])
      shown.push(["audit", yield* audit, []])
      assert.include(shown.at(-1)![1], "\"outcome\":\"ok\"")

      // a reload, one that fails included
      yield* Effect.ignore(broker.reload(configOf({ ...encoded, hosts: ["x"] })))
      const bad = { ...encoded, profiles: { main: { ...encoded.profiles.main, tokenEndpoint: "nowhere" } } }
      const error = yield* Effect.flip(broker.reload(configOf(bad)))
      shown.push(["reload", `${inspect(error, { depth: 10 })} ${JSON.stringify(error)} ${error.message}`, []])
      const config = yield* broker.config
      shown.push([
        "configuration",
        `${inspect(config, { depth: 10 })} ${JSON.stringify(config)} ${inspect(broker, { depth: 10 })}`,
        []
      ])

      const found = [
        ...shown.flatMap(([what, text, except]) =>
          findIn(text, except).map(([name, form]) => `${name} as ${form} in ${what}: ${text.slice(0, 2000)}`)
        ),
        ...seen.flatMap((text) =>
          findIn(text).map(([name, form]) => `${name} as ${form} in a log or a span: ${text.slice(0, 2000)}`)
        )
      ]
      assert.deepStrictEqual(found.slice(0, 5), [])
      assert.isAbove(seen.length, 100)
      assert.isAbove(handedOut, 5)
      // the file of the profile is one of the places that hand the token out
      const file = yield* Effect.promise(() => readFile(join(directory, "token"), "utf8"))
      assert.include(file, prefix)
    }))
})
