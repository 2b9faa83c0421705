import * as Disclosure from "../Disclosure.js"

export type Scrub = Disclosure.Disclosure
export const make = Disclosure.make
