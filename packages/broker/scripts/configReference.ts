/** The reference of the configuration in the README, out of its JSON Schema: a table for each object in it. */

interface Json {
  readonly [key: string]: unknown
}

/** The tables in this order, each with the place of its object in the file. */
const tables: ReadonlyArray<readonly [definition: string, title: string]> = [
  ["Listener", "`listen[]`"],
  ["Tls", "`listen[].tls`"],
  ["Limits", "`limits`"],
  ["Audit", "`audit`"],
  ["Store", "`store`"],
  ["Profile", "`profiles.<name>`"],
  ["Authentication", "`profiles.<name>.authentication`"],
  ["Grant", "`profiles.<name>.grant`"],
  ["TokenFile", "`profiles.<name>.file`"],
  ["Caller", "`callers[]`"],
  ["Access", "`callers[].profiles.<name>`"],
  ["Certificate", "`callers[].certificates[]`"],
  ["SecretReference", "Secrets"],
  ["Rate", "Rates"]
]

const anchors = new Map(
  tables.map(([definition, title]) => [definition, title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")])
)

export const markdown = (schema: Json): string => {
  const definitions = schema.definitions as Readonly<Record<string, Json>>

  /** A definition that has no table of its own is told where it is used. */
  const nameOf = (json: Json): string | undefined => {
    const inner = (json.allOf as ReadonlyArray<Json> | undefined)?.[0] ?? json
    return typeof inner.$ref === "string" ? inner.$ref.slice("#/definitions/".length) : undefined
  }

  const type = (json: Json): string => {
    const name = nameOf(json)
    if (name !== undefined) {
      const anchor = anchors.get(name)
      return anchor === undefined ? type(definitions[name]!) : `[${words(name)}](#${anchor})`
    }
    if (Array.isArray(json.enum)) return json.enum.map((one) => code(one)).join(", ")
    if ("const" in json) return code(json.const)
    if (Array.isArray(json.anyOf)) return (json.anyOf as ReadonlyArray<Json>).map(type).join(" or ")
    switch (json.type) {
      case "array":
        return `list of ${type(json.items as Json)}`
      case "boolean":
        return "true or false"
      case "object":
        return typeof json.additionalProperties === "object"
          ? `object of ${type(json.additionalProperties as Json)}`
          : "object"
      default:
        return String(json.title ?? "text")
    }
  }

  const rows = (json: Json, prefix = ""): ReadonlyArray<string> => {
    const required = (json.required ?? []) as ReadonlyArray<string>
    return Object.entries((json.properties ?? {}) as Readonly<Record<string, Json>>).flatMap(([key, property]) => {
      const path = `${prefix}${key}`
      const isInner = property.type === "object" && property.properties !== undefined
      const members = Array.isArray(property.anyOf) ? property.anyOf as ReadonlyArray<Json> : []
      const fallback = "default" in property ? code(property.default) : required.includes(key) ? "required" : ""
      return [
        row(
          `\`${path}\``,
          members.length > 0 ? "object" : type(property),
          fallback,
          String(property.description ?? "")
        ),
        ...(isInner ? rows(property, `${path}.`) : []),
        ...members.flatMap((member) => rows(member, `${path}.`))
      ]
    })
  }

  /** Of several forms of an object, a table each. */
  const table = (json: Json): ReadonlyArray<string> =>
    Array.isArray(json.anyOf)
      ? (json.anyOf as ReadonlyArray<Json>).flatMap((
        member,
        index
      ) => [...(index === 0 ? [] : ["or", ""]), ...table(member)])
      : [row("Path", "Type", "Default", "Meaning"), row("---", "---", "---", "---"), ...rows(json), ""]

  return [
    ...table(schema),
    ...tables.flatMap(([definition, title]) => {
      const json = definitions[definition]!
      return [`#### ${title}`, "", String(json.description ?? ""), "", ...table(json)]
    })
  ].join("\n").trimEnd()
}

const row = (...cells: ReadonlyArray<string>): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

const code = (value: unknown): string => `\`${JSON.stringify(value)}\``

const words = (name: string): string => {
  const text = name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()
  return text === "secret reference" ? "secret" : text
}

const begin = "<!-- config:begin -->"
const end = "<!-- config:end -->"

/** A README with the reference between its markers. */
export const within = (readme: string, schema: Json): string => {
  const from = readme.indexOf(begin)
  const to = readme.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the README has no ${begin} … ${end}`)
  return `${readme.slice(0, from + begin.length)}\n\n${markdown(schema)}\n\n${readme.slice(to)}`
}
