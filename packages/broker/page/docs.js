/**
 * The page of the API: `/openapi.json`, written for people. Whatever the document says becomes text, never markup.
 */

const byId = (id) => document.getElementById(id)

/** An element with its children; `undefined` among them is left out. */
const h = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children.flat().filter((child) => child !== undefined))
  return node
}

const code = (text) => h("code", {}, text)

/** Text in which names stand between backticks. */
const prose = (text) => text.split("`").map((part, index) => index % 2 === 1 ? code(part) : part)

// ---------------------------------------------------------------------------------------------------------------
// the document
// ---------------------------------------------------------------------------------------------------------------

const titles = { tokens: "Tokens", operations: "Operations" }

/** What the broker says with its statuses, whatever the path. */
const meanings = {
  200: "As asked.",
  202: "Not yet: the token is being fetched. Ask again after Retry-After.",
  400: "The request cannot be understood.",
  401: "No caller has this key.",
  403: "The caller may not, or the request comes from a web page or without X-Effect-Bearer.",
  429: "Too many requests. Ask again after Retry-After.",
  500: "The broker is set up in a way that cannot work.",
  502: "The authorization server refuses, or answers nothing that can be used.",
  503: "There is no token now. Ask again after Retry-After."
}

/** A path that breaks after its slashes. */
const pathText = (path) => path.split(/(?<=\/)/).flatMap((part, index) => index < 2 ? [part] : [h("wbr"), part])

const meaningOf = (status, { description }, path) =>
  path === "/health/ready"
    ? status === "503" ? "The broker stops, or a required profile has no usable token." : "The broker is ready."
    : meanings[status] ?? description ?? ""

const resolve = (schema, document) => {
  const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? "")?.[1]
  return name === undefined ? schema : document.components.schemas[name]
}

/** A type in one line. */
const typeOf = (given, document) => {
  const schema = resolve(given, document)
  if (schema === undefined) return "anything"
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" or ")
  if (schema.anyOf !== undefined) {
    return Array.from(new Set(schema.anyOf.map((one) => typeOf(one, document)))).join(" or ")
  }
  if (schema.type === "array") return `list of ${typeOf(schema.items, document)}`
  if (schema.type === "object" && schema.additionalProperties instanceof Object) {
    return `object by name of ${typeOf(schema.additionalProperties, document)}`
  }
  return schema.type ?? "anything"
}

/** What the type does not say. */
const rulesOf = (given, document) => {
  const schema = resolve(given, document)
  return schema?.pattern === undefined ? undefined : h("span", { class: "rule" }, "as ", code(schema.pattern))
}

/** The object in a schema, behind lists, names and alternatives. */
const objectIn = (given, document) => {
  const schema = resolve(given, document)
  if (schema === undefined) return undefined
  if (schema.type === "array") return objectIn(schema.items, document)
  if (schema.anyOf !== undefined) {
    return schema.anyOf.map((one) => objectIn(one, document)).find((one) => one !== undefined)
  }
  if (schema.type !== "object") return undefined
  return schema.additionalProperties instanceof Object ? objectIn(schema.additionalProperties, document) : schema
}

/** The members of an object, those within them indented. */
const members = (schema, document, depth = 0) =>
  Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const inner = depth < 3 ? objectIn(member, document) : undefined
    return [
      h(
        "li",
        { class: `member depth-${depth}` },
        code(name),
        " ",
        h("span", { class: "type" }, typeOf(member, document)),
        ...((schema.required ?? []).includes(name) ? [] : [" ", h("span", { class: "optional" }, "optional")])
      ),
      ...(inner === undefined ? [] : members(inner, document, depth + 1))
    ]
  })

const memberList = (schema, document) => {
  const object = objectIn(schema, document)
  return object === undefined || Object.keys(object.properties ?? {}).length === 0
    ? undefined
    : h("ul", { class: "members" }, members(object, document))
}

// ---------------------------------------------------------------------------------------------------------------
// examples
// ---------------------------------------------------------------------------------------------------------------

/** One profile stands for all in the examples. */
const profile = "main"

const example = (method, path, operation, document) => {
  const url = `${location.origin}${path.replace("{profile}", profile)}`
  const lines = []
  if (needsKey(operation, document)) lines.push("-K - <<< \"header = \\\"Authorization: Bearer $KEY\\\"\"")
  for (const parameter of operation.parameters ?? []) {
    if (parameter.in === "header") lines.push(`-H '${headerName(parameter.name)}: true'`)
  }
  const body = operation.requestBody?.content ?? {}
  if (body["application/x-www-form-urlencoded"] !== undefined) lines.push("-d grant_type=client_credentials")
  if (body["application/json"] !== undefined) {
    lines.push("-H 'Content-Type: application/json'", "-d '{\"client_id\": \"the client id of a profile\"}'")
  }
  const isStream = operation.responses?.["200"]?.content?.["text/event-stream"] !== undefined
  const start = `curl -sS${isStream ? "N" : ""}${method === "get" && path.startsWith("/inject/") ? "i" : ""}`
  return [`${start} ${url}`, ...lines.reverse()].join(" \\\n  ")
}

const headerName = (name) => name.split("-").map((word) => word[0].toUpperCase() + word.slice(1)).join("-")

const needsKey = ({ security }, document) => (security ?? document.security ?? []).length > 0

