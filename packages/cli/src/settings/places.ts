/** Where this program keeps its files: those of the user that runs it, as the platform has it. */
import { homedir } from "node:os"
import { join } from "node:path"

/** The variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

const own = "effect-bearer"

const stated = (environment: Environment, name: string): string | undefined => {
  const value = environment[name]
  return value === undefined || value.trim() === "" ? undefined : value
}

/** The folder with the user's configuration. */
export const configFolder = (environment: Environment): string =>
  process.platform === "win32"
    ? join(stated(environment, "APPDATA") ?? join(homedir(), "AppData", "Roaming"), own)
    : join(stated(environment, "XDG_CONFIG_HOME") ?? join(homeOf(environment), ".config"), own)

/** The folder with tokens that are kept between runs. `EFFECT_BEARER_CACHE` names another. */
export const tokenFolder = (environment: Environment): string => {
  const given = stated(environment, "EFFECT_BEARER_CACHE")
  return given ?? join(cacheFolder(environment), own, "tokens")
}

const cacheFolder = (environment: Environment): string => {
  switch (process.platform) {
    case "win32":
      return stated(environment, "LOCALAPPDATA") ?? join(homedir(), "AppData", "Local")
    case "darwin":
      return stated(environment, "XDG_CACHE_HOME") ?? join(homeOf(environment), "Library", "Caches")
    default:
      return stated(environment, "XDG_CACHE_HOME") ?? join(homeOf(environment), ".cache")
  }
}

const homeOf = (environment: Environment): string => stated(environment, "HOME") ?? homedir()
