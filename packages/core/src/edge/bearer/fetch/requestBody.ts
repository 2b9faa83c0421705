// The body of a `Request`, which can be sent once: a copy of its beginning is kept for a second time.
import { BodyBeingKept } from "../replay.js"

/** So many bytes are kept. */
const mostKept = 1024 * 1024

export interface RequestBody {
  /** What can be said of it before a response comes. */
  readonly mark: BodyBeingKept
  /** The request with its own body the first time, and with the kept one after that. */
  readonly next: (init: RequestInit) => Request
  /** The kept body. */
  readonly again: () => Blob
  /** The call is over: nothing is kept any more, and a body that was not sent is not waited for by who makes it. */
  readonly release: (reason: unknown) => void
}

/**
 * **The rule: a body goes out as it comes, and the same body goes to `fetch`.** So a body from memory stays one, which
 * `fetch` can send again by itself when it is redirected, and a live stream is not waited for.
 */
export const make = (request: Request): RequestBody => {
  const chunks: Array<Uint8Array> = []
  let reader: ReadableStreamDefaultReader<unknown> | undefined
  let state: "unsent" | "coming" | "whole" | "dropped" = "unsent"

  const drop = () => {
    if (state !== "whole") state = "dropped"
    chunks.length = 0
    // the promise of a copy settles only when the other one has been cancelled too
    void reader?.cancel().catch(() => {})
  }

  const read = async (reader: ReadableStreamDefaultReader<unknown>): Promise<void> => {
    let size = 0
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (state !== "coming") return
        if (done) {
          state = "whole"
          return
        }
        if (!(value instanceof Uint8Array) || (size += value.length) > mostKept) return drop()
        chunks.push(value)
      }
    } catch {
      drop()
    }
  }

  let reading: Promise<void> = Promise.resolve()
  // a `Blob` can be sent again when `fetch` follows a redirect; bytes cannot on Node.js 20
  const again = () => new Blob(chunks as Array<Uint8Array<ArrayBuffer>>)

  return {
    mark: new BodyBeingKept(() => state === "whole", () => reading),
    again,
    next: (init) => {
      if (state !== "unsent") return new Request(request, { ...init, body: again() })
      state = "coming"
      reader = request.clone().body!.getReader()
      const first = new Request(request, init)
      reading = read(reader)
      return first
    },
    release: (reason) => {
      if (state === "unsent") void request.body!.cancel(reason).catch(() => {})
      else drop()
    }
  }
}
