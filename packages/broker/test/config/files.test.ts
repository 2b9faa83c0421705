import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Ajv } from "ajv"
import { Either, FastCheck as fc, Schema } from "effect"
import * as Yaml from "yaml"
import { markdown, within } from "../../scripts/configReference.js"
import { BrokerConfig } from "../../src/index.js"
import * as Samples from "./samples.js"

const file = (name: string) => readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), "utf8")

const how = "make it anew: pnpm --filter @effect-bearer/broker run config-schema"

const parsed = (text: string, format: "yaml" | "json") =>
  Either.getOrThrowWith(BrokerConfig.parse(text, { format }), (error) => error)

const encode = Schema.encodeSync(BrokerConfig.Config)

const validate = new Ajv({ strict: true, allErrors: true }).compile(BrokerConfig.jsonSchema)

describe("a configuration that is written and read again", () => {
  it("a configuration comes back the same, as JSON and as YAML, and its JSON Schema accepts it", () => {
    fc.assert(
      fc.property(Samples.config, (sample) => {
        const config = parsed(JSON.stringify(sample), "json")
        const encoded = encode(config)
        for (const value of [sample, encoded]) {
          assert.isTrue(validate(JSON.parse(JSON.stringify(value))), JSON.stringify(validate.errors))
        }
        for (
          const again of [
            parsed(Yaml.stringify(sample), "yaml"),
            parsed(JSON.stringify(encoded, null, "\t"), "json"),
            parsed(Yaml.stringify(encoded), "yaml"),
            parsed(JSON.stringify(encoded), "yaml")
          ]
        ) {
          assert.deepStrictEqual(again, config)
          // secrets in clear are equal to each other, whatever they hold, until they are encoded
          assert.deepStrictEqual(encode(again), encoded)
        }
      }),
      { numRuns: 50 }
    )
  })
})

describe("the JSON Schema for editors", () => {
  it("the JSON Schema is the one in the package", () => {
    assert.deepStrictEqual(JSON.parse(file("config.schema.json")), BrokerConfig.jsonSchema, how)
  })

  it("the JSON Schema refuses what the fields refuse", () => {
    const right = {
      issuer: "https://login.example.com",
      clientId: "c",
      authentication: { method: "basic", secret: { env: "A" } }
    }
    assert.isTrue(validate({ profiles: { a: right } }), JSON.stringify(validate.errors))
    for (
      const wrong of [
        {},
        [],
        { profiles: { A: right } },
        { profiles: { a: right }, lisen: [] },
        { profiles: { a: right }, listen: [] },
        { profiles: { a: right }, listen: [{}] },
        { profiles: { a: right }, listen: [{ port: 70_000 }] },
        { profiles: { a: right }, listen: [{ port: 1, socket: "s" }] },
        { profiles: { a: { ...right, clientId: " " } } },
        { profiles: { a: { ...right, wait: "5" } } },
        { profiles: { a: { ...right, required: "yes" } } },
        { profiles: { a: { ...right, authentication: { method: "basic" } } } },
        { profiles: { a: { ...right, authentication: { method: "basic", secret: "s3cr3t" } } } },
        { profiles: { a: { ...right, grant: { type: "password" } } } },
        { profiles: { a: right }, callers: [{ id: "a b" }] },
        { profiles: { a: right }, callers: [{ id: "a", keys: ["sha256:abc"] }] },
        { profiles: { a: right }, callers: [{ id: "a", profiles: { a: { surfaces: ["all"] } } }] }
      ]
    ) {
      assert.isFalse(validate(wrong), JSON.stringify(wrong))
      assert.isTrue(Either.isLeft(BrokerConfig.parse(JSON.stringify(wrong), { format: "json" })), JSON.stringify(wrong))
    }
  })

  it("the JSON Schema describes every field", () => {
    const silent: Array<string> = []
    const look = (value: unknown, path: string): void => {
      if (typeof value !== "object" || value === null) return
      for (const [key, inner] of Object.entries(value)) {
        if (key === "properties") {
          for (const [name, field] of Object.entries(inner as Record<string, { description?: string }>)) {
            if ((field.description ?? "").length < 5) silent.push(`${path}.${name}`)
          }
        }
        look(inner, `${path}.${key}`)
      }
    }
    look(BrokerConfig.jsonSchema, "")
    assert.deepStrictEqual(silent, [])
  })

  it("a JSON file may name its JSON Schema", () => {
    parsed("{\"$schema\": \"./config.schema.json\", \"profiles\": {}}", "json")
  })
})

describe("the README", () => {
  it("the README's reference matches the configuration", () => {
    assert.strictEqual(within(file("README.md"), BrokerConfig.jsonSchema), file("README.md"), how)
  })

  it("the reference knows every definition of the schema", () => {
    const reference = markdown(BrokerConfig.jsonSchema)
    assert.notInclude(reference, "undefined")
    assert.notInclude(reference, "[object")
    for (const [, anchor] of reference.matchAll(/\]\(#([a-z-]+)\)/g)) {
      const headings = Array.from(reference.matchAll(/^#### (.+)$/gm)).map(([, heading]) =>
        heading!.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
      )
      assert.include(headings, anchor)
    }
  })

  it("the configurations in the README are valid", () => {
    const samples = Array.from(file("README.md").matchAll(/```(yaml|json)\n([^]*?)```/g))
    assert.isNotEmpty(samples)
    for (const [, format, text] of samples) {
      parsed(text!, format as "yaml" | "json")
      assert.isTrue(validate(Yaml.parse(text!)), JSON.stringify(validate.errors))
    }
  })

  it("the configuration in the README's Kubernetes manifest is valid, and fits its probes", () => {
    const [, manifest = ""] = /```yaml pod\.yaml\n([^]*?)```/.exec(file("README.md")) ?? []
    const [configMap, pod] = Yaml.parseAllDocuments(manifest).map((document) => document.toJS())
    const text = configMap.data["broker.yaml"]
    const config = parsed(text, "yaml")
    assert.isTrue(validate(Yaml.parse(text)), JSON.stringify(validate.errors))
    const [{ livenessProbe, readinessProbe, startupProbe }] = pod.spec.initContainers
    for (const { httpGet } of [livenessProbe, readinessProbe, startupProbe]) {
      assert.strictEqual(httpGet.port, config.metrics?.port)
      assert.deepStrictEqual(httpGet.httpHeaders, [{ name: "Host", value: `127.0.0.1:${httpGet.port}` }])
    }
  })
})
