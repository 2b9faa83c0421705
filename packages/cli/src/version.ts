/** The version of the package: the bundle has it written in. */
declare const EFFECT_BEARER_VERSION: string | undefined

export const version: string = typeof EFFECT_BEARER_VERSION === "string" ? EFFECT_BEARER_VERSION : "0.0.0"
