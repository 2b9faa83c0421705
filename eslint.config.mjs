import effect from "@effect/eslint-plugin"
import simpleImportSort from "eslint-plugin-simple-import-sort"
import tseslint from "typescript-eslint"

const format = {
  indentWidth: 2,
  lineWidth: 120,
  operatorPosition: "maintain",
  semiColons: "asi",
  quoteStyle: "alwaysDouble",
  trailingCommas: "never",
  "arrowFunction.useParentheses": "force",
  // eslint-plugin-simple-import-sort does that, and the two disagree about node: and scoped packages
  "module.sortImportDeclarations": "maintain"
}

const barrels = [
  { regex: "^(effect|@effect/platform)$", message: "Import the module, not the barrel: it costs start-up time." },
  { regex: "^node:", message: "Core runs on every runtime: no Node built-ins." }
]
const noSchema = {
  regex: "^effect/(Schema|SchemaAST|ParseResult)$",
  message: "Schemas is the one module with Schema in it."
}
const noSchemas = { regex: "/(Schemas|schemas/.*)\\.js$", message: "Nobody may load Schema who does not ask for it." }
const noHttp = { regex: "^@effect/platform", message: "This floor knows nothing of HTTP." }

/** The folders of core, lowest first: a module may import from its own and from those before it. */
const floors = ["values", "wire", "store", "lifecycle", "edge"]

const downhill = floors.map((floor, level) => {
  const above = floors.slice(level + 1)
  return {
    files: [`packages/core/src/${floor}/**/*.ts`],
    rules: {
      "no-restricted-imports": ["error", {
        patterns: [
          ...barrels,
          noSchema,
          noSchemas,
          ...(floor === "values" ? [noHttp] : []),
          ...(above.length === 0 ? [] : [{
            regex: `^\\.\\..*/(${above.join("|")})/`,
            message: `Imports run downhill only: this module stands on the ${floor} floor.`
          }])
        ]
      }]
    }
  }
})

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", ".mutants/**"] },
  {
    files: ["**/*.ts", "**/*.mts", "**/*.mjs"],
    extends: [...tseslint.configs.recommended, effect.configs.dprint],
    plugins: { "simple-import-sort": simpleImportSort },
    rules: {
      "@effect/dprint": ["error", { config: format }],
      "@typescript-eslint/array-type": ["error", { default: "generic", readonly: "generic" }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // `declare namespace` is how a value and its types share one name in Effect's own modules.
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-empty-object-type": "off",
      // Generators that never yield are normal in Effect.gen.
      "require-yield": "off",
      "object-shorthand": "error",
      "simple-import-sort/imports": ["error", { groups: [["^\\u0000"], ["^node:", "^[^.]", "^\\."]] }]
    }
  },
  {
    files: ["packages/*/src/**/*.ts"],
    ignores: ["packages/benchmark/**"],
    rules: { "no-console": "error" }
  },
  {
    files: [
      "packages/core/src/**/*.ts",
      "packages/jose/src/**/*.ts",
      "packages/redis/src/**/*.ts",
      "packages/genesys/src/**/*.ts"
    ],
    rules: {
      "no-restricted-imports": ["error", {
        patterns: barrels
      }],
      "no-restricted-globals": [
        "error",
        { name: "setTimeout", message: "Time is Effect's Clock." },
        { name: "setInterval", message: "Time is Effect's Clock." },
        { name: "process", message: "Core runs on every runtime." },
        { name: "Buffer", message: "Core runs on every runtime." }
      ],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "Time is Effect's Clock." },
        { object: "Math", property: "random", message: "Randomness is Effect's Random." }
      ]
    }
  },
  {
    // Node.js only; the rest of the rules for sources holds
    files: ["packages/broker/src/**/*.ts"],
    rules: {
      "no-restricted-imports": ["error", {
        patterns: [{
          regex: "^(effect|@effect/platform)$",
          message: "Import the module, not the barrel: it costs start-up time."
        }]
      }]
    }
  },
  ...downhill,
  {
    files: ["packages/core/src/edge/Schemas.ts", "packages/core/src/edge/schemas/**/*.ts"],
    rules: { "no-restricted-imports": ["error", { patterns: barrels }] }
  }
)
