/** The packages of the workspace, by folder: the one list that the checks read. A new package is added here. */

/** Packages that programs import. */
export const libraries = ["core", "testing", "jose", "redis", "genesys", "broker"]

/** Packages that are published: these, and the command line. */
export const published = [...libraries, "cli"]

/** Packages whose tests need no other process: `npm run repeat` runs these. */
export const units = ["core", "jose", "genesys", "redis", "testing"]
