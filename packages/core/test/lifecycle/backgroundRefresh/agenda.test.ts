import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { Agenda } from "../../../src/lifecycle/backgroundRefresh/agenda.js"

/** The same as a plain list that is searched for the next value. */
class Model {
  private places: Array<{ readonly id: string; readonly due: number; readonly value: number }> = []

  get size() {
    return this.places.length
  }

  get first() {
    const soonest = Math.min(...this.places.map(({ due }) => due))
    return this.places.find(({ due }) => due === soonest)
  }

  set(id: string, due: number, value: number) {
    this.delete(id)
    this.places.push({ id, due, value })
  }

  delete(id: string) {
    this.places = this.places.filter((place) => place.id !== id)
  }

  take(now: number) {
    const { first } = this
    if (first === undefined || first.due > now) return undefined
    this.delete(first.id)
    return first.value
  }

  filter(keep: (value: number) => boolean) {
    this.places = this.places.filter(({ value }) => keep(value))
  }
}

const id = FastCheck.constantFrom(..."abcdefghijkl")
const due = FastCheck.integer({ min: 0, max: 6 })
const step = FastCheck.oneof(
  { weight: 8, arbitrary: FastCheck.record({ _tag: FastCheck.constant("set" as const), id, due }) },
  { weight: 2, arbitrary: FastCheck.record({ _tag: FastCheck.constant("delete" as const), id }) },
  { weight: 2, arbitrary: FastCheck.record({ _tag: FastCheck.constant("take" as const), due }) },
  { weight: 1, arbitrary: FastCheck.record({ _tag: FastCheck.constant("filter" as const), divisor: due }) }
)

describe("Agenda", () => {
  it.prop(
    "gives values in the order of their due time, then of arrival, also after moves and removals",
    [FastCheck.array(step, { maxLength: 60 })],
    ([steps]) => {
      const agenda = new Agenda<number>()
      const model = new Model()
      for (const [value, step] of steps.entries()) {
        if (step._tag === "set") {
          agenda.set(step.id, step.due, value)
          model.set(step.id, step.due, value)
        } else if (step._tag === "delete") {
          agenda.delete(step.id)
          model.delete(step.id)
        } else if (step._tag === "take") {
          assert.strictEqual(agenda.take(step.due), model.take(step.due))
        } else {
          const keep = (value: number) => value % (step.divisor + 1) === 0
          agenda.filter(keep)
          model.filter(keep)
        }
        assert.strictEqual(agenda.size, model.size)
        assert.strictEqual(agenda.first?.value, model.first?.value)
        assert.strictEqual(agenda.first?.due, model.first?.due)
      }
      while (model.size > 0) assert.strictEqual(agenda.take(6), model.take(6))
      assert.isUndefined(agenda.take(6))
    },
    { fastCheck: { numRuns: 300 } }
  )
})
