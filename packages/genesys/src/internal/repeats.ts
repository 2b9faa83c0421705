// Finds out whether a list gives the same pages again and again.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** What a page is to those before it. */
export interface Verdict {
  /** It is the page before, once more. */
  readonly asBefore: boolean
  /** It was there before, and no list has it twice. */
  readonly repeated: boolean
}

/** Takes the pages of one run of a list in their order, and keeps a few letters of each. */
export const make = (): (items: ReadonlyArray<unknown>) => Verdict => {
  const known = new Set<string>()
  let before: string | undefined
  let alike = 0
  return (items) => {
    const mark = markOf(items)
    const asBefore = mark !== undefined && mark.text === before
    before = mark?.text
    if (mark === undefined) return { asBefore, repeated: false }
    if (!known.has(mark.text)) {
      known.add(mark.text)
      return { asBefore, repeated: false }
    }
    return { asBefore, repeated: mark.certain || ++alike >= mostAlike }
  }
}

/** Values without an id can be equal for a few pages; a list that has as many of them as this is stuck. */
const mostAlike = 100

interface Mark {
  readonly text: string
  /** Whether the same page again can be nothing but the same page. */
  readonly certain: boolean
}

const markOf = (items: ReadonlyArray<unknown>): Mark | undefined => {
  if (items.length === 0) return undefined
  // not by all members: some, such as times and states, change from one request to the next
  const ids = items.map(idOf)
  if (ids.every((id) => id !== undefined)) return { text: digest(JSON.stringify(ids)), certain: true }
  return Option.getOrUndefined(Option.map(written(items), (texts) => ({
    text: digest(texts.join()),
    // the items of a page being all different, those of two pages are not the same by chance
    certain: items.length > 1 && new Set(texts).size === items.length
  })))
}

const idOf = (item: unknown): string | number | undefined => {
  const id = Predicate.hasProperty(item, "id")
    ? item.id
    : Predicate.hasProperty(item, "conversationId")
    ? item.conversationId
    : undefined
  return Predicate.isString(id) || Predicate.isNumber(id) ? id : undefined
}

/** `None` if JSON does not show what one of them is: a cycle, a big integer, a function, private members. */
const written = (items: ReadonlyArray<unknown>): Option.Option<ReadonlyArray<string>> =>
  Option.filter(
    stringify(items),
    (texts): texts is ReadonlyArray<string> => texts.every((text, i) => text !== undefined && !isOpaque(items[i], text))
  )

const stringify = Option.liftThrowable((items: ReadonlyArray<unknown>): ReadonlyArray<string | undefined> =>
  items.map((item) => JSON.stringify(item))
)

const isOpaque = (item: unknown, text: string): boolean =>
  text === "{}" && Object.getPrototypeOf(item) !== Object.prototype

/** 64 bits and the length: not for secrets, but no two pages, or cursors, have the same by chance. */
export const digest = (text: string): string => {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}.${text.length}`
}
