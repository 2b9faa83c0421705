/**
 * The status page. It signs in with the key of a caller, reads `GET /status/events` for as long as it is open, and shows
 * what it reads. The key is in one variable of this module and in the header of its requests; it is in no URL, no
 * storage and no part of the page.
 *
 * Between two snapshots the page counts by its own steady clock. What the server says becomes text, never markup.
 */

// ---------------------------------------------------------------------------------------------------------------
// words
// ---------------------------------------------------------------------------------------------------------------

const states = {
  good: "Usable",
  renewing: "Renewing",
  due: "Renewal due",
  failing: "Renewal fails",
  dead: "No token",
  idle: "No token yet"
}

const askers = { this: "this process", another: "another process, through the shared store", nobody: "nobody yet" }

/** Why requests were refused. */
const reasons = {
  forwarded: "through an unknown proxy",
  host: "for another host name",
  browser: "from other web pages",
  header: "without X-Effect-Bearer",
  addressRate: "too many from one address",
  credentials: "without a valid key",
  callerRate: "too many of one caller",
  path: "for a path that is not there",
  method: "with another method",
  type: "with another content type",
  size: "too large",
  slow: "too slow",
  request: "malformed",
  profile: "for a profile that is not allowed",
  surface: "in a way that is not allowed",
  permission: "without the permission",
  scope: "for scopes that are not allowed",
  target: "for a target that is not allowed",
  grantType: "for another grant",
  audit: "because the audit could not be written",
  draining: "while the broker stopped",
  upstream: "because there was no token to give"
}

const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`

/** `TokenAcquired` as a person writes it. */
const wordsOf = (kind) => kind.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

const numbers = new Intl.NumberFormat("en")
const number = (value) => numbers.format(value)

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const fullFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "medium" })

/** A time of day; with its day, where that is another than the one of `now`. */
const clock = (at, now) => {
  const day = dayFormat.format(at)
  return day === dayFormat.format(now) ? clockFormat.format(at) : `${day}, ${clockFormat.format(at)}`
}

/** The two largest units of a time, as amounts with their units. */
const parts = (millis) => {
  const total = Math.max(0, Math.floor(millis / 1000))
  const amounts = [
    [Math.floor(total / 86_400), "d"],
    [Math.floor(total / 3600) % 24, "h"],
    [Math.floor(total / 60) % 60, "min"],
    [total % 60, "s"]
  ]
  const first = amounts.findIndex(([amount]) => amount > 0)
  if (first === -1) return [[0, "s"]]
  // a round hour is "1 h"; only what changes every second keeps its seconds
  return amounts.slice(first, first + 2).filter(([amount], index) => index === 0 || amount > 0)
}

const long = (millis) => parts(millis).map(([amount, unit]) => `${amount} ${unit}`).join(" ")

// ---------------------------------------------------------------------------------------------------------------
// the document
// ---------------------------------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id)

const ui = {
  signIn: byId("sign-in"),
  form: byId("sign-in-form"),
  key: byId("key"),
  error: byId("sign-in-error"),
  button: byId("sign-in-button"),
  session: byId("session"),
  link: byId("link"),
  signOut: byId("sign-out"),
  dashboard: byId("dashboard"),
  banner: byId("banner"),
  bannerTitle: byId("banner-title"),
  bannerText: byId("banner-text"),
  tryNow: byId("try-now"),
  content: byId("content"),
  headline: byId("headline"),
  subline: byId("subline"),
  asked: byId("asked"),
  refused: byId("refused"),
  running: byId("running"),
  since: byId("since"),
  refusedTotal: byId("refused-total"),
  refusedWhy: byId("refused-why"),
  audit: byId("audit"),
  profiles: byId("profiles"),
  noProfiles: byId("no-profiles"),
  callers: byId("callers"),
  noCallers: byId("no-callers"),
  events: byId("events"),
  noEvents: byId("no-events"),
  onlyAnomalies: byId("only-anomalies"),
  older: byId("older"),
  announcer: byId("announcer"),
  card: byId("card")
}

/** Leaves the document alone where nothing changes: no layout, and nothing for a screen reader to notice. */
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

const setHidden = (node, hidden) => {
  if (node.hidden !== hidden) node.hidden = hidden
}

const setAttribute = (node, name, value) => {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value)
}

const element = (tag, className, text) => {
  const node = document.createElement(tag)
  if (className !== undefined) node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

const icon = (state) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("class", "icon")
  svg.setAttribute("aria-hidden", "true")
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use")
  use.setAttribute("href", `#icon-${state}`)
  svg.append(use)
  return svg
}

