/**
 * Tells Stryker to leave texts for people alone: a literal in which two words are parted by a space, and what such a template
 * has in its holes. Names, keys and codes have no space, and are mutated.
 */
const parted = /\S\s+\S|^\s+\S|\S\s+$/

const textOf = (node) => {
  if (node.type === "StringLiteral") return node.value
  if (node.type === "TemplateLiteral") return node.quasis.map((quasi) => quasi.value.raw).join("x")
  return ""
}

const texts = {
  shouldIgnore: (path) => parted.test(textOf(path.node)) ? "a text for people" : undefined
}

/** The form of a plugin; `@stryker-mutator/api` has functions that make it, and would be one more dependency. */
export const strykerPlugins = [{ kind: "Ignore", name: "texts", value: texts }]
