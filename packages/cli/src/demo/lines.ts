/** What a person pastes into another terminal. The key is good for this demo alone, so it may stand in a command line. */
import { quoted } from "../output/shell.js"

export interface Places {
  readonly origin: string
  readonly profile: string
  readonly caller: string
  readonly key: string
  readonly clientId: string
  readonly api: string
  readonly tokenFile: string
  readonly auditFile: string
}

export interface Line {
  readonly title: string
  readonly line: string
}

/** What a shell takes as it is stays without quotes, for people. */
const word = (text: string): string => /^[\w./:@=-]+$/.test(text) ? text : quoted(text)

/** The first one shows a token. */
export const make = (
  { api, auditFile, caller, clientId, key, origin, profile, tokenFile }: Places
): readonly [Line, ...Array<Line>] => {
  const user = `-u ${word(`${caller}:${key}`)}`
  const bearer = `-H 'Authorization: Bearer ${key}' -H 'X-Effect-Bearer: true'`
  return [
    {
      title: "Get a token, as any OAuth client does",
      line: `curl ${user} -d grant_type=client_credentials ${origin}/oauth2/${profile}/token`
    },
    {
      title: "As a flow that names a client",
      line:
        `curl ${user} -H 'Content-Type: application/json' -d '{"client_id":"${clientId}"}' ${origin}/auth/token/check`
    },
    {
      title: "As a script that wants half a minute at least",
      line: `curl ${bearer} '${origin}/v1/profiles/${profile}/token?min_ttl=30'`
    },
    {
      title: "As a reverse proxy: a header to copy",
      line: `curl -i ${bearer} ${origin}/inject/${profile}`
    },
    {
      title: "Each new token as it comes (every half minute; Ctrl-C ends it)",
      line: `curl -N ${bearer} ${origin}/v1/profiles/${profile}/tokens`
    },
    {
      title: "Call the API of the demo with the token from a file",
      line: `curl -H "Authorization: $(cat ${word(tokenFile)})" ${api}`
    },
    { title: "Who got what (the audit)", line: `cat ${word(auditFile)}` }
  ]
}

export const text = (places: Places, emphasis: (text: string) => string): string => {
  const [first, ...others] = make(places)
  return `
A token broker runs here, with an authorization server and an API of its own. Tokens live a minute.

${first.title}: paste this into another terminal.

  ${emphasis(first.line)}

Other ways to ask:
${others.map(({ line, title }) => `\n  # ${title}\n  ${line}`).join("\n")}

The status page is ${places.origin}/ and takes this key:

  ${places.key}

Ctrl-C ends the demo and leaves nothing behind.
`
}