/** A duration with its units set smaller. */
const setDuration = (node, millis) => {
  if (node.textContent === long(millis)) return
  node.replaceChildren(
    ...parts(millis).flatMap(([amount, unit], index) => [
      ...(index === 0 ? [] : [" "]),
      `${amount} `,
      element("span", "unit", unit)
    ])
  )
}

/** Said once to who does not see the page change. */
const announce = (text) => {
  ui.announcer.textContent = text
}

// ---------------------------------------------------------------------------------------------------------------
// what is known
// ---------------------------------------------------------------------------------------------------------------

/** The key, from signing in to signing out. */
let key
/** The last snapshot, and when it came by the steady clock. */
let seen
/** `connecting`, `live`, `stopping` or `lost`. */
let link = "connecting"
/** Since when the connection has been lost, by the steady clock. */
let lostAt
/** What ends the connection that is open, or being opened. */
let open
/** When the next attempt is due, by the steady clock. */
let nextAttempt
let attempts = 0
let retryTimer
let shownEvents = 20
let eventsShown = ""

/** What nothing has been heard of for so long is lost: the server says something every second. */
const silence = 8000

/** So long until the next attempt, after each that failed. */
const delays = [500, 1000, 2000, 4000, 8000, 15_000]

/** What the server's wall clock shows, as far as it is known. What was lost stands still. */
const serverNow = () => seen.snapshot.now + ((lostAt ?? performance.now()) - seen.at)

const elapsed = () => (lostAt ?? performance.now()) - seen.at

// ---------------------------------------------------------------------------------------------------------------
// the connection
// ---------------------------------------------------------------------------------------------------------------

/** The server does not take the key, or not now. */
class Refused extends Error {
  constructor(status, message, retryAfter) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

const request = async (signal) => {
  const response = await fetch("/status/events", {
    headers: { authorization: `Bearer ${key}`, accept: "text/event-stream" },
    // no cookies, and no dialog of the browser that asks for a password
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    signal
  })
  if (response.ok) return response
  const body = await response.json().catch(() => undefined)
  throw new Refused(
    response.status,
    typeof body?.message === "string" ? body.message : `The broker answered ${response.status}.`,
    Number(response.headers.get("retry-after") ?? Number.NaN)
  )
}

/** Reads snapshots until the stream ends. */
const read = async (response, onSnapshot) => {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const data = text.slice(0, end).split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5))
      text = text.slice(end + 2)
      if (data.length === 0) continue
      try {
        onSnapshot(JSON.parse(data.join("\n")))
      } catch (error) {
        // a mistake of this page is not a lost connection
        reportError(error)
      }
    }
  }
}

/** One connection, from its request to its end. */
const connect = async () => {
  clearTimeout(retryTimer)
  open?.abort()
  const mine = open = new AbortController()
  const isMine = () => open === mine
  let heard = performance.now()
  const watch = setInterval(() => {
    if (performance.now() - heard > silence) mine.abort()
  }, 1000)
  try {
    const response = await request(mine.signal)
    await read(response, (snapshot) => {
      if (!isMine()) return
      heard = performance.now()
      receive(snapshot)
    })
    if (isMine()) lose()
  } catch (error) {
    if (!isMine()) return
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      leave(seen === undefined ? refusal(error) : `The broker takes this key no more. ${refusal(error)}`)
    } else if (seen === undefined) {
      leave(refusal(error))
    } else {
      lose(error instanceof Refused ? error.retryAfter * 1000 : undefined)
    }
  } finally {
    clearInterval(watch)
  }
}

/** What a person can do about it. */
const refusal = (error) => {
  if (!(error instanceof Refused)) return "The broker does not answer. Is it running?"
  if (error.status === 401) return "No caller has this key."
  if (error.status === 403 && error.message.includes("permission")) {
    return "The caller of this key may not see the status. Give it the permission: permissions: [status]."
  }
  if (error.status === 429) {
    return Number.isFinite(error.retryAfter)
      ? `Too many attempts. Try again in ${long(error.retryAfter * 1000)}.`
      : "Too many attempts. Try again later."
  }
  return error.message
}

const receive = (snapshot) => {
  const before = seen?.snapshot
  const wasLost = link === "lost"
  seen = { snapshot, at: performance.now() }
  lostAt = undefined
  attempts = 0
  setLink(snapshot.draining ? "stopping" : "live")
  render()
  if (before === undefined) enter()
  if (snapshot.draining && before?.draining !== true) announce("The broker is stopping.")
  else if (wasLost) announce("The broker is connected again.")
  else if (before !== undefined) announceChanges(before, snapshot)
}

