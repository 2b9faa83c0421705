/** The files of the status page and of the documentation page: read once, when the broker starts. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { headers } from "../guard/refusal.js"
import { read } from "./files.js"

/** By path: the file, and its type. */
const files: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ["/", ["index.html", "text/html; charset=utf-8"]],
  ["/docs", ["docs.html", "text/html; charset=utf-8"]],
  ["/page/icon.svg", ["icon.svg", "image/svg+xml"]],
  ["/page/style.css", ["style.css", "text/css; charset=utf-8"]],
  ["/page/status.js", ["status.js", "text/javascript; charset=utf-8"]],
  ["/page/docs.js", ["docs.js", "text/javascript; charset=utf-8"]]
])

/** No inline code, nothing from other origins, and no frame around the page. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export type Assets = ReadonlyMap<string, HttpServerResponse.HttpServerResponse>

/** A bundle that left them behind serves everything else. */
export const load: Effect.Effect<Assets> = Effect.forEach(
  files,
  ([path, [file, type]]) =>
    Effect.map(
      Effect.tryPromise(() => read(file)),
      (bytes) =>
        [
          path,
          HttpServerResponse.uint8Array(bytes, {
            contentType: type,
            headers: { ...headers, "content-security-policy": policy, "x-frame-options": "DENY" }
          })
        ] as const
    )
).pipe(
  Effect.map((entries): Assets => new Map(entries)),
  Effect.catchAll(() =>
    Effect.as(
      Effect.logWarning("The files of the status page are missing: the broker answers everything else."),
      new Map()
    )
  )
)
