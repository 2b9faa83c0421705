/** Refresh tokens as the endpoint remembers them. */
import type { Process } from "./Process.js"

/** All that descends from one login. */
export interface Family {
  readonly number: number
  revoked: boolean
}

/** One time that somebody sent a refresh token. */
export interface Use {
  readonly by: Process
  readonly at: number
  /**
   * - `open`: it is under way
   * - `lost`: the sender has waited to the end, and got no answer
   * - `dropped`: the sender did not wait to the end
   * - `refused`: the sender knows that it was not taken
   * - `answered`: the sender has got its successor
   */
  fate: "open" | "lost" | "dropped" | "refused" | "answered"
}

/** Each is good for one use. */
export interface Refresh {
  readonly value: string
  readonly family: Family
  /** How many came before it in its family. */
  readonly generation: number
  readonly uses: Array<Use>
  /** When the endpoint took it. */
  spentAt: number | undefined
  /** When it first reached the store. */
  storedAt: number | undefined
}

export class Families {
  private readonly known = new Map<string, Refresh>()
  private families = 0
  /** Times that a spent one came again. */
  reused = 0

  /** What the fleet is given to begin with. */
  readonly first = this.login()

  get(value: string): Refresh | undefined {
    return this.known.get(value)
  }

  login(): Refresh {
    return this.make({ number: this.families++, revoked: false }, 0)
  }

  isAcceptable({ family, spentAt }: Refresh): boolean {
    return spentAt === undefined && !family.revoked
  }

  /** The successor of one that is good; whoever presents a spent one ruins the family. */
  spend(token: Refresh | undefined, now: number): Refresh | undefined {
    if (token === undefined) return undefined
    if (token.spentAt !== undefined) {
      this.reused++
      token.family.revoked = true
    }
    if (!this.isAcceptable(token)) return undefined
    token.spentAt = now
    return this.make(token.family, token.generation + 1)
  }

  private make(family: Family, generation: number): Refresh {
    const token: Refresh = {
      value: `r${family.number}.${generation}`,
      family,
      generation,
      uses: [],
      spentAt: undefined,
      storedAt: undefined
    }
    this.known.set(token.value, token)
    return token
  }
}