const lose = (atLeast = 0) => {
  if (link !== "lost") {
    lostAt = performance.now()
    announce("The connection to the broker is lost. What the page shows may be out of date.")
  }
  setLink("lost")
  const delay = Math.max(delays[Math.min(attempts, delays.length - 1)], Number.isFinite(atLeast) ? atLeast : 0)
  attempts++
  // pages that lost the same server do not come back in one moment
  const wait = delay * (0.8 + 0.4 * Math.random())
  nextAttempt = performance.now() + wait
  retryTimer = setTimeout(() => void retry(), wait)
  tick()
}

const retry = () => {
  nextAttempt = undefined
  return connect()
}

const setLink = (next) => {
  link = next
  setAttribute(ui.link, "data-link", next)
  setText(ui.link, { connecting: "Connecting", live: "Live", stopping: "Stopping", lost: "No connection" }[next])
  ui.dashboard.classList.toggle("is-lost", next === "lost")
}

// ---------------------------------------------------------------------------------------------------------------
// signing in and out
// ---------------------------------------------------------------------------------------------------------------

const fail = (text) => {
  setText(ui.error, text)
  setAttribute(ui.key, "aria-invalid", "true")
  ui.key.focus()
}

const begin = () => {
  const entered = ui.key.value.trim()
  // before anything else looks at the field: a password manager, or the next person
  ui.key.value = ""
  ui.key.removeAttribute("aria-invalid")
  setText(ui.error, "")
  if (entered === "") return fail("Enter the key of a caller.")
  if (!/^[\x21-\x7e]+$/.test(entered)) return fail("This is no key: keys have no spaces and no special letters.")
  key = entered
  ui.button.disabled = true
  setText(ui.button, "Signing in …")
  void connect()
}

const enter = () => {
  setReady()
  setHidden(ui.signIn, true)
  setHidden(ui.session, false)
  setHidden(ui.dashboard, false)
  requestAnimationFrame(() => ui.headline.focus())
  loop()
}

const setReady = () => {
  ui.button.disabled = false
  setText(ui.button, "Sign in")
}

/** Forgets everything, the key first. */
const leave = (why) => {
  key = undefined
  open?.abort()
  open = undefined
  clearTimeout(retryTimer)
  seen = undefined
  lostAt = undefined
  nextAttempt = undefined
  attempts = 0
  eventsShown = ""
  cards.clear()
  ui.profiles.replaceChildren()
  ui.callers.tBodies[0].replaceChildren()
  ui.events.replaceChildren()
  for (const node of [ui.headline, ui.subline, ui.refusedWhy, ui.audit, ui.since]) node.textContent = ""
  document.title = "Token broker"
  setLink("connecting")
  setReady()
  setHidden(ui.dashboard, true)
  setHidden(ui.session, true)
  setHidden(ui.signIn, false)
  if (why === undefined) ui.key.focus()
  else fail(why)
}

// ---------------------------------------------------------------------------------------------------------------
// what is shown
// ---------------------------------------------------------------------------------------------------------------

/** Cards by the names of their profiles. */
const cards = new Map()

const stateOf = ({ problem, refreshing, stale, usable }) =>
  problem !== null
    ? usable ? "failing" : "dead"
    : refreshing
    ? "renewing"
    : usable
    ? stale ? "due" : "good"
    : "idle"

const needsAttention = (profile) => profile.problem !== null || profile.store !== null ||
  (profile.required && !profile.usable && !profile.refreshing)

const announceChanges = (before, after) => {
  const said = []
  for (const profile of after.profiles) {
    const old = before.profiles.find(({ name }) => name === profile.name)
    if (old === undefined) continue
    if (old.problem === null && profile.problem !== null) said.push(`${profile.name}: ${profile.problem.message}`)
    if (old.problem !== null && profile.problem === null) said.push(`${profile.name}: the token is renewed again.`)
  }
  if (said.length > 0) announce(said.join(" "))
}

const render = () => {
  const { snapshot } = seen
  renderSummary(snapshot)
  renderProfiles(snapshot.profiles)
  renderCallers(snapshot.callers)
  renderEvents()
  tick()
}

