// The nonces that servers have sent, by origin.
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"

/** Characters of a nonce (RFC 9449 §8.1), and no more of them than a header should hold. */
const legalNonce = /^[!#-[\]-~]{1,1024}$/

/** How many origins' nonces are kept; for any further origin the server asks for a nonce once more. */
const capacity = 256

export class Nonces {
  private readonly byOrigin = new Map<string, string>()

  get(origin: string): string | undefined {
    return this.byOrigin.get(origin)
  }

  set(origin: string, nonce: string): void {
    // the map is in order of use: the origin that was used least recently is dropped first
    this.byOrigin.delete(origin)
    this.byOrigin.set(origin, nonce)
    if (this.byOrigin.size > capacity) {
      for (const oldest of this.byOrigin.keys()) {
        this.byOrigin.delete(oldest)
        break
      }
    }
  }
}

export const nonceIn = (response: HttpClientResponse.HttpClientResponse): string | undefined => {
  const nonce = response.headers["dpop-nonce"]
  return nonce !== undefined && legalNonce.test(nonce) ? nonce : undefined
}
