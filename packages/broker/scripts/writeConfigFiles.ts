/**
 * Writes what is made of the Schema of the configuration: `config.schema.json` and the reference in the README.
 *
 *     pnpm --filter @effect-bearer/broker run config-schema
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { jsonSchema } from "../src/BrokerConfig.js"
import { within } from "./configReference.js"

const at = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

writeFileSync(at("config.schema.json"), `${JSON.stringify(jsonSchema, null, 2)}\n`)
writeFileSync(at("README.md"), within(readFileSync(at("README.md"), "utf8"), jsonSchema))
