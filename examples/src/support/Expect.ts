/** How an example says that what it promised has happened, and ends with exit code 1 if it has not. */
import { Console, Data, Effect } from "effect"

export class NotShown extends Data.TaggedError("NotShown")<{ readonly what: string }> {
  override get message(): string {
    return `This should have been true, and is not: ${this.what}`
  }
}

/** Prints `what` if it holds; fails otherwise. */
export const expect = (what: string, holds: boolean): Effect.Effect<void, NotShown> =>
  holds ? Console.log(`ok  ${what}`) : Effect.fail(new NotShown({ what }))
