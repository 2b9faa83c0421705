/** What a test and its worker processes say to each other. */

/** Where the workers share their tokens. */
export type Store =
  | { readonly _tag: "Redis"; readonly url: string }
  | { readonly _tag: "Sentinel"; readonly name: string; readonly ports: ReadonlyArray<number> }
  | { readonly _tag: "Cluster"; readonly urls: ReadonlyArray<string> }
  | { readonly _tag: "File"; readonly directory: string }

/** How a worker is set up. Times are milliseconds. */
export interface Settings {
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly secret: string
  readonly store: Store
  /** A token request that is lost is known to be after this. */
  readonly endpointTimeout: number
  readonly lease: number
  /** Of one operation of the store. */
  readonly storeTimeout: number
  /**
   * The refresh token to begin with. Then it is the refresh token that is shared, and each process gets access tokens
   * of its own. Default: client credentials.
   */
  readonly refreshToken?: string
}

/** Where a worker can be stopped: in the middle of bringing a token to the others. */
export type Step =
  | "before acquire"
  | "after acquire"
  | "before fetch"
  | "after fetch"
  | "before put"
  | "after put"
  | "after release"

export type Command =
  /** That many callers at once; the report is theirs. */
  | { readonly _tag: "Burst"; readonly callers: number; readonly scope: string | undefined }
  /** That many callers, each asking once in `pace` milliseconds until `End`. */
  | { readonly _tag: "Begin"; readonly callers: number; readonly pace: number; readonly scope: string | undefined }
  /** What the callers saw since `Begin` or the last `Collect`. */
  | { readonly _tag: "Collect" }
  | { readonly _tag: "End" }
  /** The next time it comes to that step the process stops itself (SIGSTOP), and says so before. */
  | { readonly _tag: "StopAt"; readonly step: Step | undefined }

/** A token, as far as a test may know it. */
export interface Served {
  readonly hash: string
  /** How many callers were given it, and when the first and the last of them (epoch milliseconds). */
  readonly calls: number
  readonly first: number
  readonly last: number
}

export interface Report {
  readonly calls: number
  /** Callers that were not answered at once. */
  readonly waited: number
  /** Those of them that were not although the process had a token that was still good. */
  readonly heldUp: number
  readonly failures: ReadonlyArray<string>
  /** Tokens handed out after their end, by what the worker knew of it. */
  readonly expired: number
  /** In the order of their first use. */
  readonly tokens: ReadonlyArray<Served>
  /** When token requests left this process, since the last `Collect` (epoch milliseconds, with their fractions). */
  readonly requestsAt: ReadonlyArray<number>
  /** How often each event came. */
  readonly events: Readonly<Record<string, number>>
}

export interface Request {
  readonly id: number
  readonly command: Command
}

export type Message =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Stopped"; readonly step: Step }
  | { readonly _tag: "Answer"; readonly id: number; readonly report: Report }
