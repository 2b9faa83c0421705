/** Paths of a configuration are relative to the folder of its file, not to wherever the broker was started. */
import type * as Path from "@effect/platform/Path"
import type { Config, Listener, Profile, SecretReference, Store } from "./schemas.js"

type Resolve = (path: string) => string

const secret = (reference: SecretReference, resolve: Resolve): SecretReference => {
  if ("file" in reference) return { file: resolve(reference.file) }
  const token = "vault" in reference ? reference.vault.token : undefined
  return "vault" in reference && token !== undefined && "file" in token
    ? { vault: { ...reference.vault, token: { file: resolve(token.file) } } }
    : reference
}

const profile = (one: Profile, resolve: Resolve): Profile => ({
  ...one,
  authentication: "secret" in one.authentication
    ? { ...one.authentication, secret: secret(one.authentication.secret, resolve) }
    : "key" in one.authentication
    ? { ...one.authentication, key: secret(one.authentication.key, resolve) }
    : one.authentication,
  grant: "refreshToken" in one.grant
    ? { ...one.grant, refreshToken: secret(one.grant.refreshToken, resolve) }
    : "assertion" in one.grant
    ? { ...one.grant, assertion: secret(one.grant.assertion, resolve) }
    : one.grant,
  ...(one.file === undefined ? {} : { file: { ...one.file, path: resolve(one.file.path) } })
})

const listener = (one: Listener, resolve: Resolve): Listener =>
  "socket" in one ? { socket: resolve(one.socket) } : one.tls === undefined ? one : {
    ...one,
    tls: {
      certificate: resolve(one.tls.certificate),
      key: resolve(one.tls.key),
      ...(one.tls.clientCa === undefined ? {} : { clientCa: resolve(one.tls.clientCa) })
    }
  }

const store = (one: Store, resolve: Resolve): Store => {
  const sealWith = one.sealWith === undefined ? {} : { sealWith: one.sealWith.map((key) => secret(key, resolve)) }
  return "redis" in one
    ? { ...one, redis: { ...one.redis, url: secret(one.redis.url, resolve) }, ...sealWith }
    : { ...one, folder: resolve(one.folder), ...sealWith }
}

export const resolved = (config: Config, folder: string, path: Path.Path): Config => {
  const resolve: Resolve = (name) => path.resolve(folder, name)
  const [first, ...others] = config.listen
  return {
    ...config,
    listen: [listener(first, resolve), ...others.map((one) => listener(one, resolve))],
    audit: config.audit.file === undefined ? config.audit : { ...config.audit, file: resolve(config.audit.file) },
    ...(config.store === undefined ? {} : { store: store(config.store, resolve) }),
    profiles: Object.fromEntries(Object.entries(config.profiles).map(([name, one]) => [name, profile(one, resolve)]))
  }
}
