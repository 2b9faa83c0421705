/** Packs the libraries as they are published, and unpacks them as an installation would. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { bothKinds, libraries } from "../packages.mjs"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export const manifestOf = (name) => JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))

export const run = (command, args, options = {}) => {
  const child = spawnSync(command, args, {
    encoding: "utf8",
    timeout: 10 * 60_000,
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32",
    ...options
  })
  if (child.status === 0) return child.stdout
  const output = `${child.stdout ?? ""}${child.stderr ?? ""}${child.error?.message ?? ""}`.trim()
  throw new Error(`${command} ${args.join(" ")}\n${output}`)
}

const pnpm = (...args) => run("npx", ["--yes", "pnpm@10.34.8", ...args], { cwd: root })

const script = join(root, "test", "buildCommonJs.mjs")

const filters = libraries.flatMap((name) => ["--filter", manifestOf(name).name])

/** All of it anew; or, where tsc has just run, only what it does not do. */
export const build = ({ compiled }) => {
  if (!compiled) {
    for (const name of libraries) rmSync(join(root, "packages", name, "dist"), { recursive: true, force: true })
    pnpm("--recursive", ...filters, "run", "build")
  } else {
    for (const name of bothKinds) run(process.execPath, [script, join(root, "packages", name, "dist")])
  }
}

/** Name of a package → its tarball in `folder`. */
export const pack = (folder) => {
  mkdirSync(folder, { recursive: true })
  // what `prepack` would do is done
  pnpm("--recursive", ...filters, "--config.ignore-scripts=true", "pack", "--pack-destination", folder)
  return new Map(libraries.map((name) => {
    const { name: packageName, version } = manifestOf(name)
    return [packageName, join(folder, `${packageName.replace("@", "").replace("/", "-")}-${version}.tgz`)]
  }))
}

/** A project in `folder` that has the tarballs and, from this workspace, what they stand on. */
export const unpack = (tarballs, folder) => {
  for (const [name, tarball] of tarballs) {
    const target = join(folder, "node_modules", name)
    mkdirSync(target, { recursive: true })
    run("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"])
  }
  for (const name of libraries) linkDependencies(join(root, "packages", name, "node_modules"), folder, tarballs)
}

const linkDependencies = (from, folder, tarballs) => {
  const names = readdirSync(from).flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(from, name)).map((inner) => `${name}/${inner}`) : [name]
  )
  for (const name of names) {
    const target = join(folder, "node_modules", name)
    if (name.startsWith(".") || tarballs.has(name) || existsSync(target)) continue
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(realpathSync(join(from, name)), target, "junction")
  }
}
