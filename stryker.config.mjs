/**
 * How mutants of core are made and judged: `npm run mutants`, which runs Stryker once for each module with the tests of that
 * module (test/mutants/run.mjs). docs/mutants.md says what to do with a mutant that survives.
 */

/** Stryker's own default is 1.5 and 5 s. A step of the TestClock is many turns of the event loop, and machines are busy. */
const patience = { timeoutFactor: 3, timeoutMS: 20_000, dryRunTimeoutMinutes: 10 }

/** @type {import("@stryker-mutator/api/core").PartialStrykerOptions} */
export default {
  plugins: ["@stryker-mutator/vitest-runner", "./test/mutants/ignoreTexts.mjs"],
  testRunner: "vitest",
  // run.mjs says which tests are run; "related" would be nearly all of them, for most import the index
  vitest: { configFile: "test/mutants/vitest.config.mjs", related: false },
  // A text for people is not proven word by word, and a test that did would be a second copy of it.
  ignorers: ["texts"],
  // each mutant meets the tests that reach it, and no others
  coverageAnalysis: "perTest",
  // What runs once, at the import of a module, would be met by every test. Most of it is tables of names.
  ignoreStatic: true,
  ...patience,
  concurrency: 2,
  incremental: true,
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ["clear-text"],
  clearTextReporter: {
    allowColor: false,
    allowEmojis: false,
    logTests: false,
    reportTests: false,
    reportMutants: true
  },
  tempDirName: ".mutants/one",
  cleanTempDir: "always",
  // the sandbox has what the tests of core import
  ignorePatterns: [
    "**",
    "!/package.json",
    "!/tsconfig*.json",
    "!/test",
    "!/test/*.ts",
    "!/test/mutants",
    "!/test/mutants/**",
    "!/test/src",
    "!/test/src/*.ts",
    "!/packages",
    "!/packages/core",
    "!/packages/core/**",
    "!/packages/testing",
    "!/packages/testing/**",
    "**/dist/**",
    "**/node_modules/**"
  ],
  disableTypeChecks: false,
  allowConsoleColors: false
}
