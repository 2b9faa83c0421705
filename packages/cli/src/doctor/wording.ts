/** How things are said: what came from outside is one printable line, and short. */
import * as Disclosure from "effect-bearer/Disclosure"

/** A name from outside: a host in a certificate, a scope, an issuer. */
export const name = (text: string, most = 120): string => {
  const line = Disclosure.printable(text)
  return line.length <= most ? line : `${line.slice(0, most)}…`
}

/** Some names, as a list. */
export const names = (all: ReadonlyArray<string>, most = 8): string => {
  const shown = all.slice(0, most).map((one) => name(one, 80)).join(", ")
  return all.length > most ? `${shown} and ${all.length - most} more` : shown
}

/** A URL without what may hold a secret: user info, query and fragment. */
export const place = (url: string | URL): string => {
  if (typeof url === "string" && !URL.canParse(url)) return "the URL"
  const { origin, pathname } = new URL(url)
  return name(`${origin}${pathname}`, 200)
}

export const count = (many: number, one: string, several = `${one}s`): string => `${many} ${many === 1 ? one : several}`

/** Milliseconds as seconds, as exact as a person wants it. */
export const seconds = (millis: number): string => {
  const value = millis / 1000
  return `${Math.abs(value) < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} s`
}

/** A message of the library, which shows nothing secret, without the code at its end. */
export const message = (error: { readonly message: string }): string =>
  sentence(name(error.message.replace(/(?: \[[a-z-]+\])+$/, ""), 400))

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`
