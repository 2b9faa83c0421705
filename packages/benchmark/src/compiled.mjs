// Makes `effect-bearer` and the broker mean the libraries as they are published, compiled by tsc. Compiled by tsx, every function that is
// made on the way, for example once per request, would be given its name by a call of its own.
import { readFileSync } from "node:fs"
import { register } from "node:module"

const core = JSON.parse(readFileSync(new URL("../../core/package.json", import.meta.url), "utf8")).publishConfig.exports

/** @param {string} specifier @param {unknown} context @param {(specifier: string, context: unknown) => unknown} next */
export const resolve = (specifier, context, next) =>
  specifier.startsWith("effect-bearer/")
    ? next(
      new URL(
        core[specifier.replace("effect-bearer", ".")].import.default.replace("./dist", "../dist/core"),
        import.meta.url
      )
        .href,
      context
    )
    : specifier === "@effect-bearer/broker"
    ? next(new URL("../../broker/dist/index.js", import.meta.url).href, context)
    : next(specifier, context)

// Loaded twice: by `--import`, where it registers itself, and as the hooks so registered, in a thread of their own.
if (!import.meta.url.endsWith("?hooks")) register(`${import.meta.url}?hooks`)
