/** A real nginx with the configuration of `nginx.conf`, which is that of the documentation, on a free port. */
import { readFileSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { eventually } from "../eventually.js"
import { freePort } from "../freePort.js"
import { program, start as startProgram } from "../programs.js"
import { folder } from "./TestBroker.js"

export const nginx = program("nginx", ["-v"])

/** What stands in the documentation, for others to copy. */
const documented = readFileSync(new URL("nginx.conf", import.meta.url), "utf8")

/** The documented configuration with other addresses. Each of them has to stand in it. */
const withAddresses = (addresses: ReadonlyArray<readonly [documented: string, own: string]>): string =>
  addresses.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`nginx.conf does not say ${from}`)
    return text.replaceAll(from, to)
  }, documented)

/** Listens when the effect succeeds; gives its origin, and what it has logged so far. */
export const start = (options: {
  /** Where the broker is. */
  readonly broker: string
  readonly key: string
  /** Where the API is. */
  readonly api: string
}) =>
  Effect.gen(function*() {
    const directory = yield* folder
    const port = yield* freePort
    const keyFile = join(directory, "broker-key.conf")
    const file = join(directory, "nginx.conf")
    yield* Effect.promise(async () => {
      await writeFile(keyFile, `proxy_set_header Authorization "Bearer ${options.key}";\n`, { mode: 0o600 })
      await mkdir(join(directory, "temp"))
      await writeFile(
        file,
        [
          // one process: what is killed leaves no workers behind
          "daemon off;",
          "master_process off;",
          "error_log stderr;",
          `pid ${join(directory, "nginx.pid")};`,
          "events {}",
          "http {",
          "access_log off;",
          ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
            `${name}_temp_path ${join(directory, "temp", name)};`
          ),
          withAddresses([
            ["127.0.0.1:4180", new URL(options.broker).host],
            ["127.0.0.1:8080", `127.0.0.1:${port}`],
            ["https://api.example.com", options.api],
            ["/etc/nginx/broker-key.conf", keyFile]
          ]),
          "}"
        ].join("\n")
      )
    })
    const { child, stderr } = yield* startProgram("nginx", ["-p", directory, "-c", file, "-e", "stderr"])
    const origin = `http://127.0.0.1:${port}`
    yield* eventually(
      Effect.suspend(() =>
        child.exitCode === null
          ? Effect.tryPromise(() => fetch(`${origin}/_token`))
          : Effect.die(new Error(`nginx ended: ${stderr()}`))
      ),
      // internal
      ({ status }) => status === 404
    )
    return { origin, log: stderr }
  })