const adviceOf = (troubled) => {
  const names = (profiles) => profiles.map(({ name }) => name).join(", ")
  const without = troubled.filter(({ usable }) => !usable)
  return without.length > 0
    ? `Callers get no token of ${names(without)}.`
    : `Callers are still served; see what is wrong with ${names(troubled)}.`
}

const ofAll = (count, all) => all === 1 ? "The profile" : `${number(count)} of ${number(all)} profiles`

const renderSummary = ({ auditLinesLost, callers, now, profiles, refusals, startedAt }) => {
  const troubled = profiles.filter(needsAttention)
  const usable = profiles.filter((profile) => profile.usable).length
  setText(
    ui.headline,
    profiles.length === 0
      ? "No profiles"
      : troubled.length > 0
      ? `${ofAll(troubled.length, profiles.length)} ${troubled.length === 1 ? "needs" : "need"} attention`
      : usable === profiles.length
      ? profiles.length === 1 ? "The profile has a usable token" : `All ${profiles.length} profiles have a usable token`
      : usable === 0
      ? "No token has been asked for yet"
      : `${ofAll(usable, profiles.length)} ${usable === 1 ? "has" : "have"} a usable token`
  )
  setText(
    ui.subline,
    troubled.length > 0
      ? adviceOf(troubled)
      : usable === profiles.length
      ? "Nothing to do."
      : "Nothing to do: a token is fetched when somebody asks for it."
  )
  document.title = troubled.length > 0 ? `(${troubled.length}) Token broker` : "Token broker"
  setText(ui.asked, number(callers.reduce((sum, { askedLastMinute }) => sum + askedLastMinute, 0)))
  setText(ui.refused, number(callers.reduce((sum, { refusedLastMinute }) => sum + refusedLastMinute, 0)))
  setText(ui.since, `since ${clock(startedAt, now)}`)
  setText(ui.refusedTotal, number(refusals.reduce((sum, { count }) => sum + count, 0)))
  setText(
    ui.refusedWhy,
    refusals.length === 0
      ? "nobody was turned away"
      : refusals.map(({ count, reason }) => `${number(count)} ${reasons[reason] ?? reason}`).join(" · ")
  )
  setHidden(ui.audit, auditLinesLost === 0)
  setText(
    ui.audit,
    auditLinesLost === 0
      ? ""
      : `The audit cannot be written: ${plural(auditLinesLost, "line is", "lines are")} lost. Look at the disk and at the ` +
        "permissions of the audit file."
  )
}

const makeCard = (name) => {
  const root = ui.card.content.firstElementChild.cloneNode(true)
  const part = {}
  for (const node of root.querySelectorAll("[data-part]")) part[node.dataset.part] = node
  part.name.textContent = name
  part.meter.setAttribute("aria-label", `Life left of the token of ${name}`)
  return { root, part, scale: undefined }
}

const renderProfiles = (profiles) => {
  const names = new Set(profiles.map(({ name }) => name))
  for (const [name, { root }] of cards) {
    if (names.has(name)) continue
    root.remove()
    cards.delete(name)
  }
  profiles.forEach((profile, index) => {
    let card = cards.get(profile.name)
    if (card === undefined) cards.set(profile.name, card = makeCard(profile.name))
    if (ui.profiles.children[index] !== card.root) ui.profiles.insertBefore(card.root, ui.profiles.children[index] ?? null)
    renderCard(card, profile)
  })
  setHidden(ui.noProfiles, profiles.length > 0)
}

const renderCard = ({ part, root }, profile) => {
  const state = stateOf(profile)
  setAttribute(root, "data-state", state)
  setAttribute(part.icon, "href", `#icon-${state}`)
  setText(part.state, profile.usable || !profile.refreshing ? states[state] : "Fetching the first token")
  setText(part.asker, askers[profile.askedBy])
  setText(part.asked, `${number(profile.askedLastMinute)} in the last minute`)
  setText(part.refused, `${number(profile.refusedLastMinute)} in the last minute`)
  setText(part.client, profile.clientId)
  setText(part.scopes, profile.scopes.length === 0 ? "none" : profile.scopes.join(" "))
  const { problem, store } = profile
  setHidden(part.trouble, problem === null)
  setText(part.troubleTitle, problem === null ? "" : profile.usable ? "The renewal fails" : "No token can be had")
  setText(part.message, problem === null ? "" : problem.message)
  setHidden(part.store, store === null)
  setText(part.storeDetail, store === null ? "" : `Since ${clock(store.since, seen.snapshot.now)}: ${store.detail}.`)
  const hasBar = profile.usable && profile.remaining !== null && profile.lifetime !== null && profile.lifetime > 0
  setHidden(part.meter, !hasBar && profile.usable)
  // where on the bar the next renewal is
  const renewsIn = profile.nextRenewal === null ? Number.NaN : profile.nextRenewal - seen.snapshot.now
  const at = (profile.remaining - renewsIn) / profile.lifetime
  setHidden(part.tick, !(hasBar && at > 0 && at < 1))
  if (at > 0 && at < 1) part.tick.style.setProperty("left", `${(100 * at).toFixed(2)}%`)
}

