export * as RedisTokenStore from "./RedisTokenStore.js"

export {
  /**
   * The store of a program, in Redis: see `RedisTokenStore.layer`.
   *
   * @since 0.1.0
   * @category layers
   */
  layer,
  /**
   * The store of a program, in the Redis that `REDIS_URL` names: see `RedisTokenStore.layerConfig`.
   *
   * @since 0.1.0
   * @category layers
   */
  layerConfig,
  /**
   * A store in Redis: see `RedisTokenStore.make`.
   *
   * @since 0.1.0
   * @category constructors
   */
  make
} from "./RedisTokenStore.js"
