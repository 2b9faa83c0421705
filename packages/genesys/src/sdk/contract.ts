// The parts of the SDK that the bridge relies on; published by SdkBridge.

/**
 * What of the SDK's `ApiClient` is needed here. `platformClient.ApiClient.instance` is one.
 *
 * @since 0.1.0
 * @category models
 */
export interface ApiClient {
  readonly config: SdkConfiguration
  setEnvironment(environment: string): void
  setAuthData(authData: {
    readonly accessToken: string
    readonly tokenExpiryTime: number
    readonly tokenExpiryTimeString: string
  }): void
  clearAccessToken(): void
  getHttpClient(): SdkHttpClient
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the SDK asks for an instance of a class of its own
  setHttpClient(httpClient: any): void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SdkConfiguration {
  basePath: string
  authUrl: string
  readonly logger: object
  getConfUrl(pathType: string, regionUrl: string): string
}

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
