// The parts of the SDK that the bridge relies on; published by SdkBridge.

/**
 * The SDK's `AbstractHttpClient`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SdkHttpClient {
  /** Milliseconds. */
  timeout: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the SDK declares it
  request(options: any): Promise<unknown>
}

/**
 * The SDK's `HttpRequestOptions`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SdkRequest {
  readonly url: string
  readonly method: string
  readonly headers?: Readonly<Record<string, unknown>>
  readonly data?: unknown
}
