/** Where a text stops being JSON (RFC 8259), because `JSON.parse` tells that not always, and quotes the text. */

interface JsonError {
  readonly offset: number
  readonly expected: string
  readonly found: string
}

const space = /[ \t\n\r]*/y
const text = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const primitive = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y

/** The first error; `undefined` if there is none. It keeps its own stack: a text may be nested as deep as it likes. */
export const jsonError = (source: string): JsonError | undefined => {
  const stack: Array<"}" | "]"> = []
  let offset = 0
  const skip = (token: RegExp): boolean => {
    token.lastIndex = offset
    const found = token.test(source)
    if (found) offset = token.lastIndex
    return found
  }
  const take = (character: string): boolean => {
    if (source[offset] !== character) return false
    offset++
    return true
  }
  const error = (expected: string): JsonError => ({
    offset,
    expected,
    found: offset >= source.length ? "the end of the file" : "something else"
  })
  /** A key and its colon. */
  const key = (): JsonError | undefined => {
    skip(space)
    if (!skip(text)) return error("a key in double quotes")
    skip(space)
    return take(":") ? undefined : error("a colon behind the key")
  }

  for (;;) {
    // a value
    skip(space)
    if (take("{")) {
      skip(space)
      if (!take("}")) {
        const wrong = key()
        if (wrong !== undefined) return wrong
        stack.push("}")
        continue
      }
    } else if (take("[")) {
      skip(space)
      if (!take("]")) {
        stack.push("]")
        continue
      }
    } else if (!skip(text) && !skip(primitive)) {
      return error("a JSON value")
    }
    // what may follow it
    for (;;) {
      skip(space)
      const end = stack[stack.length - 1]
      if (end === undefined) return offset < source.length ? error("the end of the file") : undefined
      if (take(end)) {
        stack.pop()
        continue
      }
      if (!take(",")) return error(`a comma or ${end}`)
      if (end === "}") {
        const wrong = key()
        if (wrong !== undefined) return wrong
      }
      break
    }
  }
}
