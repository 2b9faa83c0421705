/**
 * `token` with its plain options, read without the library that reads all others: loading that would take longer than the
 * answer. Whatever is unusual here (help, a mistake, a form that only the library knows) is left to it.
 */
import type { Options } from "./token/print.js"

const taking = new Set(["--profile", "-p", "--config", "-c", "--format", "-f", "--min-ttl"])

/** The options of `token`, or `undefined` where the library is to look. */
export const tokenOptions = (argv: ReadonlyArray<string>): Options | undefined => {
  if (argv[0] !== "token") return undefined
  const values = new Map<string, string>()
  let json = false
  let quiet = false
  let operation: string | undefined
  for (let index = 1; index < argv.length; index++) {
    const [name = "", inline] = split(argv[index]!)
    if (name === "--json" || name === "--quiet" || name === "-q") {
      if (inline !== undefined) return undefined
      if (name === "--json") json = true
      else quiet = true
      continue
    }
    if (taking.has(name)) {
      const value = inline ?? argv[++index]
      const long = { "-p": "--profile", "-c": "--config", "-f": "--format" }[name] ?? name
      if (value === undefined || value === "" || value.startsWith("-") || values.has(long)) return undefined
      values.set(long, value)
      continue
    }
    // the operation that git and Bazel add
    if (!/^[a-z]+$/.test(name) || operation !== undefined || index !== argv.length - 1) return undefined
    operation = name
  }
  return {
    profile: values.get("--profile"),
    config: values.get("--config"),
    format: values.get("--format"),
    minTtl: values.get("--min-ttl"),
    operation,
    json,
    quiet
  }
}

const split = (argument: string): readonly [name: string, value: string | undefined] => {
  const equals = argument.indexOf("=")
  return argument.startsWith("--") && equals > 0
    ? [argument.slice(0, equals), argument.slice(equals + 1)]
    : [argument, undefined]
}