const renderCallers = (callers) => {
  const body = ui.callers.tBodies[0]
  const ids = callers.map(({ id }) => id).join("\n")
  if (body.dataset.ids !== ids || body.rows.length !== callers.length) {
    body.dataset.ids = ids
    body.replaceChildren(...callers.map(({ id }) => {
      const row = element("tr")
      const head = element("th", "caller")
      head.scope = "row"
      head.append(element("span", "caller-id", id), element("span", "caller-of"))
      row.append(head, element("td", "figure"), element("td", "figure"), element("td", "figure"))
      return row
    }))
  }
  callers.forEach(({ askedLastMinute, interval, limit, permissions, profiles, refusedLastMinute }, index) => {
    const [head, asked, refused, allowed] = body.rows[index].cells
    setText(
      head.lastElementChild,
      [profiles.length === 0 ? "no profiles" : profiles.join(", "), ...permissions.map((name) => `may see ${name}`)]
        .join(" · ")
    )
    setText(asked, number(askedLastMinute))
    setText(refused, number(refusedLastMinute))
    refused.classList.toggle("is-high", refusedLastMinute > 0)
    setText(allowed, `${number(limit)} in ${long(interval)}`)
  })
  setHidden(ui.callers, callers.length === 0)
  setHidden(ui.noCallers, callers.length > 0)
}

const renderEvents = () => {
  const { events, now } = seen.snapshot
  const chosen = ui.onlyAnomalies.checked ? events.filter(({ isAnomaly }) => isAnomaly) : events
  const shown = chosen.slice(0, shownEvents)
  const name = JSON.stringify([shown, dayFormat.format(now)])
  setHidden(ui.older, chosen.length <= shownEvents)
  setHidden(ui.noEvents, chosen.length > 0)
  setText(
    ui.noEvents,
    events.length === 0 ? "Nothing has happened yet: no token was asked for." : "No anomaly among the last events."
  )
  if (name === eventsShown) return
  eventsShown = name
  ui.events.replaceChildren(...shown.map(({ at, detail, isAnomaly, kind, profile }) => {
    const item = element("li", isAnomaly ? "event is-anomaly" : "event")
    const time = element("time", undefined, clock(at, now))
    time.dateTime = new Date(at).toISOString()
    time.title = fullFormat.format(at)
    const what = element("p", "event-what")
    if (isAnomaly) what.append(icon("failing"), element("span", "hidden", "Anomaly: "))
    what.append(element("b", undefined, wordsOf(kind)))
    if (profile !== null) what.append(" ", element("span", "event-profile", profile))
    item.append(time, what, element("p", "event-detail", detail))
    return item
  }))
}

// ---------------------------------------------------------------------------------------------------------------
// what moves by itself
// ---------------------------------------------------------------------------------------------------------------

/** Everything that counts, once a second or so. */
const tick = () => {
  if (seen === undefined) return
  const now = serverNow()
  setDuration(ui.running, now - seen.snapshot.startedAt)
  for (const profile of seen.snapshot.profiles) {
    const { part } = cards.get(profile.name)
    const left = profile.remaining === null ? undefined : profile.remaining - elapsed()
    if (!profile.usable) {
      setText(part.left, profile.refreshing ? "On its way" : "None")
      setText(part.of, "")
    } else if (left === undefined) {
      setText(part.left, "Lives on")
      setText(part.of, "until an API refuses it: the server said no lifetime")
    } else if (left <= 0) {
      setText(part.left, "Ended")
      setText(part.of, "")
    } else {
      setDuration(part.left, left)
      setText(part.of, profile.lifetime === null ? "left" : `left of ${long(profile.lifetime)}`)
    }
    const share = shareOf(profile)
    setAttribute(part.meter, "aria-valuenow", String(Math.round(100 * share)))
    setAttribute(part.meter, "aria-valuetext", `${part.left.textContent} ${part.of.textContent}`.trim())
    setText(
      part.last,
      profile.lastRenewal === null
        ? "never"
        : `${clock(profile.lastRenewal, now)}, ${long(now - profile.lastRenewal)} ago`
    )
    setText(part.next, nextOf(profile, now))
    if (profile.problem !== null) setText(part.times, timesOf(profile, now))
  }
  tickBanner()
}

