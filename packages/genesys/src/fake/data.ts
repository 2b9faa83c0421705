// Users and conversations of the fake cloud.
import type { FakeConversation, FakeUser } from "./contract.js"

export const user = (name: string): FakeUser => {
  const id = crypto.randomUUID()
  const email = `${name.toLowerCase().replaceAll(" ", ".")}@example.com`
  return { id, name, email, username: email, state: "active", version: 1, division: { id: "d1", name: "Home" } }
}

export const conversation = (conversationStart: string): FakeConversation => {
  const conversationEnd = new Date(new Date(conversationStart).getTime() + 600_000).toISOString()
  const participant = (purpose: string) => ({
    participantId: crypto.randomUUID(),
    purpose,
    sessions: [{
      sessionId: crypto.randomUUID(),
      mediaType: "voice",
      direction: "inbound",
      segments: [{ segmentStart: conversationStart, segmentEnd: conversationEnd, segmentType: "interact" }]
    }]
  })
  return {
    conversationId: crypto.randomUUID(),
    conversationStart,
    conversationEnd,
    originatingDirection: "inbound",
    participants: [participant("customer"), participant("agent")]
  }
}
