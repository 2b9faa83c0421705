/**
 * @since 0.1.0
 */
export * as BrokerConfig from "./BrokerConfig.js"
