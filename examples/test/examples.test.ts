import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bundle } from "../../test/bundle.js"
import { expect } from "../src/support/Expect.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = new URL("../src/", import.meta.url)

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (program: ReadonlyArray<string>) =>
  Effect.async<Ended>((resume) => {
    const child = spawn(process.execPath, program, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text)
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
    child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

// Tokens and secrets of the servers here are at least 24 random bytes in base64url; nothing they print looks like it.
const secretLike = /[\w-]{32,}/

interface Example {
  /** What the output must hold, in this order. */
  readonly lines: ReadonlyArray<RegExp>
  /** What it is told on the command line. */
  readonly args?: ReadonlyArray<string>
  /** What stderr must hold; nothing unless given. */
  readonly stderr?: RegExp
}

/** What a server in a web framework shows, whatever the framework. */
const visited: Example = {
  lines: [
    /^50 requests at once, 1 token request$/m,
    /^ok {2}all of them were answered$/m,
    /^ok {2}one token was enough$/m,
    /^ok {2}a visitor hung up, and the call to the API ended with the visit$/m,
    /^ok {2}after SIGTERM nobody is let in, and no token is asked for$/m,
    /^ok {2}the token was one to the end$/m
  ]
}

const examples: Record<string, Example> = {
  "quickstart.ts": {
    lines: [/^GET \/calls answered 200$/m, /^ok {2}the API let the call in$/m, /^ok {2}one token was requested$/m]
  },
  "two-apis.ts": {
    lines: [
      /^billing client at the billing API: 200$/m,
      /^users client at the users API: 200$/m,
      /^billing client at the users API: 401$/m,
      /^ok {2}each authorization server issued one token$/m,
      /^ok {2}the billing token never went to the users API$/m
    ]
  },
  "http-api-client.ts": {
    lines: [
      /with the usual scope +0 calls/,
      /refused: invalid_scope/,
      /try later: 3 attempts, the last one a EndpointUnavailable/,
      /^ok {2}a transient one was retried first$/m
    ]
  },
  "custom-source.ts": {
    lines: [
      /the first caller waited \d+ ms/,
      /61 times asked, [2-9] tokens/,
      /^ok {2}the token was replaced while it was in use$/m,
      /^ok {2}nobody waited for a replacement$/m,
      /^ok {2}one request per token, and one that was turned away$/m
    ]
  },
  "refresh-session-challenge.ts": {
    lines: [
      /\d+ of them met a 401, 25 were answered in the end\./,
      /The refresh took 2 attempts, [\d.]+ s apart\./,
      /^ok {2}every request was answered, with its own body$/m,
      /^ok {2}there was one refresh: one failed attempt, one token$/m,
      /All of them failed with OAuthError/,
      /^ok {2}a refusal is not retried$/m,
      /^ok {2}each refresh is one span of the trace$/m
    ]
  },
  "observing-events.ts": {
    lines: [
      /asking for a token \(cold\)/,
      /asking for a token \(ahead\)/,
      /attempt 1: EndpointUnavailable; again in 100ms/,
      /RetriesExhausted; the old one still serves/,
      /refused before its time: revoked\?/,
      /asking for a token \(rejected\)/,
      /^ {2}oauth_tokens_rejected 1$/m,
      /^ok {2}the failed renewal was paged$/m,
      /^ok {2}the metrics agree$/m
    ],
    stderr: /^(PAGE RefreshFailed: .+\n)+PAGE RevokedEarly: .+\n$/
  },
  "client-authentication.ts": {
    lines: [
      /^basic: a token$/m,
      /^basic-raw, at a server that decodes: .*"invalid_client"/m,
      /^basic-raw, at a server that does not: a token$/m,
      /^post: a token$/m,
      /^none: a token$/m,
      /^ok {2}and the error names the right one$/m,
      /^ok {2}without the secret$/m
    ]
  },
  "grants/client-credentials.ts": {
    lines: [
      /^for https:\/\/billing\.example\.com\/: invoices:read$/m,
      /^for https:\/\/reports\.example\.com\/: reports:read$/m,
      /^ok {2}the same request gets the same token$/m,
      /^ok {2}two tokens were requested$/m
    ]
  },
  "grants/token-exchange.ts": {
    lines: [
      /^a token for https:\/\/billing\.example\.com\/, on behalf of device-42, used by app-basic$/m,
      /^ok {2}it says who acts$/m,
      /^ok {2}it may do no more than was asked for$/m
    ]
  },
  "grants/refresh-token.ts": {
    lines: [
      /^[2-9] access tokens, \d+ refresh tokens spent$/m,
      /^ok {2}no refresh token was spent twice$/m,
      /the server has ended the login/,
      /^log in again: /m,
      /^ok {2}the error says what to do$/m
    ]
  },
  "grants/jwt-bearer.ts": {
    lines: [/the server answered 200, 200$/m, /^ok {2}no assertion was sent twice$/m]
  },
  "grants/custom-grant.ts": {
    lines: [/^tokens for the tenants north and south$/m, /"invalid_grant"/, /^ok {2}a refusal is final$/m]
  },
  "fleet.ts": {
    lines: [
      /^\w+ +token [0-9a-f]{6}: requested from the server$/m,
      /^\w+ +token [0-9a-f]{6}: taken from the store$/m,
      /^[2-9] tokens were issued to three processes$/m,
      /^ok {2}all three had the same$/m,
      /^ok {2}each was requested once$/m
    ]
  },
  "broker.ts": {
    args: ["tour"],
    lines: [
      /^as an OAuth client: Bearer, \d+ s left$/m,
      /^the API answers 200$/m,
      /^ok {2}the API took the token$/m,
      /^ok {2}every way gave a token that the server issued, and none asked for one of its own$/m
    ]
  },
  // SPEC E4
  "genesys/users.ts": {
    lines: [
      /^GET \/api\/v2\/users\/\{id\} answered with a user who is active$/m,
      /^ok {2}it is the one that was asked for$/m,
      /^an id that nobody has is answered with an error with status 404$/m,
      /^ok {2}it is an error, and no defect$/m,
      /^5 calls reached the API, 2 tokens$/m,
      /^ok {2}a revoked token was replaced, and the caller noticed nothing$/m,
      /^ok {2}one token for everything before, one for everything after$/m
    ]
  },
  // SPEC B10
  "genesys/analytics-query.ts": {
    lines: [
      /^a token of type Bearer, opaque$/m,
      /^ok {2}it has every scope that was asked for$/m,
      /^ok {2}the API takes it$/m,
      /^ok {2}once it is revoked, the API does not$/m,
      /^3 of 3 conversations$/m,
      /^ok {2}the query was answered$/m,
      /^ok {2}with a second token$/m
    ]
  },
  // SPEC B9
  "genesys/sdk-bridge.ts": {
    lines: [
      /^the old program was answered \d+ times$/m,
      /^ok {2}it was answered all the time$/m,
      /^an id that nobody has is refused with 404, code not\.found$/m,
      /^ok {2}it is an error with a type$/m,
      /^ok {2}the rejection says its status$/m,
      /^ok {2}no credential is in it$/m,
      /^\d+ tokens, each good for two seconds$/m,
      /^ok {2}no call met a token that had expired$/m,
      /^after a revocation, 10 calls shared 1 token$/m,
      /^ok {2}one token was enough for all of them$/m,
      /^ok {2}a rate limit was waited for$/m
    ]
  },
  "genesys/data-action.ts": {
    lines: [
      /^200, a token for a while$/m,
      /^ok {2}the first call got a token$/m,
      /^ok {2}20 more got the same, with what remains of its time$/m,
      /^400 BadRequest: The body must be JSON, and is none\.$/m,
      /^400 BadRequest: .*subjectToken is not known \(is subject_token meant\?\)\.$/m,
      /^ok {2}a bad payload is the caller's fault$/m,
      /^ok {2}one token was requested for all$/m,
      /^503 RetryExhausted, Retry-After \d+$/m,
      /^ok {2}the token that is held does not need the token endpoint$/m,
      /^ok {2}another one does, and the reply says when to come back$/m
    ]
  },
  "recipes/server.ts": {
    lines: [
      /^50 requests at once, 1 token request$/m,
      /^ok {2}all of them were answered$/m,
      /^ok {2}one token was enough$/m
    ]
  },
  "recipes/hono.ts": visited,
  "recipes/express.ts": visited,
  "recipes/next-route.ts": visited,
  "recipes/lambda.ts": {
    lines: [
      /^200, 200, and after the freeze 200$/m,
      /^ok {2}a warm process uses the token it has$/m,
      /^ok {2}a thawed one gets the next token first$/m,
      /^ok {2}the API saw no call with an old token$/m
    ]
  },
  "recipes/worker.ts": {
    lines: [/^the Worker answered 200, 200, 200$/m, /^ok {2}requests that came together shared one token$/m]
  },
  "recipes/ci-script.ts": {
    lines: [
      /^\{"calls":\[\]\}$/m,
      /^exit codes 0 and 78$/m,
      /^ok {2}a wrong secret is a matter of configuration, and was not retried$/m,
      /^ok {2}two runs, two token requests$/m
    ],
    stderr: /^cannot fetch the calls: .*"invalid_client".*\[oauth-error\]\n$/
  },
  "recipes/many-users.ts": {
    lines: [
      /^two users, three calls, 2 refresh tokens spent$/m,
      /^ok {2}calls of one user share a token$/m,
      /^ok {2}no user gets the token of another$/m,
      /^ok {2}a new source goes on with the stored one$/m,
      /^ok {2}none was spent twice$/m,
      /^ok {2}who never logged in is told to$/m
    ]
  },
  "recipes/proxy.ts": {
    lines: [
      /^the API answered 200$/m,
      /^ok {2}the token request went through the proxy$/m,
      /^ok {2}the API call went through the proxy$/m
    ]
  },
  "recipes/mtls.ts": {
    lines: [
      /^ok {2}the API takes the token from the certificate it was issued to$/m,
      /^ok {2}after the renewal the call succeeds as well$/m,
      /^the API saw: reports, the first certificate$/m,
      /^the API saw: reports, the second certificate$/m,
      /^ok {2}the second call used the new certificate$/m
    ]
  },
  "recipes/telemetry.ts": {
    lines: [
      /^alarm: revoked-early, key \w+$/m,
      /^span TokenSource\.acquire/m,
      /^metric token_request_duration_seconds \[seconds\] measured 2 times$/m,
      /^ok {2}each token request is a span, and a cached read is none$/m,
      /^ok {2}no span has a token in it$/m
    ]
  },
  "recipes/graphql.ts": {
    lines: [
      /^the viewer is Ada$/m,
      /^ok {2}the refused token was renewed$/m,
      /^ok {2}and the query made once more$/m
    ]
  },
  "recipes/upload.ts": {
    lines: [
      /^420000 characters, answered with 201$/m,
      /^ok {2}the whole file arrived$/m,
      /^ok {2}a token with too little left was renewed first$/m,
      /^ok {2}refused once, it was sent again as a whole$/m,
      /^ok {2}the API refused one upload$/m
    ]
  },
  "property-testing-schedules.ts": {
    lines: [
      /^ok +no wait is shorter than Retry-After \(300 runs\)$/m,
      /^ok +it gives up after five retries \(300 runs\)$/m
    ]
  }
}

const files = ["", "grants/", "genesys/", "recipes/"].flatMap((within) =>
  readdirSync(new URL(within, folder)).filter((name) => name.endsWith(".ts")).map((name) => within + name)
)
const program = bundle(folder, files)
const textOf = (file: string) => readFileSync(new URL(file, folder), "utf8")

describe("the examples", () => {
  for (const [file, { args = [], lines, stderr }] of Object.entries(examples)) {
    it.live(file, () =>
      Effect.gen(function*() {
        const ended = yield* run([program(file), ...args])
        assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
        let rest = ended.stdout
        for (const line of lines) {
          const found = line.exec(rest)
          assert.isNotNull(found, `${line} is not, or not in this place, in\n${ended.stdout}`)
          rest = rest.slice(found.index + found[0].length)
        }
        if (stderr === undefined) assert.strictEqual(ended.stderr, "")
        else assert.match(ended.stderr, stderr)
        assert.notMatch(ended.stdout + ended.stderr, secretLike)
        assert.notMatch(ended.stdout + ended.stderr, /bearer /i)
      }))
  }

  it.live("run as their first lines say", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run(["--import", "tsx", "examples/src/quickstart.ts"])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^ok {2}one token was requested$/m)
    }))

  it("are all tested, and all in the README", () => {
    assert.sameMembers(Object.keys(examples), files)
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")
    const listed = Array.from(readme.matchAll(/^\| \[`[^`]+`\]\(src\/([\w/-]+\.ts)\) \|/gm), ([, file]) => file!)
    assert.sameMembers(listed, files)
  })

  it("say how to run them", () => {
    for (const file of files) assert.match(textOf(file), new RegExp(`^ \\* Run it with .*src/${file}`, "m"))
  })

  it("import published packages, frameworks, and the servers that stand in for the reader's", () => {
    const published =
      /^(effect|effect-bearer|@effect\/platform|@effect\/platform-node|@effect-bearer\/(testing|redis|broker|genesys|genesys\/FakeCloud)|purecloud-platform-client-v2|hono|@hono\/node-server|express|node:.+)$/
    for (const file of files) {
      const imports = Array.from(textOf(file).matchAll(/\bfrom "([^"]+)"/g), ([, name]) => name!)
      assert.isNotEmpty(imports)
      const others = imports.filter((name) => !published.test(name) && !/^\.\.?\/support\/\w+\.js$/.test(name))
      assert.deepStrictEqual(others, [], file)
    }
  })
})

describe("what the tests of the examples rest on", () => {
  it("a token in the output would be noticed", () => {
    assert.match(`the token is ${randomBytes(24).toString("base64url")}!`, secretLike)
  })

  it.effect("an example fails when what it shows has not happened", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(expect("the moon is a cheese", false))
      assert.include(error.message, "the moon is a cheese")
    }))
})