const nextOf = ({ nextRenewal, problem, refreshing, usable }, now) =>
  refreshing
    ? "now"
    : problem?.retryAt != null && problem.retryAt > now
    ? `${clock(problem.retryAt, now)}, in ${long(problem.retryAt - now)}`
    : problem !== null
    ? "when somebody asks"
    : nextRenewal === null
    ? usable ? "when it is refused" : "when somebody asks"
    : nextRenewal > now
    ? `${clock(nextRenewal, now)}, in ${long(nextRenewal - now)}`
    : "due now"

const timesOf = ({ problem, refreshing }, now) => {
  const since = `${problem.error} since ${clock(problem.since, now)}, ${long(now - problem.since)} ago.`
  return refreshing
    ? `${since} Trying now.`
    : problem.retryAt !== null && problem.retryAt > now
    ? `${since} The next attempt is possible in ${long(problem.retryAt - now)}.`
    : `${since} The next attempt comes with the next request.`
}

const tickBanner = () => {
  const { snapshot } = seen
  const isLost = link === "lost"
  setHidden(ui.banner, !isLost && !snapshot.draining)
  setHidden(ui.tryNow, !isLost)
  ui.banner.classList.toggle("is-lost", isLost)
  if (isLost) {
    const ago = long(performance.now() - seen.at)
    setText(ui.bannerTitle, snapshot.draining ? "The broker has stopped" : "No connection to the broker")
    setText(
      ui.bannerText,
      `Last seen ${ago} ago, at ${clock(seen.snapshot.now, seen.snapshot.now)}; what stands below was true then. ` +
        (nextAttempt === undefined
          ? "Trying to connect …"
          : `Next attempt in ${long(Math.max(0, nextAttempt - performance.now()) + 999)}.`)
    )
    setText(ui.subline, "So it was when the broker was last seen.")
    document.title = "No connection – Token broker"
  } else if (snapshot.draining) {
    setText(ui.bannerTitle, "The broker is stopping")
    setText(ui.bannerText, "It finishes the requests that it has begun, and takes no new ones.")
  }
}

const shareOf = ({ lifetime, remaining, usable }) =>
  !usable || remaining === null || lifetime === null || lifetime <= 0
    ? 0
    : Math.min(1, Math.max(0, (remaining - elapsed()) / lifetime))

const drawBars = () => {
  for (const profile of seen.snapshot.profiles) {
    const card = cards.get(profile.name)
    // no finer than anybody can see
    const scale = shareOf(profile).toFixed(4)
    if (card.scale === scale) continue
    card.scale = scale
    card.part.fill.style.setProperty("transform", `scaleX(${scale})`)
  }
}

const still = matchMedia("(prefers-reduced-motion: reduce)")

/** Until signing out: bars with every frame, text four times a second; for who wants no motion, all of it once a second. */
const loop = () => {
  let ticked = -Infinity
  const turn = () => {
    if (seen === undefined) return
    const now = performance.now()
    if (now - ticked >= (still.matches ? 1000 : 250)) {
      ticked = now
      tick()
      if (still.matches) drawBars()
    }
    if (still.matches) setTimeout(turn, 1000)
    else {
      drawBars()
      requestAnimationFrame(turn)
    }
  }
  turn()
}

// ---------------------------------------------------------------------------------------------------------------
// what people do
// ---------------------------------------------------------------------------------------------------------------

ui.form.addEventListener("submit", (event) => {
  event.preventDefault()
  begin()
})
ui.signOut.addEventListener("click", () => leave())
ui.tryNow.addEventListener("click", () => void retry())
ui.onlyAnomalies.addEventListener("change", renderEvents)
ui.older.addEventListener("click", () => {
  const first = ui.events.children.length
  shownEvents += 80
  renderEvents()
  // the button is gone, perhaps: go on with what it has brought
  const next = ui.events.children[first]
  if (next === undefined) return
  next.tabIndex = -1
  next.focus({ preventScroll: true })
})
// a network that is back is a reason not to wait
addEventListener("online", () => {
  if (link === "lost") void retry()
})
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && link === "lost") void retry()
})
// a page that the browser keeps for going back keeps no key
addEventListener("pagehide", () => leave())

setHidden(ui.signIn, false)
ui.key.focus()