const copying = (text, label) => {
  const button = h("button", { type: "button", class: "quiet", "aria-label": `Copy the example of ${label}` }, "Copy")
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(text).then(
      () => {
        button.textContent = "Copied"
        byId("announcer").textContent = "Copied"
      },
      () => {
        button.textContent = "Select it by hand"
      }
    )
  })
  return button
}

// ---------------------------------------------------------------------------------------------------------------
// the page
// ---------------------------------------------------------------------------------------------------------------

const idOf = (operation) => operation.operationId.replace(/[^A-Za-z0-9]+/g, "-")

const whereNames = { path: "in the path", query: "in the query", header: "a header", cookie: "a cookie" }

const parametersOf = (operation, document) => {
  const parameters = operation.parameters ?? []
  return parameters.length === 0
    ? undefined
    : h(
      "ul",
      { class: "members" },
      parameters.map((parameter) =>
        h(
          "li",
          { class: "member" },
          code(parameter.in === "header" ? headerName(parameter.name) : parameter.name),
          " ",
          h("span", { class: "type" }, `${whereNames[parameter.in]}, ${typeOf(parameter.schema, document)}`),
          ...(parameter.required === true ? [] : [" ", h("span", { class: "optional" }, "optional")]),
          " ",
          rulesOf(parameter.schema, document)
        )
      )
    )
}

const bodiesOf = (operation, document) =>
  Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) => [
    h("p", { class: "media" }, "Sent as ", code(type)),
    memberList(schema, document)
  ])

const answersOf = (operation, path, document) =>
  Object.entries(operation.responses ?? {})
    // what is said of every operation, and does not happen where there is nothing to read
    .filter(([status]) => !(status === "400" && path.startsWith("/health/")))
    .map(([status, response]) => {
      const [type, content] = Object.entries(response.content ?? {})[0] ?? []
      const list = content === undefined ? undefined : memberList(content.schema, document)
      const line = [
        h("b", { class: "status" }, status),
        " ",
        h("span", {}, meaningOf(status, response, path)),
        // the errors are all alike
        ...(type === undefined || status >= "300" ? [] : [" ", h("span", { class: "type" }, type)])
      ]
      return list === undefined
        ? h("div", { class: "answer" }, line)
        : h("details", { class: "answer", ...(status === "200" ? { open: "" } : {}) }, h("summary", {}, line), list)
    })

const titled = (title, ...children) => {
  const content = children.flat().filter((child) => child !== undefined)
  return content.length === 0 ? [] : [h("h4", {}, title), ...content]
}

const operationOf = ({ method, operation, path }, document) => {
  const name = `${method.toUpperCase()} ${path}`
  const text = example(method, path, operation, document)
  return h(
    "article",
    { class: "operation", id: idOf(operation), "aria-labelledby": `${idOf(operation)}-title` },
    h(
      "h3",
      { id: `${idOf(operation)}-title` },
      h("span", { class: `method method-${method}` }, method.toUpperCase()),
      " ",
      h("span", { class: "path" }, path)
    ),
    operation.description === undefined ? undefined : h("p", {}, prose(operation.description)),
    h("p", { class: "media" }, needsKey(operation, document) ? "Needs the key of a caller." : "Open to all: needs no key."),
    titled("Parameters", parametersOf(operation, document)),
    titled("Body", bodiesOf(operation, document)),
    titled("Answers", answersOf(operation, path, document)),
    h("div", { class: "example-head" }, h("h4", {}, "Example"), copying(text, name)),
    h("pre", { tabindex: "0", role: "region", "aria-label": `Example of ${name}` }, code(text))
  )
}

const show = (document) => {
  byId("about").textContent = document.info.description ?? ""
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  )
  const contents = [h("li", {}, h("a", { href: "#asking" }, "How to ask"))]
  const groups = (document.tags ?? []).map(({ description, name }) => {
    const own = operations.filter(({ operation }) => operation.tags?.includes(name))
    contents.push(h(
      "li",
      {},
      h("a", { href: `#group-${name}` }, titles[name] ?? name),
      h(
        "ul",
        {},
        own.map(({ method, operation, path }) =>
          h(
            "li",
            {},
            h(
              "a",
              { href: `#${idOf(operation)}` },
              h("span", { class: `method method-${method}` }, method.toUpperCase()),
              " ",
              h("span", { class: "path" }, pathText(path))
            )
          )
        )
      )
    ))
    return h(
      "section",
      { id: `group-${name}`, "aria-labelledby": `group-${name}-title` },
      h("h2", { id: `group-${name}-title` }, titles[name] ?? name),
      description === undefined ? undefined : h("p", {}, description),
      own.map((one) => operationOf(one, document))
    )
  })
  byId("contents").replaceChildren(...contents)
  byId("groups").replaceChildren(...groups)
  // the place that the address names was not there when it was opened
  if (location.hash.length > 1) globalThis.document.getElementById(location.hash.slice(1))?.scrollIntoView()
}

try {
  const response = await fetch("/openapi.json", { credentials: "omit" })
  if (!response.ok) throw new Error(`The broker answered ${response.status}.`)
  show(await response.json())
} catch (error) {
  const failure = byId("failure")
  failure.hidden = false
  failure.textContent = `The description of the API could not be read: ${error.message} Reload the page to try again.`
}
