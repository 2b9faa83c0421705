/** Where this program keeps its files: those of the user that runs it, as the platform has it. */
import { homedir, userInfo } from "node:os"
import { isAbsolute, join } from "node:path"

/** The variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

const own = "effect-bearer"

const stated = (environment: Environment, name: string): string | undefined => {
  const value = environment[name]
  return value === undefined || value.trim() === "" ? undefined : value
}

/** What is not absolute is ignored, as the XDG specification has it: tokens would lie wherever somebody works. */
const folder = (environment: Environment, name: string): string | undefined => {
  const value = stated(environment, name)
  return value !== undefined && isAbsolute(value) ? value : undefined
}

/** The folder with the user's configuration. */
export const configFolder = (environment: Environment): string =>
  process.platform === "win32"
    ? join(folder(environment, "APPDATA") ?? join(homedir(), "AppData", "Roaming"), own)
    : join(folder(environment, "XDG_CONFIG_HOME") ?? join(homeOf(environment), ".config"), own)

/** The folder with tokens that are kept between runs. `EFFECT_BEARER_CACHE` names another. */
export const tokenFolder = (environment: Environment): string => {
  const given = stated(environment, "EFFECT_BEARER_CACHE")
  return given ?? join(cacheFolder(environment), own, "tokens")
}

const cacheFolder = (environment: Environment): string => {
  switch (process.platform) {
    case "win32":
      return folder(environment, "LOCALAPPDATA") ?? join(homedir(), "AppData", "Local")
    case "darwin":
      return folder(environment, "XDG_CACHE_HOME") ?? join(homeOf(environment), "Library", "Caches")
    default:
      return folder(environment, "XDG_CACHE_HOME") ?? join(homeOf(environment), ".cache")
  }
}

const homeOf = (environment: Environment): string => folder(environment, "HOME") ?? registeredHome()

/** A user without an entry in the list of users, as in a container, has no home: nothing is found there, nothing kept. */
const registeredHome = (): string => {
  try {
    return userInfo().homedir
  } catch {
    return "/"
  }
}
