/**
 * @since 0.1.0
 */

export * as Broker from "./Broker.js"

/**
 * @since 0.1.0
 */
export * as BrokerApi from "./BrokerApi.js"

/**
 * @since 0.1.0
 */
export * as BrokerConfig from "./BrokerConfig.js"

/**
 * @since 0.1.0
 */
export * as BrokerServer from "./BrokerServer.js"

/**
 * @since 0.1.0
 */
export * as CallerKey from "./CallerKey.js"

/**
 * @since 0.1.0
 */
export * as ProfileSource from "./ProfileSource.js"
