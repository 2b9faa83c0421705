"use strict"
/**
 * The beginning of the bundle. The program is in parts, which stand behind this code in a comment: what is not needed is
 * not even parsed. Beside the user's other caches it keeps what V8 has made of the parts, because compiling them takes
 * longer than `token` needs for its answer. Whatever is wrong with that cache, the parts are compiled.
 *
 * `scripts/bundle.mjs` puts it in front of the parts: PLACES says where each of them is, STAMP is a digest of them, and
 * LAST_ANSWER is `lastAnswer.cjs`.
 */
const fs = require("node:fs")
const os = require("node:os")
const path = require("node:path")
const vm = require("node:vm")

const places = PLACES
const stamp = STAMP
const here = require("node:url").pathToFileURL(__filename).href

/** Node.js and V8 of another version, or another machine, make something else of the same code. */
const kind = `${stamp}-${process.versions.v8}-${process.arch}`

const given = (name) => (process.env[name] ?? "").trim() === "" ? undefined : process.env[name]

/** What is not absolute is ignored, as by `settings/places.ts`. */
const folderOf = (name) => path.isAbsolute(given(name) ?? "") ? process.env[name] : undefined

const registeredHome = () => {
  try {
    return os.userInfo().homedir
  } catch {
    return "/"
  }
}

const base = () => {
  const home = folderOf("HOME") ?? registeredHome()
  if (process.platform === "win32") return folderOf("LOCALAPPDATA") ?? path.join(home, "AppData", "Local")
  return folderOf("XDG_CACHE_HOME") ?? path.join(home, process.platform === "darwin" ? "Library/Caches" : ".cache")
}

const root = path.join(base(), "effect-bearer", "code")
const folder = path.join(root, kind)

/** What others could have written is not run. */
const isOurs = (info) => {
  const me = process.getuid?.()
  return me === undefined || (info.uid === me && (info.mode & 0o022) === 0)
}

/** Each by a call of its own: with `recursive` Node.js tries for ever where the system makes none, as in `/proc`. */
const makeFolder = (one) => {
  const make = (isLast) => {
    try {
      fs.mkdirSync(one, { mode: 0o700 })
      return true
    } catch (error) {
      if (error.code === "EEXIST") return true
      if (error.code === "ENOENT" && !isLast) return false
      throw error
    }
  }
  if (make(false)) return
  if (!fs.existsSync(path.dirname(one))) makeFolder(path.dirname(one))
  // once more, also where another process has made the one above meanwhile
  make(true)
}

const isUsable = () => {
  if (given("NODE_DISABLE_COMPILE_CACHE") !== undefined) return false
  try {
    return [root, folder].every((one) => {
      const info = fs.lstatSync(one)
      return info.isDirectory() && isOurs(info)
    })
  } catch {
    return false
  }
}

LAST_ANSWER

if (lastAnswer.print()) process.exit(0)
globalThis[Symbol.for("@effect-bearer/cli/lastAnswer")] = lastAnswer.keep

const cached = isUsable() ? (name) => {
  let opened
  try {
    opened = fs.openSync(path.join(folder, name), "r")
    // the folder may have been exchanged since it was looked at
    const info = fs.fstatSync(opened)
    return info.isFile() && isOurs(info) ? fs.readFileSync(opened) : undefined
  } catch {
    return undefined
  } finally {
    if (opened !== undefined) fs.closeSync(opened)
  }
} : () => undefined

/** Places are counted from the end of the file. */
let file
let size
const sourceOf = (name) => {
  if (file === undefined) {
    file = fs.openSync(__filename, "r")
    size = fs.fstatSync(file).size
  }
  const [from, length] = places[name]
  const bytes = Buffer.allocUnsafe(length)
  if (fs.readSync(file, bytes, 0, length, size - from) !== length) throw new Error("effect-bearer is not whole")
  // what would have ended the comment
  return bytes.latin1Slice().replaceAll("*\u0001/", "*/")
}

/** The scripts that V8 had to compile. */
const compiled = []

const compile = (name) => {
  const cachedData = cached(name)
  const script = new vm.Script(sourceOf(name), { filename: `effect-bearer/${name}`, cachedData })
  if (cachedData === undefined || script.cachedDataRejected) compiled.push([name, script])
  return script.runInThisContext()
}

const parts = compile("main")

const loaded = new Map()
const load = (name) => {
  if (!Object.hasOwn(parts, name) && !Object.hasOwn(places, name)) return require(name)
  const known = loaded.get(name)
  if (known !== undefined) return known.exports
  const module = { exports: {} }
  loaded.set(name, module)
  const run = Object.hasOwn(parts, name) ? parts[name] : compile(name)
  run(module.exports, load, module, here)
  return module.exports
}

/** With what was compiled while it ran. A file appears whole or not at all. */
const keep = () => {
  if (compiled.length === 0 || given("NODE_DISABLE_COMPILE_CACHE") !== undefined) return
  try {
    makeFolder(folder)
    if (!isUsable()) return
    for (const other of fs.readdirSync(root)) {
      if (other !== kind) fs.rmSync(path.join(root, other), { recursive: true, force: true })
    }
    for (const [name, script] of compiled) {
      const temporary = path.join(folder, `${name}.${process.pid}`)
      try {
        fs.writeFileSync(temporary, script.createCachedData(), { mode: 0o600, flag: "wx" })
        fs.renameSync(temporary, path.join(folder, name))
      } catch (error) {
        // of a full disk not even the beginning of a file is left
        fs.rmSync(temporary, { force: true })
        throw error
      }
    }
  } catch {
    // the next run compiles again
  }
}
process.once("exit", (code) => {
  if (code === 0) keep()
})

load("./main.js")
