/**
 * Adds CommonJS to what tsc built: `dist/cjs` has each module of `dist` once more, for `require`. A part of `npm run build`;
 * it works on the package in whose folder it is started, or on the folder that it is given.
 *
 * The declarations are the same, but they have to lie beside a package.json that says what kind of module they describe.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import ts from "typescript"

const dist = process.argv[2] ?? "dist"
const out = join(dist, "cjs")

// source maps are those of the other kind
const withoutMap = (text) => text.replace(/^\/\/# sourceMappingURL=.*\n?/m, "")

const commonJs = (fileName, text) =>
  ts.transpileModule(text, {
    fileName,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      allowJs: true
    }
  }).outputText

rmSync(out, { recursive: true, force: true })
const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => /\.(?:js|d\.ts)$/.test(file))
for (const file of files) {
  const text = withoutMap(readFileSync(join(dist, file), "utf8"))
  mkdirSync(dirname(join(out, file)), { recursive: true })
  if (file.endsWith(".js") && text.includes("import.meta")) throw new Error(`${file}: CommonJS has no import.meta`)
  writeFileSync(join(out, file), file.endsWith(".js") ? commonJs(file, text) : text)
}
writeFileSync(join(out, "package.json"), `${JSON.stringify({ type: "commonjs" })}\n`)
