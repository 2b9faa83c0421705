/** Somebody who logs in where a fleet has no refresh token left: it takes minutes until somebody comes. */
import { Exit, Option, Redacted } from "effect"
import type { VirtualTime } from "../VirtualTime.js"
import type { Families } from "./Families.js"
import type { Journal } from "./Journal.js"
import type { Running } from "./Process.js"
import { minute } from "./World.js"

export class Human {
  isComing = false

  constructor(
    private readonly time: VirtualTime,
    private readonly journal: Journal,
    private readonly families: Families,
    /** A process to give the new refresh token to. */
    private readonly anyProcess: () => Running | undefined
  ) {}

  call(): void {
    if (this.isComing) return
    this.isComing = true
    this.time.after(5 * minute, () => this.logIn())
  }

  goHome(): void {
    this.isComing = false
  }

  private logIn(): void {
    if (!this.isComing) return
    const again = () => void this.time.after(minute, () => this.logIn())
    const running = this.anyProcess()
    if (running?.refreshTokens === undefined) return again()
    const { value } = this.families.login()
    this.journal.note(`somebody logs in and brings ${running.process.name} ${value}`)
    const save = running.refreshTokens.save({
      token: Redacted.make(value),
      expiresAt: Option.none(),
      rotates: true,
      state: "ready"
    })
    this.time.fork(running.runtime, save).addObserver((exit) => {
      if (Exit.isFailure(exit)) again()
      else this.isComing = false
    })
  }
}
