/**
 * The names of the files of a store, and the state that a listing of them shows.
 *
 * - `<name>.lease.<n>`: the lease of number n on the key of that name. The number is the fence.
 * - `<name>.token.<n>.<k>`: the token stored under lease n, the k-th time. The highest one counts.
 * - `floor.<n>`: from now on every new lease on any key has a number above n, see the sweep.
 * - `tmp.<random>`: a file that is being written.
 */

const pattern = /^(?:([0-9a-f]{64})\.(lease|token)\.(\d{1,15})(?:\.(\d{1,15}))?|floor\.(\d{1,15}))$/

export interface Version {
  readonly fence: number
  readonly step: number
}

export const lease = (name: string, fence: number): string => `${name}.lease.${fence}`
export const token = (name: string, { fence, step }: Version): string => `${name}.token.${fence}.${step}`
export const floor = (fence: number): string => `floor.${fence}`
export const temporary = (random: string): string => `tmp.${random}`
export const isTemporary = (file: string): boolean => file.startsWith("tmp.")

/** Highest first. */
export interface Place {
  readonly leases: ReadonlyArray<number>
  readonly tokens: ReadonlyArray<Version>
}

export interface Listing {
  readonly files: ReadonlyArray<string>
  readonly names: ReadonlyArray<string>
  readonly of: (name: string) => Place
  /** Highest first. */
  readonly floors: ReadonlyArray<number>
}

const nothing: Place = { leases: [], tokens: [] }

export const compare = (a: Version, b: Version): number => b.fence - a.fence || b.step - a.step

export const parse = (files: ReadonlyArray<string>): Listing => {
  const places = new Map<string, { readonly leases: Array<number>; readonly tokens: Array<Version> }>()
  const floors: Array<number> = []
  for (const file of files) {
    const match = pattern.exec(file)
    if (match === null) continue
    const [, name, kind, number, step, bottom] = match
    if (name === undefined) {
      floors.push(Number(bottom))
      continue
    }
    if ((kind === "token") !== (step !== undefined)) continue
    let place = places.get(name)
    if (place === undefined) places.set(name, place = { leases: [], tokens: [] })
    if (step === undefined) place.leases.push(Number(number))
    else place.tokens.push({ fence: Number(number), step: Number(step) })
  }
  for (const { leases, tokens } of places.values()) {
    leases.sort((a, b) => b - a)
    tokens.sort(compare)
  }
  floors.sort((a, b) => b - a)
  return { files, floors, names: Array.from(places.keys()), of: (name) => places.get(name) ?? nothing }
}

/** The highest number that was ever given to a lease on a key, as far as the listing shows. */
export const latest = (listing: Listing, name: string): number => {
  const { leases, tokens } = listing.of(name)
  return Math.max(leases[0] ?? 0, tokens[0]?.fence ?? 0, listing.floors[0] ?? 0)
}

/** The name of the key that a file belongs to. */
export const nameIn = (file: string): string | undefined => pattern.exec(file)?.[1]
