/** The packages of the workspace, by folder: the one list that the checks read. A new package is added here. */

/** Packages that programs import. */
export const libraries = ["core", "testing", "jose", "redis", "genesys", "broker"]

/** Those of them that can be had by `require` as well as by `import`. The broker is a program of its own: ESM. */
export const bothKinds = ["core", "testing", "jose", "redis", "genesys"]

/** Packages that are published: these, and the command line. */
export const published = [...libraries, "cli"]

/** Packages whose tests need no other process: `npm run repeat` runs these. */
export const units = ["core", "jose", "genesys", "redis", "testing"]
