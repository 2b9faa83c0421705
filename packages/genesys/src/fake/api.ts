// The resources of the fake cloud: users, organizations, conversations.
import type { Answer, Incoming } from "./answer.js"
import { apiError, json, notFound, tooMany } from "./answer.js"
import type { State } from "./state.js"
import { count } from "./state.js"

export const api = (state: State, incoming: Incoming): Answer => {
  const presented = /^bearer +(\S+)$/i.exec(incoming.headers["authorization"] ?? "")?.[1]
  if (presented === undefined) {
    return apiError(incoming, 401, "authentication.required", "No authentication bearer token specified.")
  }
  const token = state.tokens.get(presented)
  if (token === undefined || token.environment !== incoming.environment || token.expiresAt <= incoming.at) {
    return apiError(incoming, 401, "bad.credentials", "Invalid login credentials.")
  }
  const limit = count(state, `api ${presented}`, state.rateLimit, incoming.at)
  const headers = {
    "inin-ratelimit-count": String(limit.count),
    "inin-ratelimit-allowed": String(limit.allowed),
    "inin-ratelimit-reset": String(limit.reset)
  }
  const answer = limit.exceeded
    ? apiError(incoming, 429, "too.many.requests.retry.after", tooMany(String(limit.reset)), {
      limit: String(limit.allowed)
    }, { "retry-after": String(limit.reset) })
    : resource(state, incoming)
  return { ...answer, headers: { ...headers, ...answer.headers } }
}

const resource = (state: State, incoming: Incoming): Answer => {
  const { method, url } = incoming
  const route = `${method} ${url.pathname}`
  const requiring = (permission: string, answer: () => Answer): Answer =>
    state.permissions.includes("*") || state.permissions.includes(permission) ? answer() : apiError(
      incoming,
      403,
      "missing.any.permissions",
      `The caller has none of the permissions ${permission}.`,
      { permissions: permission }
    )
  if (route === "GET /api/v2/users/me") {
    return apiError(incoming, 400, "bad.request", "This request needs a user, and the token belongs to a client.")
  }
  if (route === "GET /api/v2/organizations/me") {
    return json({
      id: "0b3f4f6e-7d0f-4a6b-8c87-2f3a1f0c9d5e",
      name: "Fake Organization",
      domain: "fake",
      state: "active",
      version: 1,
      features: {},
      productPlatform: "PureCloud"
    })
  }
  if (route === "GET /api/v2/users") return requiring("directory:user:view", () => listUsers(state, incoming))
  const userId = /^GET \/api\/v2\/users\/([^/]+)$/.exec(route)?.[1]
  if (userId !== undefined) {
    return requiring("directory:user:view", () => {
      const found = state.users.find(({ id }) => id === decodeURIComponent(userId))
      return found === undefined
        ? notFound(incoming, "There is no user with this id.")
        : json({ ...found, selfUri: url.pathname })
    })
  }
  if (route === "POST /api/v2/analytics/conversations/details/query") {
    return requiring("analytics:conversationDetail:view", () => queryDetails(state, incoming))
  }
  if (/^GET \/api\/v2\/analytics\/conversations\/details\/jobs\/[^/]+\/results$/.test(route)) {
    return requiring("analytics:conversationDetail:view", () => jobResults(state, incoming))
  }
  return notFound(incoming, "There is nothing at this path.")
}

const whole = (text: string | null, fallback: number): number =>
  text === null ? fallback : /^\d{1,9}$/.test(text) ? Number(text) : NaN

const badPaging = (incoming: Incoming, most: number): Answer =>
  apiError(incoming, 400, "bad.request", `pageNumber is at least 1, pageSize at least 1 and at most ${most}.`)

const isPage = (pageSize: number, pageNumber: number, most: number): boolean =>
  pageSize >= 1 && pageSize <= most && pageNumber >= 1

const listUsers = ({ users }: State, incoming: Incoming): Answer => {
  const query = incoming.url.searchParams
  const pageSize = whole(query.get("pageSize"), 25)
  const pageNumber = whole(query.get("pageNumber"), 1)
  if (!isPage(pageSize, pageNumber, 500)) return badPaging(incoming, 500)
  const ids = query.getAll("id")
  const found = ids.length === 0 ? users : users.filter(({ id }) => ids.includes(id))
  const pageCount = Math.ceil(found.length / pageSize)
  const uri = (page: number) => `${incoming.url.pathname}?pageSize=${pageSize}&pageNumber=${page}`
  return json({
    entities: found.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
    pageSize,
    pageNumber,
    total: found.length,
    firstUri: uri(1),
    selfUri: uri(pageNumber),
    lastUri: uri(Math.max(1, pageCount)),
    ...(pageNumber < pageCount ? { nextUri: uri(pageNumber + 1) } : {}),
    ...(pageNumber > 1 ? { previousUri: uri(pageNumber - 1) } : {}),
    pageCount
  })
}

const parsed = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

const queryDetails = (state: State, incoming: Incoming): Answer => {
  const query = parsed(incoming.body)
  if (query === undefined) return apiError(incoming, 400, "bad.request", "The request body is no JSON object.")
  const [from = NaN, to = NaN] = String(query["interval"] ?? "").split("/").map((text) => new Date(text).getTime())
  if (!(from < to)) {
    return apiError(incoming, 400, "bad.request", "interval must be two times in ISO 8601, separated by a slash.")
  }
  const { pageNumber, pageSize } = { pageNumber: 1, pageSize: 25, ...query["paging"] as object }
  if (!isPage(pageSize, pageNumber, 100)) return badPaging(incoming, 100)
  const within = state.conversations.filter(({ conversationStart }) => {
    const start = new Date(conversationStart).getTime()
    return start >= from && start < to
  }).sort((a, b) => a.conversationStart < b.conversationStart ? -1 : 1)
  if (query["order"] === "desc") within.reverse()
  const conversations = within.slice((pageNumber - 1) * pageSize, pageNumber * pageSize)
  return json({ ...(conversations.length === 0 ? {} : { conversations }), totalHits: within.length })
}

const jobResults = ({ conversations }: State, incoming: Incoming): Answer => {
  const pageSize = whole(incoming.url.searchParams.get("pageSize"), 1000)
  const cursor = incoming.url.searchParams.get("cursor")
  const start = cursor === null ? 0 : whole(/^c(\d+)$/.exec(cursor)?.[1] ?? "", NaN)
  if (!isPage(pageSize, 1, 10_000) || Number.isNaN(start)) {
    return apiError(incoming, 400, "bad.request", "pageSize or cursor is wrong.")
  }
  const end = start + pageSize
  return json({
    conversations: conversations.slice(start, end),
    ...(end < conversations.length ? { cursor: `c${end}` } : {})
  })
}
