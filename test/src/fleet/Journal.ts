import type { VirtualTime } from "../VirtualTime.js"
import { hour, minute, second } from "./World.js"

/** The last things that happened, for whoever has to find out why a promise was broken. */
export class Journal {
  private readonly lines: Array<{ readonly at: number; readonly text: string }> = []
  private next = 0

  constructor(private readonly time: VirtualTime, private readonly capacity = 4000) {}

  note(text: string): void {
    this.lines[this.next] = { at: this.time.now, text }
    this.next = (this.next + 1) % this.capacity
  }

  /** What happened in the last while, oldest first. */
  tail(span: number, most: number): ReadonlyArray<string> {
    return [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)]
      .filter(({ at }) => at >= this.time.now - span)
      .slice(-most)
      .map(({ at, text }) => `${clockFace(at)}  ${text}`)
  }
}

/** `07:30:00.250`, since the beginning of the simulated day. */
export const clockFace = (at: number): string => {
  const part = (value: number, width = 2) => String(Math.floor(value)).padStart(width, "0")
  return `${part(at / hour)}:${part(at % hour / minute)}:${part(at % minute / second)}.${part(at % second, 3)}`
}
